"""`python -m demo.seed COUNT`: find the simulated miners and take the decisions an operator would take.

Runs before the service does: discovery and plant poller once by hand, then max presets, managed miners, the role of
the miners' meter, and mode `armed`.
"""

from __future__ import annotations

import sys
import time
from datetime import datetime

from flask import Flask

from app import create_app
from app.clock import utcnow
from app.config import Config
from app.core.readings import SourceRole
from app.jobs import scheduler
from app.jobs.runner import JobRunner
from app.models import MinerModel
from app.store import fleet, fleet_list, miner_models, plant_history, settings

PATIENCE_S = 90.0
METER_OF_THE_MINERS = "container_1"
WHO, WHY = "demo", "first start of the demo"


def main() -> None:
    """Seed the database that the environment names."""
    app = create_app()
    config: Config = app.extensions["powerhive_config"]
    if not config.simulated:
        raise SystemExit("demo.seed is for the simulated farm only (POWERHIVE_SIMULATED)")
    find_miners(app, config, int(sys.argv[1]))
    read_the_plant(app, config)
    with app.app_context():
        set_role()
    # A role acts on the readings that come after it: the newest one must be of them before the farm is armed.
    read_the_plant(app, config)
    with app.app_context():
        _decide()


def find_miners(app: Flask, config: Config, wanted: int) -> None:
    """Run discovery, slice by slice, until every miner has its key and a ladder."""
    runner, discovery = JobRunner(app, config), scheduler.job("discovery", config)
    ends_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends_s:
        runner.run(discovery)
        with app.app_context():
            known = fleet_list.listed(fleet_list.FleetFilter(), limit=10_000)
            found = sum(miner.ladder_read_at is not None for miner in known)
        if found >= wanted:
            return
    print(f"only {found} of {wanted} miners were found; discovery goes on", file=sys.stderr)


def read_the_plant(app: Flask, config: Config) -> None:
    """Poll the plant until there is a newer reading than before."""
    runner, poller = JobRunner(app, config), scheduler.job("plant_poller", config)
    before = _newest_reading(app)
    ends_s = time.monotonic() + PATIENCE_S
    while _newest_reading(app) == before and time.monotonic() < ends_s:
        runner.run(poller)
        time.sleep(0.5)


def _newest_reading(app: Flask) -> datetime | None:
    with app.app_context():
        reading = plant_history.latest()
        return reading.recorded_at if reading else None


def set_role() -> None:
    """Say that the meter of the miners, where there is one, contains them."""
    if any(source.name == METER_OF_THE_MINERS for source in plant_history.sources()):
        plant_history.set_role(METER_OF_THE_MINERS, SourceRole.MINERS, WHO, utcnow())


def _decide() -> None:
    for model in miner_models.all_models():
        chosen = _second_highest(model)
        if chosen is not None:
            miner_models.set_max_preset(model.alias, chosen, who=WHO, now=utcnow())
    fleet.set_managed(True, utcnow(), everyone=True, who=WHO)
    settings.change("mode", "armed", WHO, WHY, utcnow())


def _second_highest(model: MinerModel) -> str | None:
    """The second highest preset that stock hardware can run and that some miner is tuned for."""
    choices = [preset.name for preset in miner_models.max_preset_choices(model) if preset.tuned_count]
    return choices[-2] if len(choices) > 1 else choices[0] if choices else None


if __name__ == "__main__":
    main()
