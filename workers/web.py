"""The WSGI application: `python -m gunicorn -c workers/gunicornconf.py workers.web:app`."""

from watchfleet.instrument.correlation import flask
from watchfleet.web import create_app
from workers import watchdog
from workers.celery import app as celery
from workers.tracing import trace_web
from workers.waking import Waker

celery.set_default()
app = create_app(wake=Waker().wake)
trace_web(app)
flask.install(app)  # after the spans: a new id is that of the trace
watchdog.start()
