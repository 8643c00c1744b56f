"""What axe-core calls serious on a page as a reader has it: with its styles."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe

SERIOUS = ("serious", "critical")
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}


def serious(page: Any) -> set[tuple[str, ...]]:
    """Rules that the page breaks at its present width and colours, each with up to three places where.

    A page's words can be read before its styles have come; without them every link is too small to be hit.
    """
    page.wait_for_load_state("load")
    return {
        (violation["id"], *(str(node["target"]) for node in violation["nodes"][:3]))
        for violation in Axe().run(page, options=RULES).response["violations"]
        if violation["impact"] in SERIOUS
    }


def serious_anywhere(page: Any) -> set[tuple[Any, ...]]:
    """The same for a phone and a desk, light and dark."""
    found: set[tuple[Any, ...]] = set()
    for width in (360, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found |= {(width, scheme, *where) for where in serious(page)}
    return found
