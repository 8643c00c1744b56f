"""A farm with canary secrets, disturbed for minutes: nothing that PowerHive puts out gives one away."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from app.extensions import db
from app.models import Miner
from simulator import PlantSpec
from tests import canaries
from tests.canaries import Search
from tests.long import farm as farms
from tests.long.chaos import MENUS, Chaos
from tests.long.farm import TestedFarm

MINUTES = 3.0
COMMANDS = (["status"], ["jobs", "list"], ["balance", "--dry-run"], ["poll"], ["scan"], ["secrets", "rotate"])


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_farm_under_faults_gives_no_secret_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(farms, "PASSWORD", canaries.UNLOCK_PASSWORD)
    monkeypatch.setattr(farms, "PlantSpec", lambda **given: PlantSpec(key=canaries.PLANT_KEY, **given))
    canaries.plant_in(tmp_path)
    farm = TestedFarm(tmp_path, "mixed", seed=9)
    for n, miner in enumerate(farm.simulator.miners):
        miner.auth.password = canaries.UNLOCK_PASSWORD
        miner.auth.api_keys[canaries.miner_key(n)] = f"PowerHive {miner.mac}"
    secrets = {
        "the plant's key": canaries.PLANT_KEY, "the fleet's password": canaries.UNLOCK_PASSWORD,
        "the session key": canaries.FLASK_KEY, "the data key": canaries.DATA_KEY,
    }  # fmt: skip
    miners = range(len(farm.simulator.miners))
    search = Search(secrets | {f"the key of miner {n}": canaries.miner_key(n) for n in miners})
    with farm.running():
        with farm.app.app_context():
            assert sum("canary" in (m.api_key.reveal() if m.api_key else "") for m in db.session.query(Miner)) > 40
            db.session.remove()
        over = threading.Event()
        reader = threading.Thread(target=_read_everything, args=(farm, search, over), daemon=True)
        reader.start()
        Chaos(farm, MENUS["everything"]).rage(MINUTES * 60)
        over.set()
        reader.join(60)
        for words in COMMANDS:
            done = farm.app.test_cli_runner().invoke(args=list(words))
            search.text(f"flask {' '.join(words)}", f"{done.output}\n{done.exception!r}")
        search.files(path for path in tmp_path.iterdir() if path.name not in ("secret_key", "data_key"))
        keys = {miner.mac: set(miner.auth.api_keys) for miner in farm.simulator.miners}
    more = Search({f"a key of {mac}": key for mac, held in keys.items() for key in held})
    more.files(path for path in tmp_path.iterdir() if path.name not in ("secret_key", "data_key"))
    print(f"{search.searched} outputs, {search.characters} characters, {len(search.secrets)} secrets")
    assert search.leaks + more.leaks == []
    assert search.searched > 300


def _read_everything(farm: TestedFarm, search: Search, over: threading.Event) -> None:
    """Look at every page and answer again and again, as people and programs do."""
    ask = canaries.in_process(farm.app.test_client())
    while not over.is_set():
        for path, answer in canaries.every_answer(farm.app, ask):
            search.text(path, answer)
            if over.is_set():
                return
        for what, answer in canaries.every_refusal(farm.app, ask):
            search.text(what, answer)
        time.sleep(5)
