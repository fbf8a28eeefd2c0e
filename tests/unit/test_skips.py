"""Where skips are forbidden, a test that skips itself fails with its reason."""

import os
import subprocess
import sys
from pathlib import Path

from support.servers import ROOT

FILES = {
    "test_body.py": "import pytest\ndef test_it():\n    pytest.skip('no server A')\n",
    "test_mark.py": "import pytest\n@pytest.mark.skip(reason='no server B')\ndef test_it(): pass\n",
    "test_module.py": "import pytest\npytest.skip('no server C', allow_module_level=True)\n",
    "test_xfail.py": "import pytest\n@pytest.mark.xfail\ndef test_it(): assert 0\n",
}


def test_a_skip_fails_with_its_reason(tmp_path: Path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    options = ("--continue-on-collection-errors", "--rootdir", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "support.skips", *options, str(tmp_path)],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "tests"),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "WATCHFLEET_FORBID_SKIPS": "1",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    for server in "ABC":
        assert f"WATCHFLEET_FORBID_SKIPS is set: Skipped: no server {server}" in done.stdout
    assert "1 xfailed" in done.stdout
