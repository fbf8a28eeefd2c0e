"""Targets as the configuration makes them."""

from pathlib import Path
from typing import Any

from watchfleet.model import ProbeResult
from watchfleet.probes.batch import check
from watchfleet.probes.probe import Target
from watchfleet.probes.targets import Targets, load_targets
from watchfleet.settings import from_file
from watchfleet.yamlfile import Document


def configured(*targets: dict[str, Any], **settings: Any) -> Targets:
    """What a configuration with these targets comes to, whatever the environment."""
    document = Document(Path("watchfleet.yml"), {"targets": list(targets), **settings}, None)
    return load_targets(from_file(document))


def target(kind: str, **fields: Any) -> Target:
    """One target of a kind, named after it."""
    fields = {"name": f"the {kind}", "kind": kind, "timeout": "3s", **fields}
    loaded = configured(fields)
    assert not loaded.problems, loaded.problems
    return loaded.by_name[fields["name"]]


def checked(kind: str, **fields: Any) -> ProbeResult:
    """The result of checking such a target once."""
    return check(target(kind, **fields))
