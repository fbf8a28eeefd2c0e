"""The Celery application: `python -m celery -A workers worker|beat|...`."""

from celery import Celery

app = Celery("watchfleet", task_cls="workers.task:Task")
app.config_from_object("celeryconfig")

from workers import liveness, signals, standby, tracing  # noqa: E402 - the tasks they import bind to the app

__all__ = ["app", "liveness", "signals", "standby", "tracing"]
