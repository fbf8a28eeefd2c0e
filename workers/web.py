"""The WSGI application: `python -m gunicorn -c workers/gunicornconf.py workers.web:app`."""

from watchfleet.web import create_app
from workers import watchdog
from workers.tracing import trace_web

app = create_app()
trace_web(app)
watchdog.start()
