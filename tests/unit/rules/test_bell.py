"""Which groups want to hear of which series."""

from pathlib import Path

from watchfleet.rules.bell import Bell, of_entries
from watchfleet.rules.files import parse_rules
from watchfleet.rules.library import Library

TEXT = """
groups:
  - name: load
    rules:
      - {alert: A, expr: 'load{host=~"a.*"} > 5'}
      - {alert: B, expr: 'rate(errors_total[5m]) > 1 and on () up == 1'}
  - name: quiet
    x-watchfleet: {on_data: false}
    rules:
      - {alert: C, expr: load > 5}
  - name: any
    rules:
      - {alert: D, expr: '{__name__=~"disk_.+", host!="z"} < 1'}
  - name: scrapes
    rules:
      - {record: r, expr: sum(scrapes_total)}
"""


def wanted(*series: tuple[str, dict[str, str]]) -> list[str]:
    groups = parse_rules(TEXT, Path("r.yml")).file.groups
    return Bell(Library(tuple(("r.yml", group) for group in groups))).wanted(series)


def test_a_group_wants_the_series_that_it_selects() -> None:
    assert wanted(("load", {"host": "a1"})) == ["r.yml;load"]
    assert wanted(("load", {"host": "b1"})) == []
    assert wanted(("errors_total", {})) == ["r.yml;load"]
    assert wanted(("up", {"host": "z"})) == ["r.yml;load"]
    assert wanted(("disk_free", {"host": "a"}), ("load", {"host": "a"})) == ["r.yml;any", "r.yml;load"]
    assert wanted(("disk_free", {"host": "z"}), ("other", {})) == []


def test_what_is_no_series_rings_for_nobody() -> None:
    entries = [["load", {"host": "a"}, "gauge"], ["load", {"host": 1}, "gauge"], ["up", {}], None]
    entries += [[["up"], {}, "gauge"], ["up", "host", "gauge"]]
    arrived = list(of_entries(entries))
    assert arrived == [("load", {"host": "a"}), ("load", {"host": 1})]
    assert wanted(*arrived) == ["r.yml;load"]
    assert wanted(("load", {"host": 1})) == []  # type: ignore[dict-item] - as it may come from outside
