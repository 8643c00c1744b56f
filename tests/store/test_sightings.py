"""What discovery writes: identity by MAC, addresses that change hands, keys, ladders."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.core.readings import MinerIdentity, Preset
from app.extensions import db
from app.models import Miner, MinerModel, MinerPreset, MinerStatusRow, ModelPreset, OtherHost, PresetChangeRow
from app.redaction import Secret
from app.store import sightings
from app.store.sightings import Care, Stranger
from tests.store.own_app import T0, at, own_database

HOUR = timedelta(hours=1)
LADDER = (Preset("1100", 1100, 53.0, tuned=True), Preset("2300", 2300, 95.0, tuned=True), Preset("disabled", None))


@pytest.fixture(autouse=True)
def _database(tmp_path: Path) -> Iterator[None]:
    with own_database(tmp_path):
        yield


def identity(n: int, ip: str = "", *, model: str = "s19jpro", version: str = "1.2.6") -> MinerIdentity:
    return MinerIdentity(
        mac=f"02:00:00:00:00:{n:02x}",
        ip=ip or f"10.9.0.{n}",
        model_alias=model,
        model_name="Antminer S19j Pro",
        firmware_version=version,
        algorithm="sha256d",
        hr_measure="GH/s",
    )


def miner(n: int) -> Miner:
    db.session.expire_all()
    return db.session.query(Miner).filter_by(mac=f"02:00:00:00:00:{n:02x}").one()


def model() -> MinerModel:
    db.session.expire_all()
    return db.session.query(MinerModel).filter_by(alias="s19jpro").one()


def ladder() -> dict[str, ModelPreset]:
    return {p.name: p for p in model().presets}


def test_a_new_miner_is_not_managed_and_has_no_max_preset() -> None:
    assert sightings.record([identity(1), identity(2)], [], T0) == 2
    assert not miner(1).managed
    assert miner(1).model is not None
    assert model().max_preset is None
    assert db.session.query(MinerModel).count() == 1
    assert db.session.get(MinerStatusRow, miner(1).id) is not None
    assert sightings.record([identity(1)], [], T0) == 0


def test_a_miner_that_moved_keeps_its_history_and_the_operator_s_columns() -> None:
    sightings.record([identity(1)], [], T0)
    before = miner(1)
    before.managed, before.label = True, "rack 3"
    db.session.commit()
    i = before.id
    sightings.record([identity(1, "10.9.0.77")], [], T0 + HOUR)
    assert (miner(1).id, miner(1).ip, miner(1).managed, miner(1).label) == (i, "10.9.0.77", True, "rack 3")
    assert miner(1).created_at == T0


def test_two_miners_may_swap_their_addresses() -> None:
    sightings.record([identity(1), identity(2)], [], T0)
    sightings.record([identity(1, "10.9.0.2"), identity(2, "10.9.0.1")], [], T0)
    assert (miner(1).ip, miner(2).ip) == ("10.9.0.2", "10.9.0.1")


def test_whose_address_is_another_s_has_none_until_it_is_seen_again() -> None:
    sightings.record([identity(1)], [], T0)
    sightings.record([identity(2, "10.9.0.1")], [], T0)
    assert (miner(1).ip, miner(2).ip) == ("", "10.9.0.1")
    sightings.record([identity(1, "10.9.0.5")], [], T0)
    assert miner(1).ip == "10.9.0.5"


def test_an_unknown_model_is_no_model() -> None:
    sightings.record([identity(1, model="unknown")], [], T0)
    assert miner(1).model is None
    sightings.record([identity(1)], [], T0)
    assert miner(1).model is not None


def test_other_firmware_means_other_presets() -> None:
    sightings.record([identity(1)], [], T0)
    sightings.record_care([Care(miner(1).id, presets=LADDER, saved_preset="2300")], T0)
    sightings.record([identity(1)], [], T0)
    assert miner(1).ladder_read_at == T0
    sightings.record([identity(1, version="1.2.7")], [], T0)
    assert miner(1).ladder_read_at is None


def test_a_stranger_is_listed_until_it_becomes_a_miner_or_is_gone_for_a_day() -> None:
    stock = Stranger("10.9.0.1", "Bitmain stock", True, "is a miner with Bitmain's own firmware")
    web = Stranger("10.9.0.2", "other", False, "is no VNish miner")
    sightings.record([], [stock, web], T0)
    sightings.record([], [web], T0 + HOUR)
    hosts = {h.ip: h for h in db.session.query(OtherHost)}
    assert (hosts["10.9.0.1"].draws_power, hosts["10.9.0.2"].draws_power) == (True, False)
    assert (hosts["10.9.0.2"].first_seen_at, hosts["10.9.0.2"].last_seen_at) == (T0, T0 + HOUR)
    sightings.record([identity(2)], [], T0 + HOUR)
    assert [h.ip for h in db.session.query(OtherHost)] == ["10.9.0.1"]
    sightings.forget_strangers(T0 + 24 * HOUR)
    assert db.session.query(OtherHost).count() == 1
    sightings.forget_strangers(T0 + 25 * HOUR)
    assert db.session.query(OtherHost).count() == 0


def test_a_refused_adoption_is_stored_and_a_good_one_clears_it() -> None:
    sightings.record([identity(1)], [], T0)
    i = miner(1).id
    sightings.record_care([Care(i, adoption_error="refused", retry_at=T0 + HOUR)], T0)
    assert (miner(1).api_key, miner(1).adoption_error, miner(1).adoption_retry_at) == (None, "refused", T0 + HOUR)
    sightings.record_care([Care(i, api_key=Secret("k" * 32))], T0)
    assert (miner(1).api_key, miner(1).adoption_error, miner(1).adoption_retry_at) == (Secret("k" * 32), None, None)
    assert "kkk" not in repr(sightings.known()) + repr(Care(i, api_key=Secret("k" * 32)))


def test_only_the_very_key_that_was_refused_is_doubted_or_dropped() -> None:
    sightings.record([identity(1)], [], T0)
    i = miner(1).id
    new, old = Secret("new" * 11), Secret("old")
    sightings.record_care([Care(i, api_key=new)], T0)
    sightings.doubt_key(i, old, "refused")
    assert miner(1).adoption_error is None
    sightings.record_care([Care(i, dead_key=old, adoption_error="refused", retry_at=T0)], T0)
    assert miner(1).api_key == new
    sightings.doubt_key(i, new, "refused")
    assert (miner(1).api_key, miner(1).adoption_error, miner(1).ladder_read_at) == (new, "refused", None)


def test_the_ladder_of_a_model_is_merged_from_its_miners() -> None:
    sightings.record([identity(1), identity(2)], [], T0)
    other = (Preset("1100", 1100, 51.0), Preset("2400", 2400, 99.0, modded_psu_required=True))
    sightings.record_care(
        [Care(miner(1).id, presets=LADDER, saved_preset="2300"), Care(miner(2).id, presets=other)], T0
    )
    assert (miner(1).saved_preset, miner(2).saved_preset) == ("2300", None)
    merged = ladder()
    assert sorted(merged) == ["1100", "2300", "2400", "disabled"]
    assert (merged["1100"].tuned_count, merged["1100"].miner_count, merged["1100"].hashrate_ths) == (1, 2, 52.0)
    assert merged["2400"].modded_psu_required
    assert merged["disabled"].firmware_power_w is None


def test_the_lower_watts_count_where_miners_differ() -> None:
    sightings.record([identity(1), identity(2)], [], T0)
    cares = [Care(miner(n).id, presets=(Preset("eco", watts),)) for n, watts in ((1, 1500), (2, 1400))]
    sightings.record_care(cares, T0)
    assert ladder()["eco"].firmware_power_w == 1400


def test_what_the_operator_set_outlives_a_preset_that_is_gone() -> None:
    sightings.record([identity(1)], [], T0)
    i = miner(1).id
    sightings.record_care([Care(i, presets=(*LADDER, Preset("2500", 2500), Preset("2600", 2600)))], T0)
    model().max_preset = "2500"
    db.session.commit()
    ladder()["2300"].expected_power_w = 2350
    db.session.commit()
    sightings.record_care([Care(i, presets=(Preset("1100", 1100, 54.0),))], T0)
    merged = ladder()
    assert sorted(merged) == ["1100", "2300", "2500"]
    assert (merged["2300"].expected_power_w, merged["2300"].miner_count) == (2350, 0)
    assert (merged["2500"].firmware_power_w, merged["1100"].hashrate_ths) == (2500, 54.0)


def test_an_empty_list_of_presets_changes_nothing() -> None:
    sightings.record([identity(1)], [], T0)
    sightings.record_care([Care(miner(1).id, presets=LADDER)], T0)
    sightings.record_care([Care(miner(1).id, presets=())], T0 + HOUR)
    assert db.session.query(MinerPreset).count() == 3
    assert miner(1).ladder_read_at == T0 + HOUR


def test_a_saved_preset_that_is_just_being_changed_is_left_alone() -> None:
    sightings.record([identity(1)], [], T0)
    i = miner(1).id
    sightings.record_care([Care(i, presets=LADDER, saved_preset="2300")], T0)
    db.session.add(
        PresetChangeRow(
            miner_id=i, kind="preset", origin="balancer", old_power_w=1, new_power_w=2, reason="", outcome="sending",
            recorded=at(),
        )
    )  # fmt: skip
    db.session.commit()
    sightings.record_care([Care(i, presets=LADDER, saved_preset="1100")], T0)
    assert miner(1).saved_preset == "2300"


def test_care_for_a_miner_that_is_gone_is_nothing() -> None:
    sightings.record_care([], T0)
    sightings.record_care([Care(99, api_key=Secret("k"))], T0)
