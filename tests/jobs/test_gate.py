"""Gate and lease by themselves."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from app.jobs.gate import ForkGate, Lease

TAKE = "import sys; from pathlib import Path; from app.jobs.gate import Lease; print(Lease(Path(sys.argv[1])).held())"


def held_elsewhere(path: Path) -> bool:
    """Whether another process could take the lease now."""
    done = subprocess.run([sys.executable, "-c", TAKE, str(path)], capture_output=True, text=True, check=True)
    return done.stdout.strip() == "True"


def in_thread(work: object) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)  # type: ignore[arg-type]
    thread.start()
    return thread


def test_a_fork_waits_for_work_in_hand_and_then_releases_connections() -> None:
    released: list[float] = []
    gate = ForkGate(on_quiet=lambda: released.append(time.monotonic()))
    ended: list[float] = []

    def work() -> None:
        with gate:
            time.sleep(0.3)
            ended.append(time.monotonic())

    thread = in_thread(work)
    time.sleep(0.05)
    gate.before_fork()
    assert ended
    assert released[0] >= ended[0]
    gate.open()
    thread.join()


def test_work_waits_while_the_gate_is_closed_and_goes_on_afterwards() -> None:
    gate = ForkGate()
    assert gate.quiet(0.1)
    entered = threading.Event()

    def work() -> None:
        with gate:
            entered.set()

    thread = in_thread(work)
    assert not entered.wait(0.2)
    gate.open()
    assert entered.wait(2)
    thread.join()


def test_work_that_never_ends_is_given_up_instead_of_forked_with() -> None:
    said: list[str] = []
    released: list[int] = []
    gate = ForkGate(on_quiet=lambda: released.append(1), patience_s=0.2, give_up=said.append)
    leave = threading.Event()

    def work() -> None:
        with gate:
            leave.wait()

    thread = in_thread(work)
    time.sleep(0.05)
    gate.before_fork()
    assert "0.2 s" in said[0]
    assert not released
    leave.set()
    thread.join()


def test_it_knows_how_long_the_longest_work_takes() -> None:
    gate = ForkGate()
    assert gate.longest_inside_s() == 0.0
    with gate:
        time.sleep(0.1)
        assert 0.1 <= gate.longest_inside_s() < 2
    assert gate.longest_inside_s() == 0.0


def test_work_that_fails_leaves_the_gate() -> None:
    gate = ForkGate()
    try:
        with gate:
            raise ValueError
    except ValueError:
        pass
    assert gate.quiet(0.1)


def test_the_lease_is_one_processs_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "scheduler.lock"
    lease = Lease(path)
    assert lease.held()
    assert lease.held()
    assert not held_elsewhere(path)
    lease.release()
    assert held_elsewhere(path)


def test_a_lease_whose_file_was_deleted_is_taken_anew(tmp_path: Path) -> None:
    path = tmp_path / "scheduler.lock"
    lease = Lease(path)
    assert lease.held()
    path.unlink()
    assert lease.held()
    assert not held_elsewhere(path)


def test_a_lease_whose_file_another_one_replaced_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "scheduler.lock"
    lease = Lease(path)
    assert lease.held()
    path.unlink()
    hold = TAKE.replace("print(Lease(Path(sys.argv[1])).held())", "lease = Lease(Path(sys.argv[1]))")
    hold += "; print(lease.held(), flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline().strip() == "True"
    assert not lease.held()
    holder.communicate("")
    assert lease.held()


def test_a_lease_that_cannot_be_taken_says_so_once(tmp_path: Path, caplog: object) -> None:
    lease = Lease(tmp_path / "missing" / "scheduler.lock")
    assert not lease.held()
    assert not lease.held()
    assert len(caplog.records) == 1  # type: ignore[attr-defined]


def test_a_forked_child_can_work_again() -> None:
    gate = ForkGate()
    gate.quiet(0.1)
    gate._reset()  # what the child's hook does
    with gate:
        assert os.getpid()
