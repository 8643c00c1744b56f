"""/metrics: Prometheus' text format, the same numbers as everywhere, and nothing where nothing is known."""

from __future__ import annotations

import re

from flask import Flask
from flask.testing import FlaskClient

from tests import factories

LINE = re.compile(r'powerhive_[a-z0-9_]+(\{[a-z]+="[A-Za-z_]+"\})? -?[0-9.e+]+')


def numbers(client: FlaskClient) -> dict[str, float]:
    answer = client.get("/metrics")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    names = [line.rpartition(" ")[0] for line in lines]
    assert len(set(names)) == len(names)
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_what_nobody_knows_is_not_there(client: FlaskClient) -> None:
    found = numbers(client)
    assert "powerhive_generation_kilowatts" not in found
    assert "powerhive_target_watts" not in found
    assert found['powerhive_status{status="NO_DATA"}'] == 1
    assert found['powerhive_miners{is="all"}'] == 0


def test_the_numbers_are_those_of_the_status(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.full_farm()
    found, status = numbers(client), client.get("/api/balance/status").get_json()
    assert found["powerhive_generation_kilowatts"] == status["plant_generation_kw"] == 3200
    assert found["powerhive_container_kilowatts"] == status["plant_container_kw"]
    assert found["powerhive_available_kilowatts"] == status["available_power_kw"]
    assert found["powerhive_target_watts"] == status["target_power_w"]
    assert found["powerhive_current_watts"] == status["current_consumption_w"]
    assert found["powerhive_hashrate_terahashes_per_second"] == status["hashrate_ths"]
    assert found['powerhive_miners{is="online"}'] == status["online_miners_count"]
    assert found['powerhive_mode{mode="observe"}'] == 1
    assert found['powerhive_mode{mode="armed"}'] == 0
    assert found['powerhive_job_ok{job="balancer"}'] == 1
    assert 0 < found["powerhive_reading_age_seconds"] < 120
