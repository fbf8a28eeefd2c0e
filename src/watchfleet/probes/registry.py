"""The kinds of probe: ours, and those of other distributions (entry points `watchfleet.probes`)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from inspect import signature
from typing import Any, Final, NamedTuple, get_type_hints

from watchfleet.errors import ConfigError
from watchfleet.model import ProbeResult
from watchfleet.probes.probe import Deadline, Options, Target

Probe = Callable[[Target, Any, Deadline], ProbeResult]
"""Checks one target by the deadline; the annotation of its second parameter is the kind's Options."""

BulkProbe = Callable[[Sequence[Target], Deadline], list[ProbeResult]]
"""Checks many targets at once, each by its own timeout, all by the deadline; results in their order."""

GROUP: Final = "watchfleet.probes"


class Entry(NamedTuple):
    """Where a kind lives, as `module:function`; imported on first use."""

    probe: str
    bulk: str = ""


PROBES: Final = {
    "http": Entry("watchfleet.probes.http:probe", bulk="watchfleet.probes.http:probe_many"),
    "tcp": Entry("watchfleet.probes.tcp:probe"),
    "tls": Entry("watchfleet.probes.tls:probe"),
    "dns": Entry("watchfleet.probes.dns:probe"),
    "icmp": Entry("watchfleet.probes.icmp:probe"),
    "grpc": Entry("watchfleet.probes.grpc:probe"),
    "postgres": Entry("watchfleet.probes.postgres:probe"),
    "redis": Entry("watchfleet.probes.redis:probe"),
    "rabbitmq": Entry("watchfleet.probes.rabbitmq:probe"),
    "celery_workers": Entry("watchfleet.probes.celery_workers:probe"),
    "celery_queue": Entry("watchfleet.probes.celery_queue:probe"),
    "celery_canary": Entry("watchfleet.probes.celery_canary:probe"),
    "celery_beat": Entry("watchfleet.probes.celery_beat:probe"),
    "heartbeat": Entry("watchfleet.probes.heartbeat:probe", bulk="watchfleet.probes.heartbeat:probe_many"),
    "disk": Entry("watchfleet.probes.disk:probe"),
    "memory": Entry("watchfleet.probes.memory:probe"),
    "cpu": Entry("watchfleet.probes.cpu:probe"),
    "process": Entry("watchfleet.probes.process:probe"),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of probe, imported.

    Attributes:
        name: As in a target's `kind`.
        probe: Checks one target.
        options: The model of its settings.
        bulk: Checks many at once, if the kind can.
    """

    name: str
    probe: Probe
    options: type[Options]
    bulk: BulkProbe | None = None


def kind_names() -> tuple[str, ...]:
    """Every kind: ours, then others' in the order of their names."""
    return (*PROBES, *sorted(set(_others()).difference(PROBES)))


@cache
def kind(name: str) -> Kind:
    """The kind of that name.

    Raises:
        ConfigError: There is none, or its module cannot be used.
    """
    probe, bulk = _load(name)
    parameters = list(signature(probe).parameters)
    options = get_type_hints(probe).get(parameters[1]) if len(parameters) > 1 else None
    if not (isinstance(options, type) and issubclass(options, Options)):
        raise ConfigError(
            f"the probe {name!r} of another distribution is not usable",
            mend="its second parameter must be annotated with a class derived from Options",
        )
    return Kind(name, probe, options, bulk)


def _load(name: str) -> tuple[Any, Any]:
    if name in PROBES:
        entry = PROBES[name]
        return _attribute(entry.probe), _attribute(entry.bulk) if entry.bulk else None
    other = _others().get(name)
    if other is None:
        raise ConfigError(f"there is no probe of kind {name!r}", mend=f"one of {', '.join(kind_names())}")
    try:
        return other.load(), None
    except Exception as error:
        raise ConfigError(f"the probe {name!r} ({other.value}) cannot be imported: {error}") from error


def _attribute(path: str) -> Any:
    module, attribute = path.split(":")
    return getattr(import_module(module), attribute)


@cache
def _others() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
