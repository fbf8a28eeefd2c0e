"""The fleet's tasks: thin wrappers that open what a library call needs, and make it."""

from tasks import accounts, alerts, detectors, ingest, probes, rollups, rules, scrape, upkeep

__all__ = ["accounts", "alerts", "detectors", "ingest", "probes", "rollups", "rules", "scrape", "upkeep"]
