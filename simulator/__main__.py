"""``python -m simulator``: prints one line of JSON with where things are, then serves until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from types import FrameType

from simulator.demo import demo_farm
from simulator.farm import BASE_IP, FarmSpec, OtherHost
from simulator.ladders import MODELS
from simulator.miner import PASSWORD
from simulator.plant import PLANT_ID, PLANT_KEY, PlantSpec
from simulator.server import Simulator


def parser() -> argparse.ArgumentParser:
    """The command line."""
    cli = argparse.ArgumentParser(prog="python -m simulator", description=(__doc__ or "").replace("``", ""))
    cli.add_argument("--miners", type=_count, default=20, help="how many simulated miners (default 20)")
    cli.add_argument("--models", default="", help="mix such as s19jpro:50,s19:30,s21pro:20 (default: those)")
    cli.add_argument("--stock", type=_count, default=0, help="hosts with Bitmain stock firmware")
    cli.add_argument("--other", type=_count, default=0, help="hosts with another firmware")
    cli.add_argument("--hang", type=_count, default=0, help="hosts that accept and never answer")
    cli.add_argument("--base-ip", default=BASE_IP, help=f"first loopback address of the farm (default {BASE_IP})")
    cli.add_argument("--port", type=_port, default=18080, help="port of every miner, 0 finds one (default 18080)")
    cli.add_argument("--plant-port", type=_port, default=18081, help="default 18081")
    cli.add_argument("--control-port", type=_port, default=18082, help="default 18082")
    cli.add_argument("--plant-key", default=PLANT_KEY, help=f"bearer key the plant accepts (default {PLANT_KEY})")
    cli.add_argument("--miner-password", default=PASSWORD, help=f"what unlocks every miner (default {PASSWORD})")
    cli.add_argument("--plant-id", default=PLANT_ID, help=f"default {PLANT_ID}")
    cli.add_argument("--unit", choices=("MW", "kW"), default="MW", help="unit of the plant's _mw fields")
    meters = "miners: container_1 meters them; foreign: no meter contains them; mixed: container_1 meters more too"
    cli.add_argument("--topology", choices=("miners", "foreign", "mixed"), default="miners", help=meters)
    cli.add_argument("--generation-kw", type=float, default=None, help="mean generation (default: sized to the farm)")
    cli.add_argument("--collect-every", type=float, default=8.0, help="seconds between collections (default 8)")
    cli.add_argument("--seed", type=int, default=1, help="default 1")
    cli.add_argument("--time-scale", type=float, default=1.0, help="speed of miners and river (default 1)")
    cli.add_argument("--cgminer", action="store_true", help="also answer the cgminer API on TCP 4028")
    return cli


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65_535:
        raise argparse.ArgumentTypeError("must be 0 to 65535")
    return value


def _mix(text: str) -> list[tuple[str, float]]:
    mix = []
    for part in text.split(","):
        alias, _, share = part.partition(":")
        if alias not in MODELS:
            raise ValueError(f"unknown model {alias!r}; there are: {', '.join(MODELS)}")
        mix.append((alias, float(share or 1)))
    return mix


def build(args: argparse.Namespace) -> Simulator:
    """The simulator the command line describes; ValueError where it describes none."""
    farm = demo_farm(args.miners, base_ip=args.base_ip)
    if args.models:
        farm = replace(farm, miners=FarmSpec.of(args.miners, _mix(args.models)).miners)
    farm = replace(farm, miners=[replace(miner, password=args.miner_password) for miner in farm.miners])
    others = [OtherHost("stock")] * args.stock + [OtherHost("hang")] * args.hang
    others += [OtherHost("other_json" if number % 2 else "other_spa") for number in range(args.other)]
    plant = PlantSpec(
        key=args.plant_key,
        plant_id=args.plant_id,
        unit=args.unit,
        mean_generation_kw=args.generation_kw,
        collection_interval_s=args.collect_every,
    )
    return Simulator(
        replace(farm, others=others),
        plant,
        topology=args.topology,
        seed=args.seed,
        time_scale=args.time_scale,
        miner_port=args.port,
        plant_port=args.plant_port,
        control_port=args.control_port,
        with_cgminer=args.cgminer,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to end; 2 where the command line or an address is wrong."""
    args = parser().parse_args(arguments)
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        with build(args) as sim:
            print(json.dumps(sim.where()), flush=True)
            ended.wait()
    except (ValueError, OSError) as exc:
        print(f"simulator: {exc}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
