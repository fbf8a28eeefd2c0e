"""The Celery application: `python -m celery -A workers worker|beat|...`."""

from celery import Celery

app = Celery("watchfleet")
app.config_from_object("celeryconfig")
