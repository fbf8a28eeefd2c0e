"""Where settings come from beside the environment, and how text becomes lists and mappings."""

import json
import os
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, WithJsonSchema
from pydantic.fields import FieldInfo
from pydantic_settings import NoDecode, PydanticBaseSettingsSource

from watchfleet.clock import Period
from watchfleet.complaints import is_secret
from watchfleet.errors import ConfigError
from watchfleet.yamlfile import Document

VARIABLE: Final = "WATCHFLEET_CONFIG"
DEFAULT_FILE: Final = "watchfleet.yml"


def config_path() -> Path:
    """The configuration file that is used, whether or not it exists."""
    return Path(os.environ.get(VARIABLE) or DEFAULT_FILE)


def read_config() -> Document | None:
    """The configuration file, or None if there is none.

    Raises:
        ConfigError: It cannot be used; or `WATCHFLEET_CONFIG` names a file that does not exist.
    """
    path = config_path()
    if path.exists() or os.environ.get(VARIABLE):
        return Document.read(path)
    return None


def secret_file(name: str) -> str | None:
    """The path that the variable `NAME_FILE` gives for the setting `name`."""
    return os.environ.get(f"{name.upper()}_FILE") or None


class SecretFileSource(PydanticBaseSettingsSource):
    """Reads the secret `NAME` from the file that the variable `NAME_FILE` names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The file's content without the line end, or None."""
        path = secret_file(field_name) if is_secret(field) else None
        return (_content(field_name, path) if path else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Every setting that is given by a file."""
        fields = self.settings_cls.model_fields
        values = {name: self.get_field_value(field, name)[0] for name, field in fields.items()}
        return {name: value for name, value in values.items() if value is not None}


def _content(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise ConfigError(
            f"{name.upper()}_FILE={path}: {why}", mend="make it a readable text file"
        ) from error


class YamlSource(PydanticBaseSettingsSource):
    """Reads `watchfleet.yml`, if there is one."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the base class's signature
        """Not used: the file is read whole."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The file's mapping."""
        document = read_config()
        return document.values if document else {}


def _words(value: object) -> object:
    """A variable holds `one, two` or a JSON list."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return _json(value)
    return [part.strip() for part in value.split(",") if part.strip()]


def _pairs(value: object) -> object:
    """A variable holds `name=5s, other=1m` or a JSON object."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        return _json(value)
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("write it like name=5s,other=1m")
    return {name.strip(): period.strip() for name, _, period in pairs}


def _json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error


_LIST_OR_TEXT: Final = {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]}

CommaList = Annotated[list[str], NoDecode, BeforeValidator(_words), WithJsonSchema(_LIST_OR_TEXT)]
"""A list of words; in a variable, with commas between."""

Periods = Annotated[dict[str, Period], NoDecode, BeforeValidator(_pairs)]
"""Periods by name; in a variable, `name=5s` with commas between."""

Items = Annotated[list[Any], NoDecode, BeforeValidator(_json)]
"""Anything; in a variable, as a JSON list."""

Mapping = Annotated[dict[str, Any], NoDecode, BeforeValidator(_json)]
"""A mapping of anything; in a variable, as a JSON object."""
