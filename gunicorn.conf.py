"""How PowerHive is served, and the hooks by which the master starts and stops the jobs. No state of its own.

HUP executes this file again; settings and jobs live in modules that stay (`app.config`, `app.jobs.master`).
"""

import os
import signal

from app.bind_check import exit_unless_free, exit_unless_guarded
from app.database_check import exit_unless_ready
from app.factory import config_or_exit

_config = config_or_exit()
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - heartbeats need a place that is never a slow disk

bind = _config.bind_address
workers = _config.workers
worker_class = "gthread"
threads = 8
wsgi_app = "wsgi:app"
timeout = 30
graceful_timeout = 10
preload_app = False
control_socket_disable = True  # its default path is shared by all instances of a user
worker_tmp_dir = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else None
forwarded_allow_ips = ""  # what a proxy says is believed in one place only: app/web/proxies.py
secure_scheme_headers = {}
accesslog = None
errorlog = "-"
loglevel = _config.log_level.lower()
proc_name = "powerhive"


def on_starting(_server):
    """Refuse to start on a port in use, a database that is missing, old or full, or open to others without a user."""
    exit_unless_free(_config)
    exit_unless_ready()
    exit_unless_guarded(_config)


def when_ready(_server):
    """Start the jobs; not earlier: a port in use or a wrong setting must not run a single one."""
    from app import create_app
    from app.jobs import master

    master.start(create_app())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        _retire_jobs_first(number, signal.getsignal(number))


def post_worker_init(_worker):
    """Nothing that a worker has loaded by now is ever garbage."""
    from app import garbage

    garbage.settle()


def on_exit(_server):
    """Let the work in hand end."""
    from app.jobs import master

    master.stop(10)


def _retire_jobs_first(number, handler):
    """Let no job start while workers finish their requests; the rest of the signal's way is gunicorn's."""
    from app.jobs import master

    def handle(signum, frame):
        master.retire()
        handler(signum, frame)

    signal.signal(number, handle)
