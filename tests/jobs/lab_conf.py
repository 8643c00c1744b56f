"""The lab's gunicorn settings: PowerHive's own file, on the lab's table of jobs and the lab's pages."""

import os
from pathlib import Path

from app.jobs import master, scheduler
from tests.jobs import lab_app

scheduler.TABLE = lab_app.table()
scheduler.RECOVERY = "tests.jobs.lab_app:recover"
master.PATIENCE_S = float(os.environ.get("LAB_PATIENCE_S", "20"))
exec(compile(Path("gunicorn.conf.py").read_text(), "gunicorn.conf.py", "exec"))  # noqa: S102 - our own file
wsgi_app = "tests.jobs.lab_app:pages()"
