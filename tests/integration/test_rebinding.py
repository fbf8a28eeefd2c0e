"""No form of an address that is denied is ever connected to, also if a name's address changes meanwhile."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from support.servers import ROOT

ALONE = ["unshare", "--net", "--mount", sys.executable, "-m", "support.rebinding"]


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"),
    reason="a network of its own needs root, unshare and ip",
)
def test_what_is_denied_is_never_connected_to() -> None:
    done = subprocess.run(
        ALONE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for host, (direct, tcp, redirected, posted) in found["denied"].items():
        assert (direct, redirected, posted) == ("forbidden_address", "forbidden_address", "address_denied"), (
            host
        )
        assert tcp == "forbidden_address", host
    verdicts = {verdict for pair in found["rebinding"] for verdict in pair}
    assert verdicts == {"", "forbidden_address"}
    assert set(found["reached"]) == {"127.0.0.1"}
