"""The plant's answer: a well-formed reading in kW, or one error that names what is wrong."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime

import pytest
import requests
import responses
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clients.plant import PlantClient, answered_at, parse_reading
from app.core.readings import SourceKind
from app.errors import PlantError

URL = "http://127.0.0.1:9/data/latest"
KEY = "sehr-geheim-42"
MISSING = object()


@pytest.fixture
def plant():
    return PlantClient(URL, KEY)


def changed(reading, path, value):
    """Return a copy of the answer with one field set, or removed (MISSING)."""
    content = copy.deepcopy(reading)
    *way, last = path.split("/")
    place = content
    for step in way:
        place = place[step]
    if value is MISSING:
        del place[last]
    else:
        place[last] = value
    return content


def refused(content, unit="MW", **more):
    with pytest.raises(PlantError) as caught:
        parse_reading(content, unit, **more)
    return caught.value.kind, str(caught.value)


@responses.activate
def test_it_reads_a_good_answer_in_kw(plant, plant_json):
    responses.get(URL, json=plant_json, headers={"Date": "Fri, 20 Nov 2026 14:30:20 GMT"})
    reading = plant.fetch_reading()
    assert reading.plant_id == "rio-claro"
    assert reading.aggregator_id == 48213
    assert reading.recorded_at == datetime(2026, 11, 20, 14, 30, 15, 412907, tzinfo=UTC)
    assert reading.answered_at == datetime(2026, 11, 20, 14, 30, 20, tzinfo=UTC)
    assert (reading.confidence, reading.trust_status) == (0.97, "trusted")
    assert [(s.name, s.kind, s.value_kw, s.good) for s in reading.sources] == [
        ("turbine_north", SourceKind.GENERATION, pytest.approx(1612), True),
        ("turbine_south", SourceKind.GENERATION, pytest.approx(1549), True),
        ("container_1", SourceKind.CONSUMPTION, pytest.approx(182), True),
        ("container_2", SourceKind.CONSUMPTION, pytest.approx(241), True),
    ]
    assert reading.sources[0].source_timestamp == datetime(2026, 11, 20, 14, 30, 14, 900112, tzinfo=UTC)
    request = responses.calls[0].request
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["Accept"] == "application/json"
    assert request.url == URL


def test_a_plant_that_counts_in_kw_is_read_in_kw(plant_json):
    content = changed(plant_json, "reading/generation/turbine_north/value_mw", 1612)
    assert parse_reading(content, "kW").sources[0].value_kw == 1612


@responses.activate
@pytest.mark.parametrize(
    ("endpoint", "asked"),
    [
        (URL, URL + "?plant_id=rio+claro"),
        (URL + "?v=2", URL + "?v=2&plant_id=rio+claro"),
        (URL + "?plant_id=old&v=2", URL + "?v=2&plant_id=rio+claro"),
    ],
)
def test_it_asks_for_its_plant_and_keeps_the_endpoints_own_query(endpoint, asked, plant_json):
    responses.get(URL, json=changed(plant_json, "reading/plant_id", "Rio Claro"))
    assert PlantClient(endpoint, KEY, "rio claro").fetch_reading().plant_id == "Rio Claro"
    assert responses.calls[0].request.url == asked


def test_a_reading_of_another_plant_is_refused(plant_json):
    kind, sentence = refused(plant_json, plant_id="rio-negro")
    assert (kind, "rio-claro" in sentence) == ("wrong_shape", True)


@pytest.mark.parametrize(
    ("path", "value", "kind", "named"),
    [
        ("reading", None, "wrong_shape", "reading"),
        ("reading", [], "wrong_shape", "reading"),
        ("reading/totals", MISSING, "wrong_shape", "totals"),
        ("reading/totals", None, "wrong_shape", "totals"),
        ("reading/totals/generation_mw", "3.1", "bad_number", "totals.generation_mw"),
        ("reading/totals/consumption_mw", MISSING, "bad_number", "totals.consumption_mw"),
        ("reading/totals/generation_mw", -0.1, "bad_number", "totals.generation_mw"),
        ("reading/totals/exported_mw", "1", "bad_number", "totals.exported_mw"),
        ("reading/trust", MISSING, "wrong_shape", "trust"),
        ("reading/trust/confidence_score", None, "bad_number", "confidence_score"),
        ("reading/trust/confidence_score", True, "bad_number", "confidence_score"),
        ("reading/trust/confidence_score", 97, "bad_number", "confidence_score"),
        ("reading/trust/confidence_score", -0.1, "bad_number", "confidence_score"),
        ("reading/collection_timestamp", MISSING, "wrong_shape", "collection_timestamp"),
        ("reading/collection_timestamp", 1732113015, "wrong_shape", "collection_timestamp"),
        ("reading/collection_timestamp", "yesterday", "wrong_shape", "collection_timestamp"),
        ("reading/collection_timestamp", "2026-11-20T14:30:15", "wrong_shape", "time zone"),
        ("reading/collection_timestamp", "2026-11-20", "wrong_shape", "time zone"),
        ("reading/collection_timestamp", "0001-01-01T00:00:00+14:00", "wrong_shape", "collection_timestamp"),
        ("reading/generation", MISSING, "wrong_shape", "generation"),
        ("reading/generation", [], "wrong_shape", "generation"),
        ("reading/generation", {}, "wrong_shape", "no generation source"),
        ("reading/consumption", None, "wrong_shape", "consumption"),
        ("reading/consumption", MISSING, "wrong_shape", "consumption"),
        ("reading/generation/turbine_north", 1.6, "wrong_shape", "generation.turbine_north"),
        ("reading/generation/turbine_north/value_mw", "1.6", "bad_number", "generation.turbine_north.value_mw"),
        ("reading/generation/turbine_north/value_mw", None, "bad_number", "generation.turbine_north.value_mw"),
        ("reading/generation/turbine_north/value_mw", False, "bad_number", "generation.turbine_north.value_mw"),
        ("reading/generation/turbine_north/value_mw", -1, "bad_number", "negative"),
        ("reading/generation/turbine_north/value_mw", float("nan"), "bad_number", "finite"),
        ("reading/generation/turbine_north/value_mw", float("inf"), "bad_number", "finite"),
        ("reading/generation/turbine_north/value_mw", 10**400, "bad_number", "finite"),
        ("reading/generation/turbine_north/value_mw", 1000.1, "bad_number", "large"),
        ("reading/consumption/container_1/value_mw", -0.01, "bad_number", "consumption.container_1.value_mw"),
        ("reading/consumption/container_1/value_mw", MISSING, "bad_number", "consumption.container_1.value_mw"),
        ("reading/consumption/\x00\x07", {"status": "success", "value_mw": 1}, "wrong_shape", "name"),
        ("reading/consumption/container_1\x00", {"status": "success", "value_mw": 1}, "wrong_shape", "name"),
        ("reading/consumption", {f"c{n}": {"status": "x"} for n in range(99)}, "wrong_shape", "more than 100"),
    ],
)
def test_a_malformed_answer_is_refused_with_the_fields_name(plant_json, path, value, kind, named):
    said_kind, sentence = refused(changed(plant_json, path, value))
    assert said_kind == kind
    assert named in sentence


@pytest.mark.parametrize("content", [None, [], "reading", 1, {}])
def test_an_answer_without_a_reading_is_refused(content):
    assert refused(content)[0] == "wrong_shape"


@pytest.mark.parametrize(
    ("item", "value_kw", "status"),
    [
        ({"status": "timeout", "value_mw": None}, None, "timeout"),
        ({"status": "timeout", "value_mw": "n/a"}, None, "timeout"),
        ({"status": "timeout"}, None, "timeout"),
        ({"status": "timeout", "value_mw": -3}, None, "timeout"),
        ({"status": "timeout", "value_mw": 0.2}, 200.0, "timeout"),
        ({"value_mw": 0.2}, 200.0, "missing"),
        ({"status": None, "value_mw": 0.2}, 200.0, "missing"),
        ({"status": 7, "value_mw": True}, None, "missing"),
        ({}, None, "missing"),
        (None, None, "missing"),
    ],
)
def test_a_source_that_failed_may_hold_anything(plant_json, item, value_kw, status):
    source = parse_reading(changed(plant_json, "reading/consumption/container_2", item), "MW").sources[-1]
    assert (source.value_kw, source.status, source.good) == (value_kw, status, False)


@pytest.mark.parametrize("stamp", ["yesterday", None, 5, "2026-11-20T14:30:15"])
def test_an_unreadable_source_timestamp_is_unknown(plant_json, stamp):
    content = changed(plant_json, "reading/generation/turbine_north/source_timestamp", stamp)
    source = parse_reading(content, "MW").sources[0]
    assert (source.source_timestamp, source.good) == (None, True)


@pytest.mark.parametrize(
    "text",
    ["2026-11-20T14:30:15Z", "2026-11-20T11:30:15-03:00", "2026-11-20t14:30:15z", "2026-11-20T14:30:15.000000000Z"],
)
def test_times_are_turned_into_utc(plant_json, text):
    reading = parse_reading(changed(plant_json, "reading/collection_timestamp", text), "MW")
    assert reading.recorded_at == datetime(2026, 11, 20, 14, 30, 15, tzinfo=UTC)


def test_a_plant_without_containers_is_well_formed(plant_json):
    assert len(parse_reading(changed(plant_json, "reading/consumption", {}), "MW").sources) == 2


def test_names_are_shortened_and_cleaned(plant_json):
    item = {"status": "success\n", "value_mw": 0}
    content = changed(plant_json, "reading/consumption/" + "\x1b[31m" + "n" * 300, item)
    source = parse_reading(content, "MW").sources[-1]
    assert source.name == ("[31m" + "n" * 300)[:64]
    assert source.status == "success"


@pytest.mark.parametrize(("value", "kept"), [(True, None), ("7", None), (-1, None), (2**63, None), (0, 0), (1.5, None)])
def test_an_odd_id_is_no_reason_to_lose_a_reading(plant_json, value, kept):
    assert parse_reading(changed(plant_json, "reading/id", value), "MW").aggregator_id == kept


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Date": "Fri, 20 Nov 2026 14:30:20 GMT"}, datetime(2026, 11, 20, 14, 30, 20, tzinfo=UTC)),
        ({"Date": "Fri, 20 Nov 2026 14:30:20 GMT", "Age": "40"}, datetime(2026, 11, 20, 14, 31, tzinfo=UTC)),
        ({"Date": "Fri, 20 Nov 2026 14:30:20 GMT", "Age": "x"}, datetime(2026, 11, 20, 14, 30, 20, tzinfo=UTC)),
        ({"Date": "Fri, 20 Nov 2026 14:30:20 -0000"}, datetime(2026, 11, 20, 14, 30, 20, tzinfo=UTC)),
        ({"Date": "Fri, 99 Nov 2026 14:30:20 GMT"}, None),
        ({"Date": "now"}, None),
        ({"Date": ""}, None),
        ({}, None),
    ],
)
def test_the_plants_clock_is_read_from_the_date_header(headers, expected):
    assert answered_at(headers) == expected


@responses.activate
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, "", "unauthorized"),
        (403, "{}", "unauthorized"),
        (400, '{"error": "plant_id"}', "bad_request"),
        (404, "", "http_error"),
        (429, "", "http_error"),
        (500, "Internal", "http_error"),
        (503, "<html>", "http_error"),
        (204, "", "http_error"),
        (200, "<!doctype html><p>Login", "not_json"),
        (200, "", "not_json"),
        (200, '{"reading": {"id": 1', "not_json"),
        (200, '{"reading": NaN}', "not_json"),
        (200, '{"reading": {"id": 1e999}}', "not_json"),
        (200, "[" * 100_000, "not_json"),
        (200, " " * 1_100_000, "too_large"),
        (200, "null", "wrong_shape"),
    ],
)
def test_a_bad_answer_is_a_plant_error(plant, status, body, kind):
    responses.get(URL, status=status, body=body)
    with pytest.raises(PlantError) as caught:
        plant.fetch_reading()
    assert caught.value.kind == kind
    assert str(caught.value)[0].isupper()


@responses.activate
def test_a_redirect_is_not_followed(plant):
    responses.get(URL, status=302, headers={"Location": "http://127.0.0.1:9/other"})
    with pytest.raises(PlantError) as caught:
        plant.fetch_reading()
    assert caught.value.kind == "redirect"
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (requests.ConnectTimeout(), "timeout"),
        (requests.ReadTimeout(), "timeout"),
        (requests.ConnectionError(), "unreachable"),
        (requests.exceptions.SSLError(), "unreachable"),
        (requests.exceptions.InvalidHeader(f"Bearer {KEY}"), "bad_request"),
    ],
)
def test_a_plant_that_does_not_answer_is_a_plant_error(plant, error, kind):
    responses.get(URL, body=error)
    with pytest.raises(PlantError) as caught:
        plant.fetch_reading()
    assert caught.value.kind == kind


@pytest.mark.timeout(10)
def test_a_plant_that_trickles_ends_at_its_time_limit(raw_server):
    def trickle(conn, stopping):
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not stopping.wait(0.05):
            conn.sendall(b" ")

    server = raw_server(trickle)
    with pytest.raises(PlantError) as caught:
        PlantClient(server.url, KEY, total_s=0.5, read_s=0.3).fetch_reading()
    assert caught.value.kind == "timeout"


def test_nobody_there_is_unreachable_and_then_the_plant_is_back(plant_json, raw_server, http_answer, closed_port):
    with pytest.raises(PlantError) as caught:
        PlantClient(f"http://127.0.0.1:{closed_port}/", KEY).fetch_reading()
    assert caught.value.kind == "unreachable"
    server = raw_server(lambda conn, _: conn.sendall(http_answer(json.dumps(plant_json).encode())))
    assert PlantClient(server.url, KEY).fetch_reading().aggregator_id == 48213


@responses.activate
def test_the_key_is_in_no_error_and_no_repr(caplog):
    caplog.set_level("DEBUG")
    client = PlantClient(URL, KEY, "rio-claro")
    for body in (requests.ConnectionError(KEY), requests.exceptions.InvalidHeader(KEY)):
        responses.reset()
        responses.get(URL, body=body)
        with pytest.raises(PlantError) as caught:
            client.fetch_reading()
        assert KEY not in str(caught.value)
    assert KEY not in repr(client) + caplog.text


@pytest.mark.parametrize(
    ("endpoint", "key", "unit"),
    [
        ("ftp://plant/", KEY, "MW"),
        ("plant.example/data", KEY, "MW"),
        ("https://user:pw@plant.example/", KEY, "MW"),
        (URL, "", "MW"),
        (URL, "two\nlines", "MW"),
        (URL, "schl\u00fcssel", "MW"),
        (URL, KEY, "GW"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(endpoint, key, unit):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        PlantClient(endpoint, key, unit=unit)
    assert not key or key not in str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["success"]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)
FIELDS = [
    "reading",
    "reading/id",
    "reading/plant_id",
    "reading/collection_timestamp",
    "reading/generation",
    "reading/generation/turbine_north",
    "reading/generation/turbine_north/status",
    "reading/generation/turbine_north/value_mw",
    "reading/generation/turbine_north/source_timestamp",
    "reading/consumption",
    "reading/totals",
    "reading/totals/generation_mw",
    "reading/trust",
    "reading/trust/confidence_score",
    "reading/trust/status",
]


@settings(max_examples=400, deadline=None)
@given(path=st.sampled_from(FIELDS), value=json_values, unit=st.sampled_from(["MW", "kW"]))
def test_whatever_a_field_holds_only_plant_errors_come_out(path, value, unit):
    content = {
        "reading": {
            "id": 1,
            "plant_id": "a",
            "collection_timestamp": "2026-11-20T14:30:15Z",
            "generation": {"turbine_north": {"value_mw": 1, "status": "success", "source_timestamp": None}},
            "consumption": {},
            "totals": {"generation_mw": 1, "consumption_mw": 0},
            "trust": {"confidence_score": 1, "status": "trusted"},
        }
    }
    try:
        reading = parse_reading(changed(content, path, value), unit)
    except PlantError:
        return
    assert all(s.value_kw is None or 0 <= s.value_kw <= 1_000_000 for s in reading.sources)
    assert 0 <= reading.confidence <= 1
    assert reading.recorded_at.tzinfo is UTC


@settings(max_examples=200, deadline=None)
@given(value=json_values)
def test_whatever_the_answer_is_only_plant_errors_come_out(value):
    with pytest.raises(PlantError):
        parse_reading(value, "MW")
