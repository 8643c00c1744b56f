"""`python -m benchmarks.live.seed JSON`: find the simulated miners and take an operator's decisions for a live run.

JSON: `{"miners": 60, "metered": false, "max_presets": {"s19": "2950"}, "settings": {"policy": "economic"}}`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from app import create_app
from app.clock import utcnow
from app.config import Config
from app.jobs import scheduler
from app.jobs.runner import JobRunner
from app.store import fleet, miner_models, settings
from demo.seed import find_miners, read_the_plant, set_role

WHO, WHY = "bench", "live run"


def main() -> None:
    """Seed the database that the environment names."""
    wanted: dict[str, Any] = json.loads(sys.argv[1])
    app = create_app()
    config: Config = app.extensions["powerhive_config"]
    if not config.simulated:
        raise SystemExit("benchmarks.live.seed is for a simulated farm only (POWERHIVE_SIMULATED)")
    find_miners(app, config, wanted["miners"])
    read_the_plant(app, config)
    if wanted["metered"]:
        with app.app_context():
            set_role()
        read_the_plant(app, config)  # a role acts on the readings that come after it
    # Armed before anybody knows what the miners run, the first cycle would count each with the worst case.
    JobRunner(app, config).run(scheduler.job("status_poller", config))
    with app.app_context():
        for alias, preset in wanted["max_presets"].items():
            miner_models.set_max_preset(alias, preset, who=WHO, now=utcnow())
        fleet.set_managed(True, utcnow(), everyone=True, who=WHO)
        settings.change_many(wanted["settings"] | {"mode": "armed"}, WHO, WHY, utcnow())


if __name__ == "__main__":
    main()
