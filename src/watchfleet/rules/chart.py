"""When alerts would have fired, drawn: a line of characters for each, or an SVG."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from xml.sax.saxutils import escape

from watchfleet.promql.labels import format_labels, labels_of
from watchfleet.rules.backtest import Backtest, Firing

MOST_LINES: Final = 40
_ROW, _LEFT, _WIDTH, _TOP = 22, 320, 900, 30
_TICKS: Final = 6
_LONGEST_NAME: Final = 46


def name_of(labels: Mapping[str, str]) -> str:
    """An alert as charts and tables call it: its labels without the rule's name."""
    others = labels_of({name: value for name, value in labels.items() if name != "alertname"})
    return format_labels(others) if others else labels.get("alertname", "")


def lines(found: Backtest, width: int) -> list[tuple[str, str]]:
    """For each alert that fired its name, and its time in `width` characters.

    `█` says that it fires, `▒` that it is pending.
    """
    span = max((found.end - found.start).total_seconds(), 1.0)
    drawn = []
    for name, firings in _by_alert(found.firings).items():
        cells = [" "] * width
        for one in firings:
            _fill(cells, "▒", _share(one.pending_at, found, span), _share(one.fired_at, found, span))
            _fill(
                cells,
                "█",
                _share(one.fired_at, found, span),
                _share(one.resolved_at or found.end, found, span),
            )
        drawn.append((name, "".join(cells)))
    return drawn[:MOST_LINES]


def svg(title: str, found: Sequence[tuple[str, Backtest]]) -> str:
    """The same as an SVG, each backtest with its own part.

    Args:
        title: What it shows.
        found: Backtests over the same time, each with its name.
    """
    body, y = [f'<text x="10" y="20" font-weight="bold">{escape(title)}</text>'], _TOP
    for name, one in found:
        body.append(f'<text x="10" y="{y + 15}">{escape(name)}</text>')
        y += _ROW
        for alert, firings in list(_by_alert(one.firings).items())[:MOST_LINES]:
            body += _bars(alert, firings, one, y)
            y += _ROW
        y += _ROW // 2
    body += _axis(found[0][1], y) if found else []
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 40}" height="{y + 40}"'
    style = 'font-family="sans-serif" font-size="12"'
    return f"{head} {style}>\n" + "\n".join(body) + "\n</svg>\n"


def _by_alert(firings: Iterable[Firing]) -> dict[str, list[Firing]]:
    found: dict[str, list[Firing]] = defaultdict(list)
    for one in firings:
        found[name_of(one.labels)].append(one)
    return dict(sorted(found.items()))


def _share(at: datetime, found: Backtest, span: float) -> float:
    return (at - found.start).total_seconds() / span


def _fill(cells: list[str], mark: str, start: float, end: float) -> None:
    """Mark a part of a line; what is shorter than a character has one."""
    first = min(int(start * len(cells)), len(cells) - 1)
    last = min(max(int(end * len(cells)), first + (end > start)), len(cells))
    cells[first:last] = mark * (last - first)


def _bars(name: str, firings: Sequence[Firing], found: Backtest, y: int) -> Iterable[str]:
    span = max((found.end - found.start).total_seconds(), 1.0)
    shown = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
    yield f'<text x="20" y="{y + 15}"><title>{escape(name)}</title>{escape(shown)}</text>'
    for one in firings:
        end = one.resolved_at or found.end
        pending, fired, over = (_share(at, found, span) for at in (one.pending_at, one.fired_at, end))
        yield _bar(y, pending, fired, "#e8b339", f"pending since {one.pending_at:%Y-%m-%d %H:%M:%S}")
        told = f"{one.fired_at:%Y-%m-%d %H:%M:%S} to {end:%Y-%m-%d %H:%M:%S} {one.reason}"
        yield _bar(y, fired, over, "#c0392b", told.strip())


def _bar(y: int, start: float, end: float, colour: str, told: str) -> str:
    width = max((end - start) * _WIDTH, 1.0 if colour == "#c0392b" else 0.0)
    place = f'x="{_LEFT + start * _WIDTH:.1f}" y="{y + 4}" width="{width:.1f}" height="{_ROW - 8}"'
    return f'<rect {place} fill="{colour}"><title>{escape(told)}</title></rect>'


def _axis(found: Backtest, y: int) -> Iterable[str]:
    span = found.end - found.start
    yield f'<line x1="{_LEFT}" y1="{y}" x2="{_LEFT + _WIDTH}" y2="{y}" stroke="#888"/>'
    for place in range(_TICKS + 1):
        at: datetime = found.start + timedelta(seconds=span.total_seconds() * place / _TICKS)
        x = _LEFT + _WIDTH * place / _TICKS
        yield f'<text x="{x:.0f}" y="{y + 18}" text-anchor="middle">{at:%m-%d %H:%M}</text>'
