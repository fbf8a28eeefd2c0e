"""Times that recur: cron expressions in a time zone, and windows that begin by them or once."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from watchfleet.clock import Period

LONGEST_WINDOW: Final = timedelta(days=31)
"""Of a window that recurs."""


def _zone(name: Any) -> Any:
    try:
        return ZoneInfo(name) if isinstance(name, str) else name
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name!r}; write it like Europe/Berlin") from None


def _known(cron: str) -> str:
    try:
        next(CronSim(cron, datetime.now(UTC)))
    except (CronSimError, StopIteration):
        raise ValueError(f"{cron!r} is no cron expression; write it like `30 2 * * *`") from None
    return cron


Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]
"""A time zone by its name, such as Europe/Berlin."""

Cron = Annotated[str, AfterValidator(_known)]
"""A cron expression of five fields."""


def next_time(cron: str, after: datetime, zone: ZoneInfo) -> datetime:
    """The first time of a cron expression after an instant."""
    return next(CronSim(cron, after.astimezone(zone))).astimezone(UTC)


class Window(BaseModel):
    """A maintenance window: once, `from` ... `to`, or at each time of `cron`, for `duration`."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    begin: datetime | None = Field(None, alias="from", description="When it begins, once.")
    end: datetime | None = Field(None, alias="to", description="When it ends.")
    cron: Cron | None = Field(None, description="When it begins, again and again, such as `0 2 * * sun`.")
    duration: Period | None = Field(None, description="How long it lasts, with `cron`; 31d at most.")
    timezone: Zone = Field(ZoneInfo("UTC"), description="Of `cron`, and of times that name none.")

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        given = [one is not None for one in (self.begin, self.end, self.cron, self.duration)]
        if given not in ([True, True, False, False], [False, False, True, True]):
            raise ValueError("a window has either `from` and `to`, or `cron` and `duration`")
        if self.begin is not None and self.end is not None and self._at(self.begin) >= self._at(self.end):
            raise ValueError("a window must end after it begins")
        if self.duration is not None and self.duration > LONGEST_WINDOW:
            raise ValueError("duration: a window lasts 31d at most")
        return self

    def covers(self, at: datetime) -> bool:
        """Whether an instant is in the window; its end is not."""
        if self.cron is not None and self.duration is not None:
            return next_time(self.cron, at.astimezone(UTC) - self.duration, self.timezone) <= at
        if self.begin is None or self.end is None:
            return False
        return self._at(self.begin) <= at < self._at(self.end)

    def _at(self, written: datetime) -> datetime:
        return written if written.tzinfo else written.replace(tzinfo=self.timezone)
