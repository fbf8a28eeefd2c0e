"""Rule tests that others wrote, as they are and with one value changed, and promtool's verdict on them."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import yaml
from support.servers import ROOT

from watchfleet.clock import parse_duration

CORPUS = ROOT.parent / "shared" / "conformance" / "rules"
FILES = sorted(CORPUS.rglob("*_test.yaml"))
Document = dict[str, Any]


def promtool_passes(path: Path) -> bool:
    """Promtool's verdict on a file of rule tests."""
    run = subprocess.run(["promtool", "test", "rules", path], capture_output=True, timeout=300, check=False)
    assert run.returncode in {0, 1}, run.stderr
    return run.returncode == 0


def has_promtool() -> bool:
    return shutil.which("promtool") is not None


def longest(path: Path) -> timedelta:
    """How much time the file's tests cover, each with its own."""
    times = re.findall(r"eval_time: ['\"]?(\w+)", path.read_text())
    return sum((parse_duration(time) for time in times), timedelta(0))


def mutants(paths: list[Path], seed: int, folder: Path) -> Iterator[Path]:
    """Copies of the files, without end, each with one value changed."""
    random = Random(seed)
    number = 0
    while True:
        path = random.choice(paths)
        document = yaml.safe_load(path.read_text())
        places = list(changes(document))
        if not places:
            continue
        holder, key, value = random.choice(places)
        holder[key] = value
        document["rule_files"] = [str(path.parent / name) for name in document["rule_files"]]
        number += 1
        mutant = folder / f"{path.stem}_{number}.yaml"
        mutant.write_text(json.dumps(document))
        yield mutant


def changes(document: Document) -> Iterator[tuple[Any, Any, Any]]:
    """Everything that may be changed: what holds it, under which key, and the other value."""
    for test in document.get("tests", []):
        for series in test.get("input_series") or []:
            yield series, "values", "0x5"
            yield series, "series", "nothing_at_all"
        for case in test.get("alert_rule_test") or []:
            yield from alert_changes(case)
        for case in test.get("promql_expr_test") or []:
            yield case, "expr", "vector(12345)"
            for sample in case.get("exp_samples") or []:
                yield sample, "value", 12345


def alert_changes(case: Document) -> Iterator[tuple[Any, Any, Any]]:
    alerts = case.get("exp_alerts") or []
    yield case, "alertname", "NoSuchAlert"
    yield case, "exp_alerts", [*alerts, {"exp_labels": {"one": "too many"}}]
    if alerts:
        yield case, "exp_alerts", alerts[1:]
        yield case, "eval_time", "0m"
    for alert in alerts:
        for key in ("exp_labels", "exp_annotations"):
            for name, value in (alert.get(key) or {}).items():
                yield alert[key], name, f"{value}?"
