"""Changes through the door, and polls that confirm them, for tests of the store."""

from __future__ import annotations

from app.core.readings import Stamp
from app.core.types import Outcome
from app.extensions import writing
from app.store import changes
from app.store.changes import Ending, Intent, Refused
from tests.store import farm
from tests.store.own_app import at


def begin(change: object, now: Stamp | None = None, *, reachable: bool = True) -> Intent | Refused:
    now = now or at()
    return changes.begin(change, farm.context(now), now, reachable=lambda _: reachable)  # type: ignore[arg-type]


def intent(change: object, now: Stamp | None = None) -> Intent:
    answer = begin(change, now)
    assert isinstance(answer, Intent), answer
    return answer


def sent(miner_id: int, now: Stamp | None = None, **more: object) -> Intent:
    begun = intent(farm.change(miner_id, **more), now)  # type: ignore[arg-type]
    changes.finish([Ending(begun, Outcome.SENT, accepted=True, restart_required=False)], now or at())
    return begun


def confirm(polls: dict[int, object], seconds: float) -> changes.Confirmation:
    with writing() as session:
        return changes.confirm_by_polls(session, polls, at(seconds))  # type: ignore[arg-type]
