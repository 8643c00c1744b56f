"""What the tests of the contract share."""

from __future__ import annotations

import re
from typing import Any

from flask.testing import FlaskClient

MAC = "02:00:00:00:00:01"  # a miner of `factories.full_farm()`
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def get(client: FlaskClient, path: str, status: int = 200) -> Any:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    return answer.get_json()
