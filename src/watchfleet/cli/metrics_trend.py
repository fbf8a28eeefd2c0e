"""`watchfleet metrics trend`: where a metric is going."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Final

import click
from rich.console import Console
from rich.markup import escape

from watchfleet.cli._console import make_console, print_table
from watchfleet.clock import format_duration, parse_duration, utcnow
from watchfleet.db.engine import transaction
from watchfleet.errors import WatchfleetError
from watchfleet.metrics.trends.answer import facts
from watchfleet.metrics.trends.compare import Change
from watchfleet.metrics.trends.forecast import Forecast
from watchfleet.metrics.trends.outcome import Unknown
from watchfleet.metrics.trends.report import Trend, newest
from watchfleet.metrics.trends.season import Band
from watchfleet.metrics.trends.steps import Step
from watchfleet.metrics.trends.store import Found, Question, SeriesTrend, trends
from watchfleet.metrics.trends.threshold import Outcome, Until

_DAY: Final = 86_400
_PREFIXES: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_STEPS_SHOWN: Final = 5


def _duration(given: str) -> timedelta:
    try:
        found = parse_duration(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if not found:
        raise click.BadParameter("must be more than 0; write it like 12h or 30d")
    return found


def _label(given: str) -> tuple[str, str]:
    name, equals, wanted = given.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{given!r} is not a label; write it like host=web1")
    return name, wanted


def _finite(given: str) -> float:
    try:
        found = float(given)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise click.BadParameter(f"{given!r} is not a number")
    return found


@click.command()
@click.argument("name")
@click.option(
    "--label",
    "labels",
    type=_label,
    multiple=True,
    metavar="NAME=VALUE",
    help="Only series with it; may be repeated.",
)
@click.option(
    "--since",
    type=_duration,
    metavar="DURATION",
    default="30d",
    show_default=True,
    help="How far back to look.",
)
@click.option(
    "--horizon",
    type=_duration,
    metavar="DURATION",
    default="24h",
    show_default=True,
    help="How far to forecast.",
)
@click.option("--until", "limit", type=_finite, metavar="VALUE", help="Tell also when it reaches this value.")
@click.option("--json", "as_object", is_flag=True, help="One JSON object, for programs.")
def trend(
    name: str,
    labels: tuple[tuple[str, str], ...],
    since: timedelta,
    horizon: timedelta,
    limit: float | None,
    *,
    as_object: bool,
) -> None:
    """Show where the metric NAME is going: its trend, its changes, its usual shape and a forecast.

    Intervals and significance are at 95 %, the forecast's also at 80 %. Times are UTC. At most ten series
    are shown: narrow them down with --label.

    \b
    Examples:
      watchfleet metrics trend probe_duration_seconds --label target=postgres
      watchfleet metrics trend disk_free_bytes --since 14d --until 0
    """
    question = Question(name, dict(labels), since, horizon, limit)
    with transaction() as connection:
        found = trends(connection, question, utcnow())
    if not found.series:
        raise WatchfleetError(f"the store has no series {name}{_selector(dict(labels))}")
    if as_object:
        click.echo(json.dumps(facts(question, found), indent=2))
    else:
        _print(make_console(), question, found)


def _print(console: Console, question: Question, found: Found) -> None:
    for one in found.series:
        console.print(f"\n[bold]{escape(question.name + _selector(one.labels))}[/]", end="", soft_wrap=True)
        unit = "" if one.unit == "value" else f", {one.unit}"
        console.print(f"  [dim]{one.kind}{unit}; {one.trend.points} points ({one.source})[/]", soft_wrap=True)
        print_table(console, ["", "", ""], _lines(one, question))
    if found.left_off:
        console.print(f"\n{found.left_off} more series match: narrow them down with --label.")


def _lines(one: SeriesTrend, question: Question) -> list[list[str]]:
    found = one.trend
    window = format_duration(question.window)
    lines = [
        ["Last", *_last(found)],
        ["Trend", *_slope(found)],
        [f"Before, {window}", *_change(found.before)],
        ["Past weeks", *_change(found.weeks)],
        *_steps(found),
        ["Season", _seasons(found), ""],
        ["Expected now", *_band(found.band)],
        *_forecast(found.forecast),
    ]
    if found.reaches is not None:
        lines.append([f"Until {_number(question.limit or 0.0)}", *_until(found.reaches)])
    return lines


def _last(found: Trend) -> list[str]:
    if found.last is None or found.last_at is None:
        return ["-", "no points in the window"]
    return [_number(found.last), _instant(found.last_at)]


def _slope(found: Trend) -> list[str]:
    slope = found.slope
    if isinstance(slope, Unknown):
        return _unknown(slope)
    rate, low, high = (_number(value * _DAY) for value in (slope.per_second, slope.low, slope.high))
    if not slope.is_significant:
        return ["none", f"{rate} a day, {low} to {high}, p = {slope.p_value:.2g}"]
    colour, word = ("yellow", "rises") if slope.per_second > 0 else ("cyan", "falls")
    since = " since the last step" if found.steps and not isinstance(found.steps, Unknown) else ""
    return [f"[{colour}]{word}[/]", f"{rate} a day{since}, {low} to {high}, p = {slope.p_value:.2g}"]


def _change(change: Change | Unknown) -> list[str]:
    if isinstance(change, Unknown):
        return _unknown(change)
    relative = "" if change.relative is None else f" ({change.relative:+.1%})"
    span = "" if change.compared == 0 else f", {_number(change.low)} to {_number(change.high)}"
    told = f"median {_number(change.now)}, was {_number(change.before)}{span}"
    return [f"{_signed(change.absolute)}{relative}", told]


def _steps(found: Trend) -> list[list[str]]:
    if isinstance(found.steps, Unknown):
        return [["Steps", *_unknown(found.steps)]]
    if not found.steps:
        return [["Steps", "none", ""]]
    more = len(found.steps) - _STEPS_SHOWN
    shown = [_step(step) for step in found.steps[-_STEPS_SHOWN:]]
    if more > 0:
        shown[0][0] = f"Steps, {more} more"
    else:
        shown[0][0] = "Steps"
    return shown


def _step(step: Step) -> list[str]:
    change = f"{_signed(step.after - step.before)}"
    return ["", change, f"{_instant(step.at)}, from {_number(step.before)} to {_number(step.after)}"]


def _seasons(found: Trend) -> str:
    names = {_DAY: "daily", 7 * _DAY: "weekly"}
    return " and ".join(names[period] for period in found.seasons) or "none"


def _band(band: Band | Unknown) -> list[str]:
    if isinstance(band, Unknown):
        return _unknown(band)
    at = newest(band)
    told = f"{_number(band.low[at])} to {_number(band.high[at])}"
    if at in band.outside:
        return [_number(band.expected[at]), f"{told}: [red]the last value is outside[/]"]
    return [_number(band.expected[at]), told]


def _forecast(ahead: Forecast | Unknown) -> list[list[str]]:
    if isinstance(ahead, Unknown):
        return [["Forecast", *_unknown(ahead)]]
    places = sorted({len(ahead.times) // 4 - 1, len(ahead.times) // 2 - 1, len(ahead.times) - 1} - {-1})
    lines = [["", _number(ahead.values[at]), _ahead(ahead, at)] for at in places]
    lines[0][0] = "Forecast"
    return lines


def _ahead(ahead: Forecast, at: int) -> str:
    spans = (
        f"{one.coverage:.0%}: {_number(one.low[at])} to {_number(one.high[at])}" for one in ahead.intervals
    )
    return f"{_instant(ahead.times[at])}, {', '.join(spans)}"


def _until(reaches: Until | Unknown) -> list[str]:
    if isinstance(reaches, Unknown):
        return _unknown(reaches)
    latest = "never" if reaches.latest is None else _span(reaches.latest)
    if reaches.outcome is Outcome.NEVER:
        return ["never", ""]
    if reaches.outcome is Outcome.THERE:
        return ["[red]now[/]", "values as they come now are there"]
    if reaches.outcome is Outcome.POSSIBLE or reaches.expected is None:
        return [
            "possible",
            f"no clear trend leads there; at the earliest in {_span(reaches.earliest or 0.0)}",
        ]
    doubt = "; further ahead than the history goes back" if reaches.beyond_history else ""
    told = f"earliest {_span(reaches.earliest or 0.0)}, latest {latest}{doubt}"
    return [f"[yellow]{_span(reaches.expected)}[/]", told]


def _unknown(part: Unknown) -> list[str]:
    return ["-", str(part.reason).replace("_", " ")]


def _selector(labels: dict[str, str]) -> str:
    inside = ", ".join(f"{name}={json.dumps(value)}" for name, value in sorted(labels.items()))
    return f"{{{inside}}}" if inside else ""


def _number(value: float) -> str:
    """Four digits and a unit's prefix."""
    for size, prefix in _PREFIXES:
        if abs(value) >= size * 0.99995:
            return f"{value / size:.4g}{prefix}"
    return f"{value:.4g}"


def _signed(value: float) -> str:
    return _number(value) if value < 0 else f"+{_number(value)}"


def _instant(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def _span(seconds: float) -> str:
    """A duration in its two largest units."""
    for unit, size in (("d", _DAY), ("h", 3600), ("m", 60)):
        if seconds >= size:
            rough = max(size // 24, 60) if unit == "d" else 60
            return format_duration(timedelta(seconds=round(seconds / rough) * rough))
    return "now" if seconds == 0 else "in a minute"
