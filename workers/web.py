"""The WSGI application: `python -m gunicorn -c workers/gunicornconf.py workers.web:app`."""

from watchfleet.web import create_app

app = create_app()
