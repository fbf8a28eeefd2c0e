"""The fleet over HTTP: health for orchestrators, metrics for Prometheus."""

from watchfleet.web.app import create_app

__all__ = ["create_app"]
