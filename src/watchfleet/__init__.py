"""Monitoring on the Celery, Redis and Postgres that you already run."""

__version__ = "0.1.0.dev0"
