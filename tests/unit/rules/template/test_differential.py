"""Templates expand to what Debian's promtool expands them to, errors included."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.servers import ROOT

from watchfleet import promql
from watchfleet.promql.errors import Span
from watchfleet.promql.literals import unquote
from watchfleet.rules.engine import Surroundings, evaluate
from watchfleet.rules.template import Data, TemplateSyntaxError, Texts, check_template, expand

TEMPLATES = (ROOT / "tests/support/templates.txt").read_text().rstrip("\n").split("\n@@\n")
LABELS = {"instance": "a.b:9100", "job": "x", "num": "1.5e3", "bad": "a<b>&'\"c", "other": "z"}
VALUE = 1234567.125
SERIES = {'up{job="a"}': 1.0, 'up{job="b"}': 0.5}

pytestmark = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (make peers)"
)


def write(folder: Path, templates: dict[str, str]) -> Path:
    """A rule of one alert with the templates as annotations, and a test that tells what they come to."""
    rule = {"alert": "A", "expr": "m > 0", "annotations": templates}
    (folder / "rules.yml").write_text(json.dumps({"groups": [{"name": "g", "rules": [rule]}]}))
    labels = ",".join(f"{name}={json.dumps(value)}" for name, value in LABELS.items())
    series = {f"m{{{labels}}}": VALUE, **SERIES}
    test = {
        "input_series": [{"series": name, "values": str(value)} for name, value in series.items()],
        "interval": "1m",
        "external_labels": {"region": "eu"},
        "external_url": "http://x/y",
        "alert_rule_test": [{"alertname": "A", "eval_time": "0m"}],
    }
    (folder / "test.yml").write_text(json.dumps({"rule_files": ["rules.yml"], "tests": [test]}))
    return folder / "test.yml"


def promtool(*arguments: str | Path) -> str:
    run = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)
    return run.stdout + run.stderr


def ours(template: str) -> str:
    source = promql.MemorySeries()
    for name, job, value in (("up", "a", 1.0), ("up", "b", 0.5)):
        source.append({"__name__": name, "job": job}, [0], [value])
    data = Data(Texts({"__name__": "m", **LABELS}), VALUE, Texts(region="eu"), "http://x/y")
    return expand(template, "A", data, lambda query: evaluate(query, source, 0, Surroundings()), 0.0)


def readable(template: str) -> bool:
    try:
        check_template(template)
    except TemplateSyntaxError:
        return False
    return True


def test_expansions_are_promtools(tmp_path: Path) -> None:
    templates = {f"t{place:03d}": text for place, text in enumerate(TEMPLATES) if readable(text)}
    said = promtool("test", "rules", write(tmp_path, templates))
    found = re.findall(r'(t\d{3})=("(?:[^"\\]|\\.)*")', said)
    theirs = {name: unquote(quoted, Span(0, 0)) for name, quoted in found}
    assert theirs == {name: ours(text) for name, text in templates.items()}


def test_what_is_no_template_is_promtools_too(tmp_path: Path) -> None:
    """Each stands in a rule of its own, and promtool tells of every one."""
    broken = [text for text in TEMPLATES if not readable(text)]
    rules = [
        {"alert": f"A{place}", "expr": "1", "annotations": {"t": text}} for place, text in enumerate(broken)
    ]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))
    said = promtool("check", "rules", "--lint=none", path)
    theirs = dict(re.findall(r"template: __alert_(A\d+):\d+: (.*)", said))
    causes = {}
    for place, text in enumerate(broken):
        with pytest.raises(TemplateSyntaxError) as raised:
            check_template(text)
        causes[f"A{place}"] = raised.value.cause
    assert causes == theirs
    assert len(broken) > 20
