"""The scheduler in a real gunicorn master: forks, a second master, signals (STACK notes section 6, tests 1 to 4)."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.lab import Lab, a_lab, wait_until


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with a_lab(tmp_path / "instance") as lab:
        yield lab


def test_a_worker_forked_while_jobs_write_can_write_too(lab: Lab) -> None:
    master = lab.start("busy,beat")
    seen: set[int] = set()
    for _ in range(6):
        victim = master.workers()[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda gone=victim: gone not in master.workers() and len(master.workers()) == 2,
                   within_s=5, what="a replacement")  # fmt: skip
        newest = max(master.workers())
        seen.add(newest)
        answers = {}
        for _ in range(60):
            answer = master.get("/lab/write")
            assert answer["connections"] == 0
            answers[answer["pid"]] = answer
            if newest in answers:
                break
        assert newest in answers
    assert len(seen) == 6
    assert "locked" not in master.log()
    assert len({entry["pid"] for entry in lab.entries("beat")}) == 1


def test_the_master_has_no_open_connection_when_it_forks(lab: Lab) -> None:
    master = lab.start("busy,beat")
    time.sleep(1)
    os.kill(master.workers()[0], signal.SIGKILL)
    wait_until(lambda: len(master.workers()) == 2, within_s=5, what="a replacement")
    newest = max(master.workers())
    # A fresh worker has opened nothing by itself yet: whatever it has of the database, it inherited.
    files = [str(link.readlink()) for link in Path(f"/proc/{newest}/fd").iterdir()]
    assert not [name for name in files if "powerhive.db" in name]


def test_of_two_masters_one_runs_jobs_and_the_other_takes_over(lab: Lab) -> None:
    first = lab.start("beat")
    second = lab.start("beat")
    wait_until(lambda: len(lab.entries("beat")) >= 6, within_s=8, what="beats")
    assert {entry["pid"] for entry in lab.entries("beat")} == {first.pid}
    first.signal(signal.SIGKILL)
    wait_until(lambda: [e for e in lab.entries("beat") if e["pid"] == second.pid], within_s=5, what="a takeover")
    assert [entry["pid"] for entry in lab.entries("recover")] == [first.pid, second.pid]
    assert lab.entries("recover")[1]["term"] == lab.entries("recover")[0]["term"] + 1


def test_recovery_comes_before_any_job(lab: Lab) -> None:
    lab.start("beat")
    wait_until(lambda: lab.entries("beat"), within_s=5, what="a beat")
    assert lab.entries()[0]["what"] == "recover"
    assert lab.entries("beat")[0]["term"] == lab.entries("recover")[0]["term"]


def test_term_lets_the_job_in_hand_end_and_starts_no_other(lab: Lab) -> None:
    master = lab.start("slow,beat", LAB_SLOW_S="3")
    wait_until(lambda: lab.entries("slow begins") and lab.entries("beat"), within_s=5, what="the slow job")
    master.signal(signal.SIGTERM)
    told_s = time.monotonic()
    assert master.ends(9) == 0
    assert lab.entries("slow ends")
    assert lab.entries("beat")[-1]["s"] < told_s + 0.5


def test_term_does_not_wait_for_a_job_that_never_ends(lab: Lab) -> None:
    master = lab.start("stuck")
    wait_until(lambda: lab.entries("stuck begins"), within_s=5, what="the stuck job")
    master.signal(signal.SIGTERM)
    assert master.ends(13) == 0
    assert "left behind" in master.log()


def test_a_job_that_outlives_its_patience_ends_the_process_for_the_supervisor(lab: Lab) -> None:
    master = lab.start("stuck", LAB_PATIENCE_S="2")
    wait_until(lambda: lab.entries("stuck begins"), within_s=5, what="the stuck job")
    assert master.ends(6) == 70
    assert "has not ended within 2 s" in master.log()
    wait_until(lambda: not master.serves(), within_s=5, what="the workers end too")
    lab.start("beat")
    wait_until(lambda: lab.entries("beat"), within_s=3, what="the next start acts at once")


def test_hup_replaces_workers_and_leaves_the_one_scheduler(lab: Lab) -> None:
    master = lab.start("beat")
    wait_until(lambda: lab.entries("beat"), within_s=5, what="a beat")
    before = set(master.workers())
    master.signal(signal.SIGHUP)
    wait_until(lambda: len(master.workers()) == 2 and not before & set(master.workers()), within_s=10, what="workers")
    lab.diary.rename(lab.folder / "old-diary")
    time.sleep(2)
    beats = lab.entries("beat")
    assert {entry["pid"] for entry in beats} == {master.pid}
    assert 4 <= len(beats) <= 9  # one each 0.3 s, not two
    master.signal(signal.SIGTERM)
    assert master.ends(12) == 0


def test_a_request_runs_a_job_at_once_and_once_more_where_it_is_running(lab: Lab) -> None:
    master = lab.start("asked,asking")
    wait_until(lambda: len(lab.entries("answer ends")) >= 4, within_s=8, what="answers")
    requests = [entry["s"] for entry in lab.entries("asked for")]
    begins = [entry["s"] for entry in lab.entries("answer begins")]
    assert all(any(0 <= begin - asked < 1.0 for begin in begins) for asked in requests[:3])
    ends = [entry["s"] for entry in lab.entries("answer ends")]
    assert all(begin >= end for end, begin in zip(ends, begins[1:], strict=False))  # never two at a time
    assert "maximum number" not in master.log()


def test_a_failing_job_is_logged_once_without_secrets_and_shown(lab: Lab) -> None:
    master = lab.start("fails,beat")
    wait_until(lambda: len(lab.entries("beat")) >= 8, within_s=8, what="beats beside a failing job")
    assert master.log().count("fails failed") == 1
    assert "plant-key-for-tests" not in master.log()
    with sqlite3.connect(lab.folder / "powerhive.db") as connection:
        row = connection.execute("SELECT ok, failures_in_a_row, last_error FROM job_runs WHERE name='fails'").fetchone()
    connection.close()
    assert row[0] == 0
    assert row[1] >= 3
    assert row[2] == "the key *** is wrong"


def test_an_old_database_is_refused_with_a_sentence_and_status_2(lab: Lab) -> None:
    with sqlite3.connect(lab.folder / "powerhive.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'old'")
    connection.close()
    master = lab.launch("beat")
    assert master.ends(10) == 2
    assert "db upgrade" in master.log()
    assert "Traceback" not in master.log()
    assert not lab.entries()


def test_a_port_in_use_runs_no_job(lab: Lab) -> None:
    first = lab.start("beat")
    first.signal(signal.SIGSTOP)  # holds the port, beats no more
    try:
        second = lab.launch("beat", port=first.port)
        assert second.ends(12) == 2
        assert "Is PowerHive running already?" in second.log()
    finally:
        first.signal(signal.SIGCONT)
    assert {entry["pid"] for entry in lab.entries()} <= {first.pid}


def test_without_a_required_setting_it_exits_with_2_and_names_it(lab: Lab) -> None:
    master = lab.launch("beat", POWERHIVE_PLANT_API_KEY="")
    assert master.ends(10) == 2
    assert "POWERHIVE_PLANT_API_KEY is empty" in master.log()
    assert "Traceback" not in master.log()
