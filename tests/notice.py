"""What a page says at its top where a form was refused."""

from __future__ import annotations

import re


def notice(page: str) -> tuple[str, str]:
    """Return the sentence, and the id of the field that it leads to, which must be there once."""
    found = re.search(r'<p class="notice bad" role="alert" tabindex="-1" autofocus>(.*?) <a href="#([^"]+)">', page)
    assert found
    assert page.count(f' id="{found[2]}"') == 1
    return found[1], found[2]
