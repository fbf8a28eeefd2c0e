"""From a fetched page to samples: labels, relabelling and limits, with Prometheus's meaning."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from watchfleet.metrics.exposition import Exposed, ExpositionError, parse
from watchfleet.model import Kind, Sample
from watchfleet.probes.scrape.config import Job
from watchfleet.probes.scrape.discovery import Target
from watchfleet.probes.scrape.fetch import Fetched, ScrapeError
from watchfleet.probes.scrape.relabel import Labels, apply

NAME: Final = "__name__"
REPORTS: Final = {
    "up": Kind.GAUGE,
    "scrape_duration_seconds": Kind.DURATION,
    "scrape_samples_scraped": Kind.GAUGE,
    "scrape_samples_post_metric_relabeling": Kind.GAUGE,
    "scrape_series_added": Kind.GAUGE,
}
"""What is written of each scrape beside its samples."""


@dataclass(slots=True)
class Page:
    """What one scrape of one target came to.

    Attributes:
        target: The target.
        at: When it was asked, in Unix seconds.
        seconds: How long that took.
        samples: Its samples at that time; each of these series ends when it is not there the next time.
        stamped: Its samples with times of their own, whose series just stop.
        scraped: How many samples the page had, as far as it could be read.
        kept: How many of them relabelling left.
        error: Why the scrape failed.
    """

    target: Target
    at: float
    seconds: float
    samples: list[Sample] = field(default_factory=list)
    stamped: list[Sample] = field(default_factory=list)
    scraped: int = 0
    kept: int = 0
    error: ScrapeError | None = None

    def series(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        """The name and the labels of each series that it has samples of, its own among them."""
        yield from ((one.name, one.labels) for one in self.samples)
        yield from ((one.name, one.labels) for one in self.stamped)
        yield from ((name, self.target.labels) for name in REPORTS)

    def reports(self, added: int) -> list[Sample]:
        """The scrape's own samples.

        Args:
            added: How many series the target did not have the last time.
        """
        up = float(self.error is None)
        values = (up, self.seconds, float(self.scraped), float(self.kept), float(added))
        labels = dict(self.target.labels)
        return [
            Sample(name, labels, kind, self.at, value)
            for (name, kind), value in zip(REPORTS.items(), values, strict=True)
        ]


def read(fetched: Fetched) -> Page:
    """Read a page; one that breaks a rule or a limit fails as a whole, as in Prometheus."""
    page = Page(fetched.target, fetched.at, fetched.seconds, error=fetched.error)
    if fetched.error is not None:
        return page
    try:
        _take_all(page, fetched)
    except ExpositionError as error:
        _fail(page, ScrapeError("malformed", str(error)))
    except ScrapeError as error:
        _fail(page, error)
    return page


def _fail(page: Page, error: ScrapeError) -> None:
    page.samples, page.stamped, page.error = [], [], error


def _take_all(page: Page, fetched: Fetched) -> None:
    job, labels = fetched.job, dict(fetched.target.labels)
    for exposed in parse(fetched.body, fetched.content_type):
        page.scraped += 1
        sample = _sample(exposed, labels, job, fetched.at)
        if sample is None:
            continue
        page.kept += 1
        if page.kept <= job.most_samples:
            is_stamped = exposed.ts is not None and job.honor_timestamps
            (page.stamped if is_stamped else page.samples).append(sample)
    if page.kept > job.most_samples:
        raise ScrapeError("sample_limit", f"{page.kept} samples; there may be {job.most_samples}")


def _sample(exposed: Exposed, own: Labels, job: Job, at: float) -> Sample | None:
    labels = merged(exposed.labels, own, honor=job.honor_labels)
    name = exposed.name
    if job.metric_relabel_configs:
        labels[NAME] = name
        changed = apply(labels, job.metric_relabel_configs)
        if not changed:
            return None
        labels = changed
        name = labels.pop(NAME, "")
    ts = exposed.ts if exposed.ts is not None and job.honor_timestamps else at
    return Sample(name, labels, exposed.kind, ts, exposed.value)


def merged(exposed: Labels, own: Labels, *, honor: bool) -> Labels:
    """A sample's labels and its target's together.

    Args:
        exposed: The sample's.
        own: The target's.
        honor: Whether the sample's win; else one of the same name becomes `exported_...`.
    """
    if honor:
        return {**own, **exposed}
    if exposed.keys().isdisjoint(own):
        return {**exposed, **own}
    labels = {name: value for name, value in exposed.items() if name not in own}
    for name in sorted(exposed.keys() & own.keys()):
        if exposed[name]:
            moved = f"exported_{name}"
            while moved in exposed or moved in own or moved in labels:
                moved = f"exported_{moved}"
            labels[moved] = exposed[name]
    return {**labels, **own}
