"""The names that settings go by: what documents and deployment files may say."""

from typing import get_args

from pydantic import AliasChoices, SecretStr

from watchfleet.rules.files import load
from watchfleet.rules.library import BUILTIN
from watchfleet.settings import Settings

OTHERS = {
    "WATCHFLEET_CONFIG": "watchfleet.settings_sources: where the file is",
    "WATCHFLEET_HOME": "watchfleet.cli._root: where the fleet's files are",
    "WATCHFLEET_DATA_DIR": "watchfleet.cli._running: where a fleet of `watchfleet up` keeps everything",
    "WATCHFLEET_LIVENESS_FILE": "workers.liveness: what health checks look at",
    "FLOWER_BASIC_AUTH": "Flower's own",
    "FLOWER_DB": "Flower's own",
    "PYTHONPATH": "Python's own",
    "PYTHONUNBUFFERED": "Python's own",
    "PYTHONDONTWRITEBYTECODE": "Python's own",
    "PATH": "the system's own",
}
"""Variables that are no settings, each with whose it is."""


def variables() -> dict[str, set[str]]:
    """Each setting's environment variables, by its name."""
    return {name: _names(name) for name in Settings.model_fields}


def of_rules() -> set[str]:
    """The variables that parameters of the fleet's own rules take their values from."""
    groups = [group for path in BUILTIN.glob("*.yml") for group in load(path).file.groups]
    options = [option for group in groups for rule in group.rules for option in rule.options.params.values()]
    return {option.env for option in options if option.env}


def secrets() -> set[str]:
    """The variables that hold secrets."""
    return {
        name.upper()
        for name, field in Settings.model_fields.items()
        if SecretStr in (field.annotation, *get_args(field.annotation))
    }


def _names(name: str) -> set[str]:
    alias = Settings.model_fields[name].validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [name]
    names = {str(choice).upper() for choice in choices}
    return names | ({f"{name.upper()}_FILE"} if name.upper() in secrets() else set())
