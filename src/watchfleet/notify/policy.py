"""The notification policy that is in force: the configuration's, or the one that holds without any."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from watchfleet.errors import ConfigError
from watchfleet.model import Destination, Severity
from watchfleet.notify.configuration import REPEAT_INTERVAL, InhibitRule
from watchfleet.notify.intervals import NamedIntervals
from watchfleet.notify.loading import Loaded, Source, load, source_of
from watchfleet.notify.matchers import matcher
from watchfleet.notify.receivers import DEFAULT, Receiver, Receivers, default_receiver
from watchfleet.notify.routing import BY_SEVERITY
from watchfleet.notify.tree import Node
from watchfleet.settings import Settings, get_settings, read_config
from watchfleet.yamlfile import Document

logger = logging.getLogger(__name__)

AT_ONCE: Final = timedelta(0)
OWN: Final = "{}/channels"
"""The key of the nodes for rules that name their own channels."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Who is told of what, and when.

    Attributes:
        tree: The routing tree.
        receivers: Every receiver by name.
        inhibit_rules: Alerts that hold back others.
        intervals: The times that routes name.
        resolve_timeout: When an alert from outside is over of which nothing more is heard.
        external_url: Where the fleet's own pages are, for links.
        dedup_window: How long an alert that fires again is not told again, where no configuration says so.
        loaded: The configuration; None when there is none.
    """

    tree: Node
    receivers: Mapping[str, Receiver]
    inhibit_rules: Sequence[InhibitRule] = ()
    intervals: Mapping[str, NamedIntervals] = field(default_factory=dict)
    resolve_timeout: timedelta = timedelta(minutes=5)
    external_url: str = ""
    dedup_window: timedelta = timedelta(minutes=5)
    loaded: Loaded | None = None

    def nodes(self, labels: Mapping[str, str], channels: Sequence[str] | None) -> tuple[Node, ...]:
        """The nodes that an alert comes to.

        Args:
            labels: The alert's.
            channels: Its rule's own channels; None to go by the tree.
        """
        return self.tree.match(labels) if channels is None else (self.own(channels),)

    def node(self, key: str, channels: Sequence[str] | None) -> Node | None:
        """The node of a group; None if the tree has it no more."""
        if channels is not None:
            return self.own(channels)
        return next((node for _, node in self.tree.walk() if node.key == key), None)

    def own(self, channels: Sequence[str]) -> Node:
        """The node of rules that name these channels."""
        key = f"{OWN}:{','.join(channels)}"
        return replace(default_node(self.dedup_window), key=key, channels=tuple(channels))

    def destinations(self, node: Node) -> tuple[Destination, ...]:
        """Everyone who is told of a node's groups."""
        return self.places(node.receiver, node.channels)

    def places(self, receiver: str, channels: Sequence[str] | None = None) -> tuple[Destination, ...]:
        """Everyone whom a receiver stands for.

        Args:
            receiver: The receiver's name.
            channels: Only these of its channels, or whole receivers of these names; None for all.
        """
        whole = self.receivers[receiver].destinations() if receiver in self.receivers else ()
        if channels is None:
            return whole
        named = [
            place
            for name in channels
            if name in self.receivers and name != receiver
            for place in self.receivers[name].destinations()
        ]
        return (*(place for place in whole if place.channel in channels), *named)

    def muted(self, node: Node, now: datetime) -> str:
        """Why a node's groups are not told now; empty if they are."""
        if node.active_times and not any(self.intervals[name].contains(now) for name in node.active_times):
            return f"muted:outside {','.join(node.active_times)}"
        muting = [name for name in node.mute_times if self.intervals[name].contains(now)]
        return f"muted:{','.join(muting)}" if muting else ""


def default_node(dedup_window: timedelta) -> Node:
    """The node that tells the default receiver of each alert on its own, at once."""
    return Node(
        key="{}",
        receiver=DEFAULT,
        group_by=None,
        group_wait=AT_ONCE,
        group_interval=AT_ONCE,
        repeat_interval=REPEAT_INTERVAL,
        dedup_window=dedup_window,
    )


def default_policy(receiver: Receiver, dedup_window: timedelta, external_url: str = "") -> Policy:
    """What holds without a configuration: who is told depends on the severity alone.

    An alert without a severity, or with one that we do not know, is told like a warning.
    """
    root = default_node(dedup_window)
    children = tuple(
        replace(
            root,
            key=f'{{}}/{{severity="{severity}"}}',
            matchers=(matcher("severity", "=~", f"(?i){severity}"),),
            channels=_channels(severity),
        )
        for severity in (Severity.INFO, Severity.CRITICAL)
    )
    tree = replace(root, channels=_channels(Severity.WARNING), children=children)
    return Policy(tree, {receiver.name: receiver}, external_url=external_url, dedup_window=dedup_window)


def configured_policy(loaded: Loaded, settings: Settings) -> Policy:
    """What a configuration says. The receiver of the environment's variables is there as well."""
    return Policy(
        tree=loaded.tree,
        receivers={DEFAULT: default_receiver(settings), **loaded.receivers},
        inhibit_rules=loaded.configuration.inhibit_rules,
        intervals=loaded.configuration.intervals,
        resolve_timeout=loaded.configuration.global_.resolve_timeout,
        external_url=settings.external_url or "",
        dedup_window=settings.dedup_window,
        loaded=loaded,
    )


def find_source(settings: Settings, document: Document | None) -> Source | None:
    """Where the configuration stands; None if there is none.

    Raises:
        ConfigError: Its file cannot be read, or there are two configurations.
    """
    if settings.notify and settings.notify_config:
        raise ConfigError(
            "notify and notify_config both give a notification configuration", mend="keep one of the two"
        )
    if settings.notify_config:
        return source_of(Document.read(Path(settings.notify_config)))
    if not settings.notify:
        return None
    return source_of(document) if document and "notify" in document.values else Source(settings.notify)


def read_policy(settings: Settings, document: Document | None) -> Policy:
    """The policy of these settings.

    Args:
        settings: Where the configuration stands, and the receiver of the environment's variables.
        document: The file that the settings are from: tells the lines.

    Raises:
        ConfigError: The configuration cannot be used; says everything that is wrong.
    """
    source = find_source(settings, document)
    if source is None:
        return _default(settings)
    return configured_policy(load(source, settings), settings)


_loaded: list[tuple[Settings, Policy]] = []


def get_policy(settings: Settings | None = None) -> Policy:
    """The policy of this process, read once.

    A configuration that cannot be used is reported, and what holds without one takes its place: alerts must
    reach somebody.
    """
    settings = settings or get_settings()
    for known, policy in _loaded:
        if known is settings:
            return policy
    try:
        policy = read_policy(settings, read_config())
    except ConfigError as error:
        # Not the traceback: the error names file, line and mend.
        logger.error("%s\nthe configuration is not used, alerts go out by severity", error)  # noqa: TRY400 - see above
        policy = _default(settings)
    _loaded[:] = [(settings, policy)]
    return policy


def _default(settings: Settings) -> Policy:
    return default_policy(default_receiver(settings), settings.dedup_window, settings.external_url or "")


def _channels(severity: Severity) -> tuple[str, ...] | None:
    wanted = BY_SEVERITY[severity]
    return None if wanted is None else tuple(sorted(wanted))


def receivers(settings: Settings) -> Receivers:
    """Everyone who may be told."""
    return Receivers(get_policy(settings).receivers, tuple(settings.alert_fallback))
