"""What the workers load. Never starts jobs: gunicorn's master does (gunicorn.conf.py)."""

from app import create_app

app = create_app()
