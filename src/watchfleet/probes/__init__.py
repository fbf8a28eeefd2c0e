"""Probes: what is checked, when, and what was found. One file a kind, one function a probe."""
