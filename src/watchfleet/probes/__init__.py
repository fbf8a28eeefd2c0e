"""Probes of dependencies: one file a kind, one function a probe."""
