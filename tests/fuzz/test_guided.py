"""The coverage-guided fuzzer: `make fuzz-rules` runs it for minutes, the suite for a few thousand texts."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="atheris is published for Linux on x86-64 alone")

ROOT = Path(__file__).parents[2]
TARGETS = ("expression", "template", "rules", "tests")
SECONDS = int(os.environ.get("FUZZ_SECONDS", "0")) // len(TARGETS)
RUNS = {"expression": 3000, "template": 5000, "rules": 1000, "tests": 500}


@pytest.mark.timeout(120 + 2 * SECONDS)
@pytest.mark.parametrize("target", TARGETS)
def test_any_text_has_an_answer_or_an_error_with_its_place(target: str, tmp_path: Path) -> None:
    bound = f"-max_total_time={SECONDS}" if SECONDS else f"-runs={RUNS[target]}"
    seed = () if SECONDS else ("-seed=1",)
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", target, bound, *seed],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    done_runs = re.search(r"^Done (\d+) runs", said, re.MULTILINE)
    assert done_runs
    assert int(done_runs[1]) >= RUNS[target]
