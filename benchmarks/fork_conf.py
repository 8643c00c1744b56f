"""PowerHive's own gunicorn settings; answers tell which worker they come from."""

from pathlib import Path

exec(compile(Path("gunicorn.conf.py").read_text(), "gunicorn.conf.py", "exec"))  # noqa: S102 - our own file
wsgi_app = "benchmarks.fork_app:pages()"
