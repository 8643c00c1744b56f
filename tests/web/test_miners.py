"""The list of miners: bad queries first, then filters, order, pages, refresh, bulk changes, the file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import clock
from app.extensions import db
from app.models import Miner, MinerModel, MinerStatusRow
from tests import factories

Token = Callable[[], str]
MAC = "02:00:00:00:00:{:02x}"


def shown(page: str) -> list[str]:
    """The MACs of the rows, in order."""
    return re.findall(r'name="mac" value="([0-9a-f:]+)"', page)


def change(app: Flask, number: int, **values: object) -> None:
    with app.app_context():
        miner = db.session.query(Miner).filter_by(mac=MAC.format(number)).one()
        for name, value in values.items():
            setattr(miner.status if hasattr(MinerStatusRow, name) else miner, name, value)
        db.session.commit()


def miners(app: Flask) -> dict[int, Miner]:
    """Every miner by its number."""
    with app.app_context():
        found = {int(miner.mac[-2:], 16): miner for miner in db.session.query(Miner)}
        db.session.expunge_all()
        return found


BAD_QUERIES = [
    "page=0", "page=-1", "page=x", "page=" + "9" * 400, "page=1e3", "sort=nonsense", "sort=-", "sort=--power",
    "state=gone", "problem=none", "managed=2", "model=%00", "q=%00%ff", "q=" + "x" * 5000, "label=%25%27;drop",
    "q=&q=2&page=1&page=2",
]  # fmt: skip


@pytest.mark.parametrize("query", BAD_QUERIES)
@pytest.mark.parametrize("path", ["", "/rows", "/file.csv", "/other-hosts", f"/{MAC.format(1)}"])
def test_a_senseless_query_still_gets_an_answer(client: FlaskClient, farm: None, path: str, query: str) -> None:
    assert client.get(f"/miners{path}?{query}").status_code == 200


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=C1-03", 1), ("q=02:00:00:00:00:03", 1), ("q=10.0.0.4", 1), ("q=%25", 0), ("q=+C1-03+", 1),
        ("model=s21xp", 3),
        ("model=none", 0), ("state=online", 10), ("state=offline", 2), ("state=mining", 10), ("state=stopped", 0),
        ("state=retired", 0), ("managed=0", 4), ("managed=1", 8), ("label=C1-", 6), ("label=C2-1", 2), ("label=%25", 0),
        ("problem=offline", 2), ("problem=failing", 0), ("problem=no_max_preset", 3), ("problem=no_key", 12),
        ("problem=not_applied", 6), ("problem=failed", 3), ("problem=unapplied", 3), ("problem=trouble", 6),
        ("problem=no_model", 0), ("problem=held", 0), ("problem=above_max", 0), ("problem=any", 12),
        ("problem=offline&managed=1", 1), ("sort=power", 12), ("page=99", 12),
        ("page=x&sort=y&state=z&managed=9&problem=q", 12),
    ],
)  # fmt: skip
def test_miners_are_filtered(client: FlaskClient, farm: None, query: str, found: int) -> None:
    answer = client.get(f"/miners?{query}")
    assert answer.status_code == 200
    assert len(shown(answer.text)) == found


def test_a_problem_is_found_by_what_the_miner_is(app: Flask, client: FlaskClient, farm: None) -> None:
    change(app, 1, running_preset="3420")  # max preset 2800
    change(app, 2, state="stopped")
    change(app, 5, state="failure")
    change(app, 6, hold=True)
    change(app, 8, hold=True, hold_until=clock.utcnow() - timedelta(seconds=1))
    change(app, 10, retired=True)
    found = {
        name: shown(client.get(f"/miners?problem={name}").text) for name in ("above_max", "stopped", "failing", "held")
    }
    assert found == {
        "above_max": [MAC.format(1)], "stopped": [MAC.format(2)], "failing": [MAC.format(5)], "held": [MAC.format(6)],
    }  # fmt: skip
    assert shown(client.get("/miners?state=retired").text) == [MAC.format(10)]
    assert MAC.format(10) not in shown(client.get("/miners").text)


@pytest.mark.parametrize("key", ["power", "hashrate", "efficiency", "temperature"])
def test_unknown_numbers_come_last_in_both_directions(app: Flask, client: FlaskClient, farm: None, key: str) -> None:
    change(app, 1, power_w=9000, hashrate_ths=90.0, chip_temp_c=99)
    change(app, 2, power_w=100, hashrate_ths=10.0, chip_temp_c=1)
    if key == "hashrate":
        change(app, 2, hashrate_ths=1.0)
    up, down = (shown(client.get(f"/miners?sort={sign}{key}").text) for sign in ("", "-"))
    assert (up[0], down[0]) == (MAC.format(2), MAC.format(1))
    offline = {MAC.format(4), MAC.format(9)}
    assert set(up[-2:]) == set(down[-2:]) == offline


def test_a_column_says_how_it_is_sorted_and_turns_round(client: FlaskClient, farm: None) -> None:
    page = client.get("/miners?sort=-power&q=C1").text
    assert re.search(
        r'<th scope="col" id="head-power" class="num" aria-sort="descending"><a href="[^"]*sort=power"', page
    )
    assert page.count("aria-sort") == 1
    assert 'aria-sort="ascending"' in client.get("/miners?sort=name").text
    assert '<a href="/miners?q=C1&amp;sort=-hashrate">' in page  # the largest first, the filter kept


def test_miners_come_fifty_to_a_page(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), factories.in_one_go():
        for number in range(103):
            factories.miner(number)
    pages = [shown(client.get(f"/miners?page={number}").text) for number in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [50, 50, 3, 3]
    assert len({mac for page in pages for mac in page}) == 103
    second = client.get("/miners?page=2").text
    assert 'rel="prev"' in second
    assert 'rel="next"' in second


def test_labels_that_count_are_offered_as_a_filter(client: FlaskClient, farm: None) -> None:
    page = client.get("/miners?label=mine").text
    assert '<option value="C1-">C1-… (6)</option>' in page
    assert '<option value="mine" selected>mine…</option>' in page


def test_the_line_of_a_miners_power_has_its_gaps(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        miner = factories.miner(1)
        number = miner.id
        now = clock.utcnow()
        for hours in (1, 2, 5, 6):
            factories.sample(miner, (now - now.replace(minute=2)).total_seconds() + hours * 3600)
        factories.sample(miner, (now - now.replace(minute=30)).total_seconds() + 3 * 3600)  # no beginning of an hour
    page = client.get("/miners").text
    assert f'<span id="line-{number}"></span>' in page
    assert "<polyline" not in page
    asked = re.search(r'hx-get="(/miners/lines[^"]+)" hx-trigger="load"', page)
    assert asked
    lines = client.get(asked[1].replace("&amp;", "&")).text
    assert lines.count("<polyline") == 2
    assert lines.count(f'<span id="line-{number}" hx-swap-oob="true">') == 1


def test_lines_of_no_miner_are_none(client: FlaskClient) -> None:
    for asked in ("", "?id=7", "?id=x&id=", "?id=" + "9" * 5000, "?id=-1"):
        answer = client.get("/miners/lines" + asked)
        assert (answer.status_code, answer.text.strip()) == (200, "")


# --- the refresh ------------------------------------------------------------------------------------------------------


def test_a_refresh_is_of_the_very_rows_in_their_order(app: Flask, client: FlaskClient, farm: None) -> None:
    refreshed = client.get("/miners/rows?id=5&id=2&id=999&id=x&id=" + "9" * 5000)
    assert shown(refreshed.text) == [MAC.format(4), MAC.format(1)]
    assert "<polyline" not in refreshed.text


def test_nothing_new_is_answered_with_204(app: Flask, client: FlaskClient, farm: None) -> None:
    version = client.get("/miners/rows?id=2").headers["X-Version"]
    same = client.get(f"/miners/rows?id=2&shown={version}")
    assert (same.status_code, same.data) == (204, b"")
    change(app, 1, power_w=1234)
    assert "1,234" in client.get(f"/miners/rows?id=2&shown={version}").text


def test_the_list_asks_for_the_rows_it_shows(client: FlaskClient, farm: None) -> None:
    page = client.get("/miners?q=C1-0&sort=-name").text
    asked = re.search(r'hx-get="(/miners/rows[^"]+)"', page)
    assert asked
    assert shown(client.get(asked[1].replace("&amp;", "&")).text) == shown(page)


def test_a_switch_answers_htmx_with_its_row(client: FlaskClient, farm: None, token: Token) -> None:
    path, headers = f"/miners/{MAC.format(0)}/managed", {"HX-Request": "true", "X-CSRFToken": token()}
    answer = client.post(path, data={"managed": "1"}, headers=headers)
    assert shown(answer.text) == [MAC.format(0)]
    assert 'aria-checked="true"' in answer.text
    assert client.post("/miners/02:00:00:00:ff:ff/managed", data={"managed": "1"}, headers=headers).status_code == 404
    assert client.post(path, data={"managed": "2"}, headers=headers).status_code == 422


def test_a_switch_without_javascript_leads_back_to_the_same_view(client: FlaskClient, farm: None, token: Token) -> None:
    data = {"managed": "1", "csrf_token": token()}
    answer = client.post(f"/miners/{MAC.format(0)}/managed?q=C1&page=2", data=data)
    assert (answer.status_code, answer.location) == (303, "/miners?q=C1&page=2#miner-020000000000")


# --- many at once -----------------------------------------------------------------------------------------------------

GOOD = {"scope": "selected", "action": "manage", "hold_minutes": "0", "reason": "", "label": "", "mac": MAC.format(1)}


@pytest.mark.parametrize(
    "data",
    [
        {"scope": "everything"}, {"scope": ""}, {"action": "explode"}, {"action": ""}, {"hold_minutes": "7"},
        {"hold_minutes": "-1"}, {"hold_minutes": "x"}, {"reason": "x" * 201}, {"reason": "a\x00b"},
        {"action": "label", "label": "x" * 81}, {"action": "label", "label": "a\nb"}, {"mac": ""}, {"mac": "all"},
        {"mac": "é" * 17},
    ],
)  # fmt: skip
def test_a_bulk_form_with_nonsense_changes_nothing(
    app: Flask, client: FlaskClient, farm: None, token: Token, data: dict[str, str]
) -> None:
    before = {number: (miner.managed, miner.hold, miner.label) for number, miner in miners(app).items()}
    answer = client.post("/miners/bulk", data={**GOOD, **data, "csrf_token": token()})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert before == {number: (miner.managed, miner.hold, miner.label) for number, miner in miners(app).items()}


def test_a_refused_bulk_form_keeps_what_was_typed_and_checked(client: FlaskClient, farm: None, token: Token) -> None:
    data = {**GOOD, "action": "hold", "reason": "y" * 201, "csrf_token": token()}
    page = client.post("/miners/bulk", data=data).text
    assert "y" * 201 in page
    assert 'aria-invalid="true" aria-describedby="reason-error"' in page
    assert 'id="reason-error"' in page
    assert f'value="{MAC.format(1)}" aria-labelledby="n020000000001" checked' in page
    assert '<option value="hold" selected>' in page


def test_checked_miners_are_managed_held_released_and_labelled(
    app: Flask, client: FlaskClient, farm: None, token: Token
) -> None:
    chosen = [MAC.format(0), MAC.format(3).upper()]

    def do(**data: str) -> None:
        answer = client.post("/miners/bulk?q=C1", data={**GOOD, **data, "mac": chosen, "csrf_token": token()})
        assert (answer.status_code, answer.location) == (303, "/miners?q=C1")

    do(action="manage")
    assert [miners(app)[n].managed for n in (0, 3, 6)] == [True, True, False]
    do(action="unmanage")
    assert [miners(app)[n].managed for n in (0, 1, 3)] == [False, True, False]
    do(action="hold", hold_minutes="60", reason=" fan ")
    held = miners(app)[0]
    assert (held.hold, held.hold_reason, miners(app)[1].hold) == (True, "fan", False)
    assert held.hold_until is not None
    assert timedelta(minutes=59) < held.hold_until - clock.utcnow() <= timedelta(minutes=60)
    do(action="hold", hold_minutes="0")
    assert (miners(app)[0].hold_until, miners(app)[0].hold_reason) == (None, None)
    do(action="release")
    assert not miners(app)[0].hold
    do(action="label", label="A-##")
    assert [miners(app)[n].label for n in (0, 3, 1)] == ["A-01", "A-02", "C1-01"]
    assert "2 miners are labelled." in client.get("/miners").text


def test_all_that_match_are_changed_after_a_question(app: Flask, client: FlaskClient, farm: None, token: Token) -> None:
    data = {**GOOD, "scope": "matching", "csrf_token": token()}
    question = client.post("/miners/bulk?model=s21xp", data=data)
    assert question.status_code == 200
    assert "Manage 3 miners?" in question.text
    assert "model: <strong>Antminer S21XP</strong>" in question.text
    assert sum(miner.managed for miner in miners(app).values()) == 8
    answer = client.post("/miners/bulk?model=s21xp", data={**data, "expected": "3"})
    assert answer.status_code == 303
    assert all(miners(app)[n].managed for n in (3, 7, 11))
    assert not miners(app)[0].managed


def test_it_asks_again_where_other_miners_match_by_now(
    app: Flask, client: FlaskClient, farm: None, token: Token
) -> None:
    data = {**GOOD, "scope": "matching", "action": "hold", "expected": "4", "csrf_token": token()}
    answer = client.post("/miners/bulk?model=s21xp", data=data)
    assert answer.status_code == 409
    assert "Hold 3 miners?" in answer.text
    assert not any(miner.hold for miner in miners(app).values())
    labels = client.post("/miners/bulk?model=s21xp", data={**data, "action": "label", "label": "x"})
    assert labels.status_code == 409


def test_retired_miners_are_not_managed_in_passing(app: Flask, client: FlaskClient, farm: None, token: Token) -> None:
    change(app, 0, retired=True)
    client.post("/miners/bulk", data={**GOOD, "mac": MAC.format(0), "csrf_token": token()})
    assert not miners(app)[0].managed


# --- the file, and strangers ------------------------------------------------------------------------------------------


def test_the_file_holds_what_matches_and_no_secret(app: Flask, client: FlaskClient, farm: None) -> None:
    change(app, 3, api_key="canary-key", unlock_password="canary-word", label="=1+1")
    change(app, 7, hold=True, hold_reason="fan")
    answer = client.get("/miners/file.csv?model=s21xp&sort=-name")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="miners.csv"'
    assert "canary" not in answer.text
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["mac"] for row in rows] == [MAC.format(n) for n in (11, 7, 3)]
    by_mac = {row["mac"]: row for row in rows}
    assert by_mac[MAC.format(3)]["label"] == "'=1+1"
    assert (by_mac[MAC.format(7)]["held"], by_mac[MAC.format(7)]["hold_reason"]) == ("True", "fan")
    assert (by_mac[MAC.format(7)]["power_w"], by_mac[MAC.format(7)]["online"]) == ("2310", "True")


def test_times_and_numbers_of_the_file_are_as_in_all_files(app: Flask, client: FlaskClient, farm: None) -> None:
    until = clock.utcnow() + timedelta(hours=1)
    learned = {"power_factor": 1.01234567, "hashrate_factor": 0.9876543, "learned_at": clock.utcnow()}
    change(app, 3, power_w=2310, hashrate_ths=85.512345, efficiency_w_per_ths=27.013667889123456, hold=True,
           hold_until=until, accounted_power_w=2310.123456, **learned)  # fmt: skip
    answer = client.get("/miners/file.csv?q=C1-03").text.removeprefix("\ufeff")
    [row] = csv.DictReader(io.StringIO(answer))
    times = [row[name] for name in ("hold_until", "learned_at", "polled_at", "last_seen_at", "first_seen_at")]
    assert [time for time in times if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", time)] == []
    assert times[0] == until.strftime("%Y-%m-%dT%H:%M:%SZ")
    numbers = ("hashrate_ths", "efficiency_w_per_ths", "accounted_power_w", "power_factor", "hashrate_factor")
    assert [row[name] for name in numbers] == ["85.51", "27.01", "2310.1", "1.0123", "0.9877"]


def test_the_file_names_a_miner_that_was_never_polled(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        now = clock.utcnow()
        db.session.add(Miner(mac=MAC.format(1), ip="", created_at=now, updated_at=now))
        db.session.commit()
    assert MAC.format(1) in client.get("/miners/file.csv").text
    assert "Offline" not in client.get(f"/miners/{MAC.format(1)}").text
    assert client.get("/miners").status_code == 200


def test_other_hosts_are_listed_and_the_miners_page_leads_there(app: Flask, client: FlaskClient, farm: None) -> None:
    assert "other host" not in client.get("/miners").text
    with app.app_context():
        factories.other_host("10.0.9.9", firmware="Braiins OS")
        factories.other_host("10.0.9.10", draws_power=False, firmware="other")
    assert "2 other hosts" in client.get("/miners").text
    page = client.get("/miners/other-hosts").text
    assert page.index("10.0.9.9") < page.index("10.0.9.10")
    assert "Braiins OS" in page
    assert "1 of them a miner" in page


def test_an_empty_farm_says_what_will_happen(client: FlaskClient) -> None:
    assert "Discovery looks through" in client.get("/miners").text
    assert "No other host" in client.get("/miners/other-hosts").text


def test_a_model_and_a_label_cannot_break_out_of_the_page(app: Flask, client: FlaskClient, farm: None) -> None:
    change(app, 1, label='"><script>alert(1)</script>')
    with app.app_context():
        db.session.query(MinerModel).filter_by(alias="s19jpro").one().name = "<b>x</b>"
        db.session.commit()
    for path in ("/miners", f"/miners/{MAC.format(1)}"):
        page = client.get(path).text
        assert "<script>alert" not in page
        assert "<b>x" not in page
