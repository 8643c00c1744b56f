"""Orders are claimed once, finished once, and not left running by a dead process."""

from __future__ import annotations

import pytest
from flask import Flask

from app import clock
from app.errors import NotFound
from app.store import commands


def test_an_order_is_claimed_by_one_only_and_finished(app: Flask) -> None:
    with app.app_context():
        now = clock.utcnow()
        first = commands.enqueue("scan", by="me", now=now)
        second = commands.enqueue("resume", by="me", now=now)
        claimed = commands.claim_next(now)
        assert claimed is not None
        assert (claimed.id, claimed.status) == (first, "running")
        other = commands.claim_next(now)
        assert other is not None
        assert other.id == second
        assert commands.claim_next(now) is None
        commands.finish(first, ok=True, result="3 miners found", now=now)
        commands.finish(first, ok=False, result="again", now=now)
        assert (commands.get(first).status, commands.get(first).result) == ("done", "3 miners found")
        assert commands.fail_interrupted(now) == 1
        assert commands.get(second).status == "failed"


def test_an_unknown_order_is_not_kept(app: Flask) -> None:
    with app.app_context():
        with pytest.raises(ValueError, match="not a kind"):
            commands.enqueue("dance", by="me", now=clock.utcnow())
        with pytest.raises(NotFound):
            commands.get(1)
