"""The JSON Schema of the configuration file, with the options of every kind of probe."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from watchfleet.budgets import Budget
from watchfleet.clock import format_duration
from watchfleet.probes.registry import kind_names
from watchfleet.probes.scrape.config import Job
from watchfleet.probes.targets import OWN, model_of
from watchfleet.settings import Settings

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class _Generator(GenerateJsonSchema):
    """Writes durations as people do."""

    def encode_default(self, dft: Any) -> Any:
        """A default value in JSON."""
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the base class's signature
        """Titles would only repeat the names."""
        return False


def configuration_schema() -> dict[str, Any]:
    """The schema of `watchfleet.yml`: every setting, a target of every kind, jobs and budgets."""
    whole = Settings.model_json_schema(schema_generator=_Generator)
    definitions: dict[str, Any] = whole.pop("$defs", {})
    for name in kind_names():
        one = model_of(name).model_json_schema(
            schema_generator=_Generator, ref_template="#/$defs/{model}", mode="validation"
        )
        definitions |= one.pop("$defs", {})
        definitions[f"target_{name}"] = one
    whole["properties"]["targets"]["items"] = _target(definitions)
    job = Job.model_json_schema(schema_generator=_Generator, ref_template="#/$defs/{model}")
    definitions |= job.pop("$defs", {})
    whole["properties"]["scrape"]["items"] = job
    whole["properties"]["budgets"]["items"] = Budget.model_json_schema(schema_generator=_Generator)
    return {
        "$schema": DIALECT,
        **whole,
        "title": "watchfleet.yml",
        "description": "The configuration of watchfleet.",
        "$defs": definitions,
    }


def _target(definitions: Mapping[str, Any]) -> dict[str, Any]:
    """A target: what its kind says, so that an editor names the very option that is wrong."""
    kinds = kind_names()
    return {
        "type": "object",
        "required": ["name"],
        "if": {"required": ["kind"]},
        "then": {"properties": {"kind": {"enum": list(kinds)}}, "allOf": [_if_of(kind) for kind in kinds]},
        "else": {
            "properties": {"name": {"enum": list(OWN)}},
            "allOf": [_if_own(own, definitions) for own in OWN],
        },
    }


def _if_of(kind: str) -> dict[str, Any]:
    return {"if": {"properties": {"kind": {"const": kind}}}, "then": {"$ref": f"#/$defs/target_{kind}"}}


def _if_own(own: str, definitions: Mapping[str, Any]) -> dict[str, Any]:
    """A target that changes one of the fleet's own: its kind is known."""
    full = definitions[f"target_{OWN[own]['kind']}"]
    changed = {**full, "description": f"Changes the fleet's own check of {own}.", "required": ["name"]}
    return {"if": {"properties": {"name": {"const": own}}}, "then": changed}
