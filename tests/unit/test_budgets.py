"""`budgets:` of the configuration: what is bad is told of by file, line, value and mend, the rest used."""

from pathlib import Path

import pytest

from watchfleet.budgets import MOST, Budgets, load_budgets
from watchfleet.settings import Settings
from watchfleet.yamlfile import Document

GOOD = "- task: shop.pay\n  p95_duration: 500ms\n  error_rate: 0.01\n"


def load(folder: Path, items: str) -> Budgets:
    path = folder / "watchfleet.yml"
    path.write_text("budgets:\n" + items)
    document = Document.read(path)
    return load_budgets(Settings.model_construct(budgets=document.values["budgets"]), document)


def test_a_budget_limits_what_it_names(tmp_path: Path) -> None:
    found = load(tmp_path, GOOD + "- endpoint: GET /orders/<int:id>\n  queries_per_call: 5\n  window: 15m\n")
    assert found.problems == ()
    assert [(one.kind, one.subject, one.limits) for one in found] == [
        ("task", "shop.pay", {"p95_duration": 0.5, "error_rate": 0.01}),
        ("endpoint", "GET /orders/<int:id>", {"queries_per_call": 5}),
    ]
    assert [one.window.total_seconds() for one in found] == [3600, 900]


@pytest.mark.parametrize(
    ("item", "line", "told"),
    [
        ("- task: a\n  p95_duration: fast\n", 6, "p95_duration: 'fast' is not a duration; write it like"),
        ("- task: a\n  error_rate: 7\n", 6, "error_rate: 7: must be less than or equal to 1 (The share"),
        ("- task: a\n  p95_durations: 1s\n", 6, "'p95_durations' (did you mean p95_duration?"),
        ("- task: a\n  query: b\n", 5, "write exactly one of task, endpoint, query, process"),
        ("- process: a\n  error_rate: 0.5\n", 5, "error_rate is none of a process; there are memory_mb"),
        ("- query: a\n", 5, "nothing is limited; write one of p95_duration, error_rate"),
        ("- task: a\n  memory_mb: 1\n  window: 1m\n", 5, "window must be between 5m and 30d"),
        ("- endpoint: /orders\n  p95_duration: 1s\n", 5, "'/orders'"),
        ("- shop.pay\n", 5, "'shop.pay' is not a mapping (write `- task: ...`"),
        ("- task: shop.pay\n  memory_mb: 9\n", 5, "task shop.pay has a budget already"),
        ("- task: a\n  memory_mb: 9\n  memory_mb: 8\n", 7, "memory_mb is given twice, first on line 6"),
    ],
)
def test_a_bad_one_is_told_of_and_the_others_are_used(
    tmp_path: Path, item: str, line: int, told: str
) -> None:
    found = load(tmp_path, GOOD + item + "- process: web1\n  memory_mb: 800\n")
    assert [one.subject for one in found] == ["shop.pay", "web1"]
    (problem,) = found.problems
    assert (problem.path, problem.line) == (tmp_path / "watchfleet.yml", line)
    assert told in str(problem)


def test_there_is_a_most(tmp_path: Path) -> None:
    found = load(tmp_path, "".join(f"- task: t{n}\n  memory_mb: 9\n" for n in range(MOST + 1)))
    assert len(found.usable) == MOST
    assert "there are more than 200 budgets" in str(found.problems[0])
