"""Which groups want to hear of which series."""

from pathlib import Path

from watchfleet.model import Event, Kind, Sample
from watchfleet.rules.bell import Bell, of_batch
from watchfleet.rules.files import parse_rules
from watchfleet.rules.library import Library
from watchfleet.wire import pack

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


def test_a_batch_brings_its_series_and_those_of_its_events() -> None:
    sample = Sample("load", {"host": "a"}, Kind.GAUGE, 1.0, 2.0)
    event = Event("account_scraped", 1.0, "instagram", "anna", None, {})
    arrived = list(of_batch(pack([sample], [event])))
    assert arrived[0] == ("load", {"host": "a"})
    assert "r.yml;scrapes" in wanted(*((name, dict(labels)) for name, labels in arrived))
    assert list(of_batch("no batch")) == []
