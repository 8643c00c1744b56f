"""`make screenshots`: pictures of every page and state, to look at: phone and desktop, light and dark, both languages.

They land in `screenshots/` (not in the repository), named state-page-width-scheme-language.png.
"""

from __future__ import annotations

import argparse
import logging
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask
from playwright.sync_api import sync_playwright

from app import create_app
from app.config import load
from app.extensions import db
from app.models import SettingRow
from tests import factories
from tests.browser.conftest import ARGUMENTS, CHROMIUM, Server
from tests.conftest import BASE_ENVIRONMENT
from tests.pages import PAGES

WIDTHS = (360, 1440)
SETTLE_MS = 600  # charts are drawn
LOST_S = 1200.0


def _everything() -> None:
    factories.full_farm(60)
    factories.decided_cycle()


def _plant_lost() -> None:
    factories.model(max_preset="2800")
    factories.reading(LOST_S)
    factories.cycle(3.0, status="STALE", policy="economic", data_age_s=LOST_S, reason="The plant is lost: its last "
                    "usable reading is 20 min old; all miners go to their lowest presets")  # fmt: skip
    factories.refusal()
    factories.all_jobs()


def _over_target() -> None:
    factories.full_farm(30)
    db.session.add(SettingRow(name="mode", value="armed"))
    factories.cycle(2.0, status="OVER_TARGET", emergency=True, current_w=3_300_000.0, delta_w=-456_000.0, mode="armed",
                    policy="economic", sent=True, changes_count=41,
                    reason="Emergency: 3,300.0 kW used, 3,160.0 kW available: 41 cuts freeing 410.0 kW")  # fmt: skip


def _huge() -> None:
    factories.full_farm(3000)
    factories.decided_cycle()


STATES: dict[str, tuple[Callable[[], None], list[str]]] = {
    "everything": (_everything, PAGES),
    "nothing_yet": (lambda: None, [path for path in PAGES if not re.search(r"\d", path)]),
    "plant_lost": (_plant_lost, ["/"]),
    "over_target": (_over_target, ["/"]),
    "huge": (_huge, ["/", "/miners", "/events", "/models"]),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make screenshots", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("screenshots"))
    parser.add_argument("--state", choices=list(STATES), action="append", help="only these (default: all)")
    parser.add_argument("--page", action="append", help="only paths with this text")
    args = parser.parse_args()
    args.out.mkdir(exist_ok=True)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        for state in args.state or STATES:
            seed, paths = STATES[state]
            with _served(seed) as url:
                for path in paths:
                    if not args.page or any(text in path for text in args.page):
                        _take(browser, url, path, state, args.out)
        browser.close()


@contextmanager
def _served(seed: Callable[[], None]) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        app: Flask = create_app(load(BASE_ENVIRONMENT, Path(folder)))
        with app.app_context():
            db.create_all()
            with factories.in_one_go():
                seed()
        server = Server(app)
        yield server.url
        server.stop()
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


def _take(browser: Any, url: str, path: str, state: str, out: Path) -> None:
    name = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-") or "dashboard"
    for language in ("en", "pt_BR"):
        for scheme in ("light", "dark"):
            if language == "pt_BR" and scheme == "dark":
                continue
            context = browser.new_context(color_scheme=scheme, timezone_id="America/Sao_Paulo")
            context.add_cookies([{"name": "language", "value": language, "url": url}])
            page = context.new_page()
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                page.goto(url + path)
                page.wait_for_timeout(SETTLE_MS)
                page.screenshot(path=out / f"{state}-{name}-{width}-{scheme}-{language}.png", full_page=True)
            context.close()
    print(f"{state}: {path}", flush=True)


if __name__ == "__main__":
    main()
