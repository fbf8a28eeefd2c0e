"""Rule tests that others wrote have promtool's verdict, as they are and with one value changed.

Debian's promtool is of Prometheus 2, whose ranges include their left edge. By default a test may also pass
with those of Prometheus 3; so a copy may pass that fails there, if what was changed is on that edge.

The whole corpus takes minutes, most of it promtool's: `make rules-conformance` runs all of it.
"""

import os
from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest
from support.rule_test_files import CORPUS, FILES, has_promtool, longest, mutants, promtool_passes

from watchfleet.rules.files import load
from watchfleet.rules.unittests.suite import run_file

WHOLE = os.environ.get("RULES_CONFORMANCE") == "whole"
MUTANTS = 200 if WHOLE else 6
ON_THE_EDGE = 0.05
SHORT = timedelta(minutes=20)

pytestmark = [
    pytest.mark.skipif(not FILES, reason=f"{CORPUS} is not there"),
    pytest.mark.skipif(not has_promtool(), reason="promtool is not installed (make peers)"),
    pytest.mark.timeout(3600 if WHOLE else 120),
]


def chosen() -> list[Path]:
    """All files, or those that promtool is done with at once."""
    return FILES if WHOLE else [path for path in FILES if longest(path) <= SHORT]


@pytest.mark.parametrize("path", chosen() if WHOLE else chosen()[::2], ids=lambda path: path.name)
def test_a_file_has_promtools_verdict(path: Path) -> None:
    assert run_file(path).passed == run_file(path, versions=(2,)).passed == promtool_passes(path)


def test_a_changed_copy_fails_where_promtools_does(tmp_path: Path) -> None:
    failing = (path for path in mutants(chosen(), 1, tmp_path) if not promtool_passes(path))
    copies = list(islice(failing, MUTANTS))
    assert [path.name for path in copies if run_file(path, versions=(2,)).passed] == []
    assert sum(run_file(path).passed for path in copies) <= MUTANTS * ON_THE_EDGE


def test_every_rule_file_is_accepted() -> None:
    paths = [path for path in sorted(CORPUS.rglob("*.yaml")) if path not in FILES]
    assert [str(problem) for path in paths for problem in load(path).problems] == []
    assert len(paths) > 50
