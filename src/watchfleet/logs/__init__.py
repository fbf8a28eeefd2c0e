"""Logs: writing them, keeping them for as long as they should be, searching them.

What is imported here needs the ground floor alone, so that any application may call it. Searching is in
`watchfleet.logs.search`, and needs the extra `fleet`.
"""

from watchfleet.logs.write import configure_logging

__all__ = ["configure_logging"]
