"""How logs are written and how long they are kept: the `LOG_` settings in the units of the code."""

import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import ValidationError, create_model
from pydantic_settings import BaseSettings, SettingsConfigDict

from watchfleet.complaints import explain
from watchfleet.settings import Settings

Form = Literal["json", "text"]
_MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class LogOptions:
    """The `LOG_` settings.

    Attributes:
        directory: Where log files are written; None for standard error.
        form: `json` or `text`.
        max_bytes: A file is rotated before it grows past this size.
        generations: How many rotated generations of a log are kept.
        max_age: How old a rotated generation may get, by its last line.
        max_total_bytes: How large all rotated generations may be together.
    """

    directory: Path | None
    form: Form
    max_bytes: int
    generations: int
    max_age: timedelta
    max_total_bytes: int

    @classmethod
    def of(cls, settings: Any) -> Self:
        """What settings say.

        Args:
            settings: `Settings`, or whatever has its `log_` fields.
        """
        return cls(
            directory=settings.log_directory,
            form=settings.log_format,
            max_bytes=max(1, int(settings.log_max_file_size_mb * _MEGABYTE)),
            generations=settings.log_max_files,
            max_age=timedelta(days=settings.log_retention_days),
            max_total_bytes=int(settings.log_max_total_size_mb * _MEGABYTE),
        )


def environment_options() -> LogOptions:
    """What the environment says of logs, whatever else it says.

    A host's other variables are its own business, so they are not looked at. A value that cannot be used is
    told on standard error, and the defaults hold instead.
    """
    fields: Any = {
        name: (field.annotation, field)
        for name, field in Settings.model_fields.items()
        if name.startswith("log_")
    }
    model = create_model("_LogSettings", __base__=_Base, **fields)
    try:
        return LogOptions.of(model())
    except ValidationError as error:
        for complaint in explain(
            error, Settings, owner="environment variable ", name=lambda location: str(location[0]).upper()
        ):
            sys.stderr.write(f"watchfleet: {complaint}; the defaults of LOG_ hold instead\n")
    return LogOptions.of(model.model_construct())


class _Base(BaseSettings):
    model_config = SettingsConfigDict(env_ignore_empty=True)
