import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def untouched_root() -> Iterator[None]:
    """What a test configures is gone after it."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    for handler in set(root.handlers) - set(before):
        handler.close()
    root.handlers[:] = before
    root.setLevel(level)
