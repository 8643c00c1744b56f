"""The acting process of a long test: PowerHive's own scheduler with its real jobs, without web workers.

Settings come from the environment, as for every other way to start it.
"""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType

from app import create_app
from app.jobs import master


def main() -> int:
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        master.retire()
        ended.set()

    signal.signal(signal.SIGTERM, end)
    master.start(create_app())
    ended.wait()
    master.stop(15.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
