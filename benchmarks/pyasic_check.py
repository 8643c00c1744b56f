"""Does pyasic, an independent VNish client, understand the simulated miner? Exit 1 if it does not.

Makes a virtual environment outside the repository with pyasic 0.79, starts one simulated S19j Pro on port 80 (and
4028) of a loopback address, and lets pyasic read it and set a preset. Needs the right to bind port 80.

pyasic 0.79.0 never shows presets in ``get_config`` of a VNish miner (its ``MiningModeConfig.from_vnish`` calls itself
instead of ``MiningModePreset.from_vnish``; recorded answers of a real S21 Pro give the same "normal" mode), so the
client asks pyasic's own ``MiningModePreset`` directly and sets presets by ``send_config`` and by the web API.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from simulator import FAST, FarmSpec, MinerSpec, Simulator

PYASIC = "pyasic==0.79.*"
CLIENT_TIMEOUT_S = 90
INSTALL_TIMEOUT_S = 300

CLIENT = """
import asyncio, json, sys
import pyasic
from pyasic.config.mining import MiningModePreset

async def preset_mode(miner):
    settings, perf = await miner.web.settings(), await miner.web.perf_summary()
    return MiningModePreset.from_vnish(settings["miner"]["overclock"], await miner.web.autotune_presets(), perf)

async def main(ip, by_config, by_web):
    miner = await pyasic.get_miner(ip)
    if miner is None:
        print(json.dumps({"error": "not recognised"}))
        return
    data = await miner.get_data()
    config = await miner.get_config()
    mode = await preset_mode(miner)
    read = {
        "class": type(miner).__name__, "mac": data.mac, "firmware": data.fw_ver, "model": data.model,
        "hashrate_ths": float(data.hashrate), "wattage": data.wattage, "wattage_limit": data.wattage_limit,
        "is_mining": data.is_mining, "boards": len(data.hashboards), "get_config_mode": config.mining_mode.mode,
        "active_preset": mode.active_preset.name, "presets": [p.name for p in mode.available_presets],
        "tuned": sum(bool(p.tuned) for p in mode.available_presets),
        "pools": [p.url for p in config.pools.groups[0].pools],
    }
    mode.active_preset = next(p for p in mode.available_presets if p.name == by_config)
    config.mining_mode = mode
    await miner.send_config(config)
    read["after_send_config"] = (await preset_mode(miner)).active_preset.name
    read["web_answer"] = await miner.web.set_power_limit(int(by_web))
    read["after_web_set_power_limit"] = (await preset_mode(miner)).active_preset.name
    print(json.dumps(read))

asyncio.run(main(*sys.argv[1:]))
"""


def make_environment(folder: Path) -> Path:
    """A virtual environment with pyasic in ``folder``; returns its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "--quiet", "--quiet", "install", PYASIC]
    subprocess.run(install, check=True, timeout=INSTALL_TIMEOUT_S)
    return python


def check(python: Path, ip: str) -> bool:
    """Run the client against one simulated miner and print both sides."""
    miner = MinerSpec(model="s19jpro", preset="2500", ip=ip, change_mode="quick", timing=FAST)
    with Simulator(FarmSpec([miner]), miner_port=80, with_cgminer=True) as sim:
        before = sim.miners[0].saved_preset
        done = subprocess.run(
            [python, "-c", CLIENT, ip, "2300", "2000"],
            capture_output=True, text=True, timeout=CLIENT_TIMEOUT_S, check=False,
        )  # fmt: skip
        writes = [(preset, status) for _, preset, status in sim.miners[0].preset_writes]
        after = sim.miners[0].saved_preset
        truth_w, truth_ths = sim.miners[0].power_w, sim.miners[0].hashrate_ths
    if done.returncode != 0:
        print(done.stdout, done.stderr[-3000:], sep="\n")
        return False
    read = json.loads(done.stdout.strip().splitlines()[-1])
    print("pyasic read:", json.dumps(read, indent=1))
    print(f"simulator: saved preset {before} -> {after}; writes {writes}; now {truth_w:.0f} W, {truth_ths:.1f} TH/s")
    return bool(
        read.get("mac", "").lower() == sim.miners[0].mac
        and read.get("active_preset") == before
        and read.get("wattage", 0) > 2000
        and read.get("after_send_config") == "2300"
        and read.get("after_web_set_power_limit") == after == "2000"
    )


def main() -> int:
    """Run the check; 1 if pyasic does not understand the miner or cannot set its preset."""
    cli = argparse.ArgumentParser(description="let pyasic read and steer a simulated miner")
    cli.add_argument("--python", type=Path, help="a Python that has pyasic already (default: a temporary environment)")
    cli.add_argument("--ip", default="127.21.0.1", help="loopback address of the miner (default 127.21.0.1)")
    args = cli.parse_args()
    with tempfile.TemporaryDirectory(prefix="pyasic-check-") as folder:
        python = args.python or make_environment(Path(folder))
        good = check(python, args.ip)
    print("pyasic understands the simulated miner" if good else "FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
