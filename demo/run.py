"""`python -m demo.run`: start the simulator, prepare a database, serve PowerHive on it, and clean up at the end.

It uses only what an operator has (settings in the environment, `flask` commands, the pages) and what the simulator
prints; everything stays on loopback.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from demo import processes

ROOT = Path(__file__).resolve().parent.parent
STUCK_EXIT_STATUS = 70  # PowerHive asks its supervisor to start it again; here that is us
_SIMULATOR_TRIES = 5
SERVER_PATIENCE_S = 25.0  # requests 10 s, then the cycle in hand 10 s
_WHAT_ONE_SEES = """
PowerHive runs at  {url}

  - Dashboard: what the plant gives, what the farm draws, and why it is so. It refreshes by itself.
  - Miners, Models, Events: {miners} simulated miners; every preset change is an event with its reason.
  - On the dashboard, change the safety margin: the next cycle acts on it.
  - By hand: POWERHIVE_INSTANCE={folder} .venv/bin/flask status
{more}
All of it is simulated and on this machine only. The data is in {folder}; delete that folder to start anew.
Ctrl-C stops everything.
"""


class Stop(BaseException):
    """Somebody asked the demo to end."""


def main() -> None:
    """Run the demo until Ctrl-C, SIGTERM or the end of one of its parts."""
    options = _options()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _raise_stop)
    children: list[subprocess.Popen[str]] = []
    status = 0
    try:
        _run(options, children)
    except Stop:
        print("\nstopping ...", flush=True)
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        print(f"The demo cannot go on: {error}", file=sys.stderr)
        status = 1
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # stopping is under way
        for child in reversed(children):
            processes.stop(child, patience_s=SERVER_PATIENCE_S)
    sys.exit(status)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--miners", type=int, default=100)
    parser.add_argument("--port", type=int, default=8080, help="of the pages; the next free one where it is taken")
    parser.add_argument("--instance", type=Path, default=ROOT / "instance-demo")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--by-hand", action="store_true", help="take no decision at the first start: begin on /setup")
    parser.add_argument("--log-level", default="WARNING", help="of PowerHive's own log (default WARNING)")
    parser.add_argument("simulator", nargs="*", help="after --: further options of `python -m simulator`")
    return parser.parse_args()


def _raise_stop(_number: int, _frame: object) -> NoReturn:
    raise Stop


def _run(options: argparse.Namespace, children: list[subprocess.Popen[str]]) -> None:
    folder: Path = options.instance.absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _only_one(folder)
    simulator, facts = _start_simulator(options)
    children.append(simulator)
    _write_settings(folder, facts, options.log_level)
    env = _scrubbed() | {"POWERHIVE_INSTANCE": str(folder)}
    _prepare(folder, env, facts, by_hand=options.by_hand)
    port = processes.free_port(options.port)
    env["POWERHIVE_BIND"] = f"127.0.0.1:{port}"
    url = f"http://127.0.0.1:{port}/"
    first = True
    while True:
        server = processes.start(
            [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py"],
            cwd=ROOT, env=env, on_orphaned=signal.SIGTERM,
        )  # fmt: skip
        children.append(server)
        if first:
            _wait_until_it_serves(url, server)
            print(_WHAT_ONE_SEES.format(url=url, miners=facts["miners"], folder=folder, more=_more(facts)), flush=True)
            first = False
        status = _wait_for_end(server, simulator)
        children.remove(server)
        if status != STUCK_EXIT_STATUS:
            lock.close()
            raise RuntimeError(f"PowerHive ended by itself with status {status}")


def _only_one(folder: Path) -> Any:
    """Hold the folder's lock for as long as the demo runs."""
    lock = (folder / "demo.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RuntimeError(f"a demo already runs on {folder}; stop it, or choose another folder: --instance") from None
    return lock


def _scrubbed() -> dict[str, str]:
    """The environment without the operator's own PowerHive: a demo must never touch a real farm."""
    return {key: value for key, value in os.environ.items() if not key.startswith("POWERHIVE_")}


def _start_simulator(options: argparse.Namespace) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """Start the simulator on ports that are free; another program may take one between our look and its start."""
    for attempt in range(_SIMULATOR_TRIES):
        simulator = _launch_simulator(options, first_port=18080 + 10 * attempt)
        assert simulator.stdout is not None  # noqa: S101 - asked for in the launch
        line = simulator.stdout.readline() if select.select([simulator.stdout], [], [], 30)[0] else ""
        if line.startswith("{"):
            return simulator, json.loads(line)
        processes.stop(simulator, patience_s=1)
    raise RuntimeError("the simulator did not start; its own words are above")


def _launch_simulator(options: argparse.Namespace, first_port: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "simulator", "--miners", str(options.miners), "--seed", str(options.seed)]
    taken = first_port
    for name in ("--port", "--plant-port", "--control-port"):
        taken = processes.free_port(taken)
        command += [name, str(taken)]
        taken += 1
    command += options.simulator
    return processes.start(command, cwd=ROOT, env=_scrubbed(), on_orphaned=signal.SIGKILL, stdout=subprocess.PIPE)


def _write_settings(folder: Path, facts: Mapping[str, Any], log_level: str) -> None:
    """Write PowerHive's settings for the demo, so that the `flask` commands find them too.

    The intervals are shorter than a real plant needs, so that one sees it act.
    """
    settings = {
        "simulated": True,
        "plant_endpoint": facts["plant_url"],
        "plant_api_key": facts["plant_key"],
        "plant_id": facts["plant_id"],
        "plant_power_unit": facts["plant_unit"],
        "subnets": ",".join(facts["subnets"]),
        "miner_port": facts["miner_port"],
        "unlock_password": facts["miner_password"],
        "plant_interval_s": 5,
        "balance_interval_s": 5,
        "status_interval_s": 5,
        "telemetry_interval_s": 60,
        "discovery_interval_s": 60,
        "log_level": log_level,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items() if value is not None]
    path = folder / "powerhive.toml"
    path.touch(mode=0o600)
    path.write_text("# Written by `make demo` at each start.\n" + "\n".join(lines) + "\n", encoding="utf-8")


def _prepare(folder: Path, env: Mapping[str, str], facts: Mapping[str, Any], *, by_hand: bool) -> None:
    """Bring the tables up to date; at the first start also take the operator's decisions (demo/seed.py).

    `by_hand`: leave these decisions to whoever opens the pages.
    """
    _call(env, "-m", "flask", "--app", "wsgi", "db", "upgrade")
    seeded = folder / "seeded"
    if by_hand or seeded.exists():
        return
    print(f"first start: looking for the {facts['miners']} simulated miners ...", flush=True)
    _call(env, "-m", "demo.seed", str(facts["miners"]))
    seeded.touch()


def _call(env: Mapping[str, str], *arguments: str) -> None:
    """Run a Python program to its end; its own words go to the terminal."""
    child = processes.start([sys.executable, *arguments], cwd=ROOT, env=env, on_orphaned=signal.SIGKILL)
    try:
        status = child.wait()
    except BaseException:
        processes.stop(child, patience_s=2)
        raise
    if status:
        raise RuntimeError(f"{' '.join(arguments)} ended with status {status}")


def _wait_until_it_serves(url: str, server: subprocess.Popen[str]) -> None:
    ends_s = time.monotonic() + 30
    while time.monotonic() < ends_s:
        if server.poll() is not None:
            raise RuntimeError(f"PowerHive did not start (status {server.returncode}); its own words are above")
        try:
            with urllib.request.urlopen(url + "healthz", timeout=2):  # noqa: S310 - our own address
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("PowerHive did not answer within 30 s")


def _more(facts: Mapping[str, Any]) -> str:
    control = facts.get("control_url")
    return f"  - The simulator itself, to break things on purpose: {control}\n" if control else ""


def _wait_for_end(server: subprocess.Popen[str], simulator: subprocess.Popen[str]) -> int:
    while True:
        try:
            return server.wait(1)
        except subprocess.TimeoutExpired:
            if simulator.poll() is not None:
                raise RuntimeError("the simulator ended by itself") from None


if __name__ == "__main__":
    main()
