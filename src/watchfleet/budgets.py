"""Performance budgets: what tasks, endpoints, kinds of queries and processes may take, by configuration."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from watchfleet.clock import Period, parse_duration
from watchfleet.complaints import explain
from watchfleet.configured import Configured
from watchfleet.errors import ConfigError
from watchfleet.settings import Settings
from watchfleet.yamlfile import Document

MOST: Final = 200
"""Budgets that are checked: each costs up to five short queries a minute."""
SHORTEST_WINDOW: Final = timedelta(minutes=5)
LONGEST_WINDOW: Final = timedelta(days=30)
_LIMITS: Final = {
    "task": ("p95_duration", "error_rate", "memory_mb", "queries_per_call"),
    "endpoint": ("p95_duration", "error_rate", "queries_per_call"),
    "query": ("p95_duration", "error_rate"),
    "process": ("memory_mb",),
}


class Budget(BaseModel):
    """What one of them may take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str | None = Field(None, min_length=1, description="A Celery task's name.")
    endpoint: str | None = Field(
        None, pattern=r"^[A-Z]+ \S+$", description="Method and route, such as GET /orders/<int:id>."
    )
    query: str | None = Field(
        None, min_length=1, description="A kind's fingerprint; `watchfleet queries top` lists them."
    )
    process: str | None = Field(
        None, min_length=1, description="A process's name; `watchfleet memory list` lists them."
    )
    p95_duration: Period | None = Field(None, description="How long 95 % of the calls may take at most.")
    error_rate: float | None = Field(
        None, gt=0, le=1, description="The share of calls that may fail, such as 0.01."
    )
    memory_mb: float | None = Field(None, gt=0, description="The resident memory in MB, at its highest.")
    queries_per_call: float | None = Field(
        None, gt=0, description="How many queries 95 % of the calls that ask any may ask at most."
    )
    window: Period = Field(parse_duration("1h"), description="The time that is looked at: 5m to 30d.")

    @property
    def kind(self) -> str:
        """What it is for: `task`, `endpoint`, `query` or `process`."""
        return next(kind for kind in _LIMITS if getattr(self, kind) is not None)

    @property
    def subject(self) -> str:
        """The name of what it is for."""
        return str(getattr(self, self.kind))

    @property
    def limits(self) -> dict[str, float]:
        """What is limited, by name; in seconds, shares, megabytes and queries."""
        given = {name: getattr(self, name) for name in _LIMITS[self.kind]}
        return {
            name: value.total_seconds() if isinstance(value, timedelta) else value
            for name, value in given.items()
            if value is not None
        }

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if sum(getattr(self, kind) is not None for kind in _LIMITS) != 1:
            raise ValueError(f"write exactly one of {', '.join(_LIMITS)}")
        allowed = _LIMITS[self.kind]
        for name in _LIMITS["task"]:
            if name not in allowed and getattr(self, name) is not None:
                raise ValueError(f"{name} is none of a {self.kind}; there are {', '.join(allowed)}")
        if not self.limits:
            raise ValueError(f"nothing is limited; write one of {', '.join(allowed)}")
        if not SHORTEST_WINDOW <= self.window <= LONGEST_WINDOW:
            raise ValueError("window must be between 5m and 30d")
        return self


@dataclass(frozen=True, slots=True)
class Budgets:
    """Every budget that can be used, and what is wrong with the others.

    Attributes:
        usable: The usable ones, as they stand in the file.
        problems: One error for each fault of the others; each names file and line, if a file holds it.
    """

    usable: tuple[Budget, ...] = ()
    problems: tuple[ConfigError, ...] = ()

    def __iter__(self) -> Iterator[Budget]:
        """The usable budgets."""
        return iter(self.usable)


def load_budgets(settings: Settings, document: Document | None = None) -> Budgets:
    """Every budget; one that cannot be used is reported and does not stop the others.

    Args:
        settings: Where the budgets stand.
        document: The file that the settings are from: tells the lines.
    """
    found: dict[tuple[str, str], Budget] = {}
    problems: list[ConfigError] = []
    for index, raw in enumerate(settings.budgets):
        place = _Place(document, index)
        try:
            budget = _build(raw, place)
        except _Faulty as fault:
            problems += fault.errors
            continue
        key = budget.kind, budget.subject
        if key in found:
            problems.append(place.error(f"{' '.join(key)} has a budget already", "write all of it in one"))
        elif len(found) == MOST:
            problems.append(place.error(f"there are more than {MOST} budgets", "keep those that matter"))
        else:
            found[key] = budget
    return Budgets(tuple(found.values()), tuple(problems))


class _Faulty(Exception):  # noqa: N818 - it carries errors, it is none of its own
    def __init__(self, errors: list[ConfigError]) -> None:
        super().__init__(*errors)
        self.errors = errors


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a budget stands in the configuration."""

    document: Document | None
    index: int

    def where(self, location: tuple[str | int, ...] = ()) -> tuple[Path | None, int | None]:
        if self.document is None or not self.document.has(("budgets", self.index)):
            return None, None
        return self.document.path, self.document.line(("budgets", self.index, *location))

    def error(self, message: str, mend: str) -> ConfigError:
        path, line = self.where()
        return ConfigError(f"budgets[{self.index}]: {message}", path=path, line=line, mend=mend)

    def repeated_keys(self) -> list[ConfigError]:
        problems = self.document.problems if self.document else ()
        return [error for location, error in problems if location[:2] == ("budgets", self.index)]


def _build(raw: object, place: _Place) -> Budget:
    if not isinstance(raw, dict):
        raise _Faulty([place.error(f"{raw!r} is not a mapping", "write `- task: ...`, then its limits")])
    if repeated := place.repeated_keys():
        raise _Faulty(repeated)
    try:
        return Budget.model_validate(raw)
    except ValidationError as error:
        raise _Faulty(explain(error, Budget, place.where, owner=f"budgets[{place.index}]: ")) from None


get_budgets: Final = Configured(load_budgets, "this budget is not checked")
"""The budgets of this process's settings, read once."""
