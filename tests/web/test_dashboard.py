"""The dashboard: empty, full, refreshing, and honest about what is broken."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import clock
from app.extensions import db
from app.models import BalanceCycle, JobRun, Miner
from app.store import settings
from tests import factories
from tests.refreshes import is_no_news, version

PAGES = ["/", "/miners", "/models", "/events", "/cycles", "/dashboard/live"]


@pytest.mark.parametrize("path", PAGES)
def test_pages_render_without_any_data(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", [*PAGES, "/events?outcome=failed", "/cycles/1"])
def test_pages_render_with_a_farm(client: FlaskClient, farm: None, path: str) -> None:
    assert client.get(path).status_code == 200


def test_it_says_in_one_line_how_it_is_and_why(client: FlaskClient, farm: None) -> None:
    page = client.get("/").text
    line = re.search(r'<p class="line">(.*?)</p>', page, re.DOTALL)
    assert line
    assert "OK" in line[1]
    assert "2,531 of 2,844 kW used, 313 kW below target; the changed setting acts with the next cycle" in line[1]
    assert "313 kW below the target, but no miner can be raised now" in page


def test_it_shows_the_cycles_numbers_as_they_are(client: FlaskClient, farm: None) -> None:
    page = client.get("/").text
    for shown in ("3,200.0", "3,160.0", "2,844.0", "2,531.0"):
        assert shown in page


def test_nothing_new_is_answered_with_204(client: FlaskClient, farm: None) -> None:
    # Each quarter of a minute it looks anew, whatever the rows say; two looks in a row cannot both meet that moment.
    looks = [client.get("/dashboard/live", query_string={"shown": version(client)}) for _ in range(2)]
    assert (204, b"") in [(answer.status_code, answer.data) for answer in looks]
    assert all(is_no_news(answer.text) for answer in looks)


def test_a_new_cycle_is_answered_with_the_panel(app: Flask, client: FlaskClient, farm: None) -> None:
    shown = version(client)
    with app.app_context():
        factories.cycle(0.0, current_w=2_600_000.0, generation_kw=3333.3)
    answer = client.get("/dashboard/live", query_string={"shown": shown})
    assert answer.status_code == 200
    assert "3,333.3" in answer.text


def test_a_passing_second_alone_is_no_news(app: Flask, client: FlaskClient, farm: None) -> None:
    shown = version(client)
    with app.app_context():
        row = db.session.query(BalanceCycle).one()
        row.decided_monotonic_s -= 3.0
        db.session.commit()
    assert is_no_news(client.get("/dashboard/live", query_string={"shown": shown}).text)


def test_a_balancer_that_stopped_is_not_shown_as_ok(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.cycle(120.0)
    page = client.get("/").text
    assert "STALE" in page
    assert "balancer is not running" in page


def nothing_left(meter_kw: float = 248.0) -> None:
    factories.reading(1.0, generation_kw=254.0)
    factories.source("C1", last_value_kw=meter_kw)
    factories.cycle(1.0, available_kw=-162.5, foreign_kw=416.5, generation_kw=254.0, current_w=57_000.0,
                    unmanaged_w=168_500.0)  # fmt: skip


def test_a_meter_that_cannot_contain_the_miners_is_not_asked_about(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        nothing_left(meter_kw=0.0)
    assert "contains the miners" not in client.get("/").text


def test_counts_kept_by_the_refresh_are_those_of_before_the_last_run(app: Flask, client: FlaskClient) -> None:
    """What is kept is counted anew when a job has run, whatever else is news meanwhile."""
    with app.app_context():
        factories.job("status_poller", age_s=20.0)
        miner_id = factories.miner(7, status={"power_w": 2300, "hashrate_ths": 100.0}).id
    assert "100" in re.findall(r"<dt>Hashrate</dt><dd><b>([^<]+)", client.get("/dashboard/live").text)
    with app.app_context():
        db.session.get_one(Miner, miner_id).status.hashrate_ths = 133.0
        db.session.get_one(JobRun, "status_poller").finished_at += timedelta(seconds=10)
        db.session.commit()
    assert "133" in re.findall(r"<dt>Hashrate</dt><dd><b>([^<]+)", client.get("/dashboard/live").text)


@pytest.mark.parametrize(
    "break_it, sentence",
    [
        (lambda: factories.job("status", ok=False, failures_in_a_row=3, last_error="no route"), "3 times in a row"),
        (lambda: [factories.job("balancer"), factories.job("plant", age_s=400.0)], "Job plant has not run"),
        (lambda: factories.all_jobs(age_s=400.0), "No job is running"),
        (lambda: factories.source("UG2", "generation", status="timeout"), "Plant source UG2 does not answer: timeout"),
        (lambda: factories.source("UG2", status="missing"), "Plant source UG2 is missing in the plant&#39;s answer"),
        (lambda: factories.miner(7, factories.model(max_preset="1500"), managed=True), "1 miner runs above the max"),
        (lambda: factories.miner(7), "No miner is managed"),
        (lambda: factories.miner(7), "1 miner is of an unknown model"),
        (lambda: None, "No miner has been found yet"),
        (factories.refusal, "did not answer within 10 s"),
        (lambda: factories.reading(100.0), "stale"),
        (lambda: factories.reading(900.0), "plant is lost"),
        (lambda: factories.miner(7, factories.model(max_preset=None)), "has no max preset"),
        (lambda: factories.miner(7, online=False, label="box 7"), "Miner box 7 (10.0.0.8) is offline"),
        (lambda: factories.miner(7, status={"state": "failure"}), "1 miner in failure"),
        (lambda: factories.change(factories.miner(7), outcome="not_applied"), "1 miner did not take"),
        (factories.other_host, "another firmware"),
        (nothing_left, "what PowerHive does not manage takes 416.5 kW of 254.0 kW. If one of its meters contains"),
        (factories.contradicted, "412 kW are subtracted twice. Nothing is raised until you give it the role miners"),
    ],
)
def test_it_names_what_is_broken(app: Flask, client: FlaskClient, break_it: object, sentence: str) -> None:
    with app.app_context():
        assert callable(break_it)
        break_it()
    assert sentence in client.get("/").text


def counted_and_listed(client: FlaskClient, pattern: str) -> tuple[int, int]:
    """The number that the dashboard shows in a link, and of how many miners the list is that the link leads to."""
    found = re.search(pattern, client.get("/").text)
    assert found
    listed = client.get(found["there"].replace("&amp;", "&")).text
    return int(found["number"]), len(re.findall(r'name="mac" value="', listed))


@pytest.mark.parametrize(
    ("pattern", "number"),
    [
        (r'<dt>Failing</dt><dd><b><a href="(?P<there>[^"]+)">(?P<number>\d+)<', 5),
        (r'<a href="(?P<there>[^"]+)">(?P<number>\d+) miners? did not take the last change: it failed<', 2),
        (r'<a href="(?P<there>[^"]+)">(?P<number>\d+) miners? did not take the last change: it was sent', 3),
        (r'<a href="(?P<there>[^"]+)">(?P<number>\d+) miners? in failure<', 1),
        (r'<a href="(?P<there>[^"]+)">(?P<number>\d+) miners? (?:is|are) of an unknown model', 1),
        (r'<a href="(?P<there>[^"]+)">Antminer S19JPRO: (?P<number>\d+) miners? runs? above', 1),
        (r'<a href="(?P<there>[^"]+)">(?P<number>\d+) miners? (?:is|are) stopped by PowerHive', 1),
        (r'<a href="(?P<there>[^"]+)">(?P<number>\d+) miners? stopped by somebody else', 2),
    ],
)
def test_a_number_leads_to_the_very_miners_it_counts(
    app: Flask, client: FlaskClient, pattern: str, number: int
) -> None:
    with app.app_context():
        jpro, other = factories.model(max_preset="2800"), factories.model("other", max_preset="2800")
        for n, outcome in enumerate(("failed", "failed", "not_applied", "not_applied", "not_applied", "confirmed")):
            status = {"state": "failure"} if n == 0 else {}
            factories.change(factories.miner(n, other if n else None, status=status), outcome=outcome)
        for managed in (True, False):
            factories.miner(7 + managed, jpro, managed=managed, status={"running_preset": "3420"})
        for n, stopped_at in enumerate((factories.ago(60), None, None)):
            factories.miner(10 + n, jpro, status={"state": "stopped"}, stopped_by_us_at=stopped_at)
    assert counted_and_listed(client, pattern) == (number, number)


def test_what_is_mended_is_not_named_any_more(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.refusal(30.0)
        row = factories.miner(7, factories.model(max_preset="2800"), online=False, managed=True)
        mac = row.mac
        factories.change(row, 60.0, outcome="not_applied")
    assert "did not take" in client.get("/").text
    with app.app_context():
        factories.reading(1.0)
        factories.all_jobs()
        row = db.session.query(Miner).filter_by(mac=mac).one()
        row.status.online = True
        factories.change(row, 1.0)
    page = client.get("/").text
    assert "Nothing: plant, jobs and miners are as they should be." in page


def test_many_offline_miners_are_summed_up(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        for number in range(9):
            factories.miner(number, online=False)
    assert "6 more miners are offline" in client.get("/").text


def test_it_asks_the_database_at_most_twelve_times(client: FlaskClient, farm: None, queries: list[str]) -> None:
    for path in (*PAGES, "/cycles/1", "/api/balance/status"):
        queries.clear()
        client.get(path)
        selects = [query for query in queries if not query.startswith(("BEGIN", "PRAGMA"))]
        assert len(selects) <= 12, (path, selects)


def test_texts_of_miners_are_escaped(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.contradicted("<script>x")
        evil = factories.miner(1, label="<script>x</script>", online=False, hostname="<b>")
        factories.change(evil, reason="<img src=x>", error_message="<i>")
        bad = "<img src=x>"
        planned = [{"miner_id": evil.id, "mac": evil.mac, "kind": bad, "old_preset": "<i>", "new_preset": bad,
                    "old_power_w": 1.0, "new_power_w": 2.0, "reason": bad, "origin": "balancer"}]  # fmt: skip
        cycle = factories.cycle(
            reason=bad, stays=bad, policy="<i>", planned=planned, skipped=[{"mac": "<i>", "reason": bad}]
        )
        one = f"/cycles/{cycle.id}"
    for path in ("/", "/miners", "/events", "/cycles", one):
        page = client.get(path).text
        assert "<script>x" not in page
        assert "<img src=x>" not in page
        assert "<i>" not in page


def test_a_simulated_farm_says_so_on_every_page(app: Flask, client: FlaskClient) -> None:
    assert "SIMULATED:" not in client.get("/").text
    app.jinja_env.globals["simulated"] = True
    for path in ("/", "/miners", "/models", "/events", "/cycles", "/nowhere"):
        assert "SIMULATED:" in client.get(path).text


# --- the refreshing parts --------------------------------------------------------------------------------------------


def parts_of(answer: str) -> list[str]:
    return re.findall(r'id="part-(\w+)"', answer)


def test_only_the_parts_that_changed_are_sent(app: Flask, client: FlaskClient, farm: None) -> None:
    assert parts_of(client.get("/dashboard/live").text) == ["now", "order", "attention", "sources", "events"]
    shown = version(client)
    with app.app_context():
        factories.change(db.session.query(Miner).first() or factories.miner(), 1.0)
    assert parts_of(client.get("/dashboard/live", query_string={"shown": shown}).text) == ["events"]


@pytest.mark.parametrize("shown", ["", ".", "x.y.z", "....." * 50, "<script>", "a" * 2000])
def test_a_version_it_never_gave_is_answered_with_everything(client: FlaskClient, farm: None, shown: str) -> None:
    answer = client.get("/dashboard/live", query_string={"shown": shown})
    assert answer.status_code == 200
    assert len(parts_of(answer.text)) == 5
    assert "<script>" not in answer.text


def test_another_language_is_another_version(client: FlaskClient, farm: None) -> None:
    shown = version(client)
    client.set_cookie("language", "pt_BR")
    assert client.get("/dashboard/live", query_string={"shown": shown}).status_code == 200


def test_a_large_busy_farm_is_refreshed_with_less_than_8_kb(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.full_farm(60)
        factories.decided_cycle(mode="armed")
        for name in ("UG2", "UG3"):
            factories.source(name, "generation", last_value_kw=1400.0)
        for name in ("C2", "C3", "C4"):
            factories.source(name, last_value_kw=212.0)
        db.session.query(Miner).first()
    shown = version(client)
    with app.app_context():
        factories.cycle(reason="Surplus 14.2 kW has lasted 140 of 180 s", current_w=2_600_000.0)
        factories.source("C5", last_value_kw=312.0)
        factories.change(db.session.query(Miner).first() or factories.miner(), 1.0)
    answer = client.get("/dashboard/live", query_string={"shown": shown})
    assert parts_of(answer.text) == ["now", "sources", "events"]  # what a busy farm changes from reading to reading
    assert len(answer.data) <= 8_000


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        ({}, "ok", "OK"),
        ({"status": "WARNING", "delta_w": -31_000.0}, "warn", "31.0 kW above target"),
        ({"status": "OVER_TARGET", "emergency": True, "current_w": 3_310_000.0}, "bad", "EMERGENCY: 3,310 kW used"),
        ({"changes_count": 1, "sent": True}, "ok", "armed, it would send 1 change"),
        ({"changes_count": 1_204}, "ok", "armed, it would send 1,204 changes"),
        ({"reason": "surplus 14.0 kW has lasted 136 of 180 s"}, "ok", "armed, it would raise in "),
    ],
)
def test_the_line_is_coloured_and_worded_by_what_is_so(
    app: Flask, client: FlaskClient, values: dict[str, object], kind: str, words: str
) -> None:
    with app.app_context():
        factories.reading()
        factories.cycle(**({"policy": "economic"} | values))
    page = client.get("/").text
    assert f'<div class="status {kind}">' in page
    line = re.search(r'<p class="line">(.*?)</p>', page, re.DOTALL)
    assert line
    assert words in re.sub(r"<[^>]+>", "", line[1])


def test_the_time_left_counts_down_and_is_no_news(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.reading()
        factories.cycle(policy="economic", reason="surplus 14.0 kW has lasted 136 of 180 s")
    page = client.get("/dashboard/live").text
    left = re.search(r'data-left-s="([0-9.]+)"', page)
    assert left
    assert 30.0 < float(left[1]) <= 40.0
    shown = version(client)
    with app.app_context():
        row = db.session.query(BalanceCycle).one()
        row.decided_monotonic_s -= 3.0
        db.session.commit()
    assert is_no_news(client.get("/dashboard/live", query_string={"shown": shown}).text)


def test_a_farm_that_nobody_balances_is_not_green(app: Flask, client: FlaskClient, farm: None) -> None:
    with app.app_context():
        settings.change("mode", "off", "me", None, clock.utcnow())
        factories.cycle(policy="economic", mode="off")
    page = client.get("/").text
    assert '<div class="status stale">' in page
    assert "nothing is raised or cut while the mode is off" in page


def test_a_failed_source_is_plain_to_see(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.source("UG1", "generation", last_value_kw=3200.0)
        factories.source("UG2", "generation", status="timeout", last_value_kw=900.0)
        factories.source("Old", role="retired", status="missing")
        factories.source("C1", status="missing", role="miners")
    page = client.get("/").text
    sources = page[page.index('id="part-sources"') : page.index('id="part-events"')]
    assert "failed: timeout" in sources
    assert "missing in the plant&#39;s answer" in sources
    assert "contains the miners" in sources
    assert "Old" not in sources


def test_what_does_not_fit_under_needs_attention_is_a_link_away(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        for number in range(15):
            factories.source(f"C{number:02d}", status="timeout")
            factories.miner(number, online=False)
    rest = re.search(r'<li class="more"><a href="([^"]+)">and \d+ more</a></li>', client.get("/").text)
    assert rest
    assert "15 miners" in client.get(rest[1]).text


def test_every_line_that_needs_attention_leads_somewhere(app: Flask, client: FlaskClient, farm: None) -> None:
    with app.app_context():
        factories.refusal()
        factories.other_host()
        factories.contradicted("C9")
        factories.source("UG2", "generation", status="timeout")
        factories.job("discovery", ok=False, failures_in_a_row=2, last_error="<b>no route")
        settings.change("override", "stop", "me", None, clock.utcnow())
    page = client.get("/").text
    lines = re.findall(r'<li class="(?:bad|warn)">(.*?)</li>', page)
    assert len(lines) >= 8
    for line in lines:
        there = re.match(r'<a href="([^"]+)">', line)
        assert there, line
        assert client.get(there[1].replace("&amp;", "&")).status_code == 200, line
