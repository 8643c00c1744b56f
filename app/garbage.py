"""When Python's garbage collector comes, in processes that live for months."""

from __future__ import annotations

import gc

COLLECT_EVERY = 100_000  # new objects


def collect_rarely() -> None:
    """Let the garbage collector come less often: a cycle makes 100,000 small objects, nearly all of them free of loops.

    By its defaults it comes 140 times in the decision for 20,000 miners, which takes a third of the time.
    """
    gc.set_threshold(COLLECT_EVERY, 10, 10)


def settle() -> None:
    """Do the same once all is loaded, and never look through what is loaded again: it stays for the process's life.

    A full collection of a worker takes 0.1 s by default, in the middle of somebody's request.
    """
    gc.collect()
    gc.freeze()
    collect_rarely()
