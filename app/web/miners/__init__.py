"""The miners' pages: the list with its filter and bulk changes; one miner, what is known of it and may be done."""

from __future__ import annotations

from app.web.miners import bulk, history, inspection, listing, one, orders
from app.web.miners.blueprint import bp

__all__ = ["bp", "bulk", "history", "inspection", "listing", "one", "orders"]
