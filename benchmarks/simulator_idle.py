"""How much of a core do 1,000 idle simulated miners cost? Prints it and ends by itself."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 60


def cpu_s(pid: int) -> float:
    """Seconds on a core all threads of a process have used so far, to the nanosecond (ticks miss short bursts)."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def memory_mib(pid: int) -> float:
    """Resident memory of a process, MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def main() -> int:
    """Start, idle, measure, print one line of JSON, end."""
    cli = argparse.ArgumentParser(description="CPU of idle simulated miners")
    cli.add_argument("--miners", type=int, default=1_000)
    cli.add_argument("--seconds", type=float, default=20.0)
    args = cli.parse_args()
    command = [sys.executable, "-m", "simulator", "--miners", str(args.miners), "--base-ip", "127.40.0.1"]
    command += ["--port", "0", "--plant-port", "0", "--control-port", "0"]
    started_s = time.monotonic()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            where = json.loads(process.stdout.readline())
            start_s = time.monotonic() - started_s
            before_s, began_s = cpu_s(process.pid), time.monotonic()
            time.sleep(args.seconds)
            used_s, took_s = cpu_s(process.pid) - before_s, time.monotonic() - began_s
            result = {
                "benchmark": "simulator_idle",
                "miners": where["miners"],
                "seconds": round(took_s, 1),
                "cpu_percent_of_a_core": round(100 * used_s / took_s, 3),
                "resident_mib": round(memory_mib(process.pid), 1),
                "started_in_s": round(start_s, 2),
            }
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(START_TIMEOUT_S)
    print(json.dumps(result))
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
