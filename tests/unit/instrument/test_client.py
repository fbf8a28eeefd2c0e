"""The client's bounds: distinct series, rows, and what a fork and an end leave."""

from watchfleet.instrument.client import MOST_SERIES, Client
from watchfleet.model import Kind


def test_a_series_is_made_once(client: Client) -> None:
    one = client.series("t_total", Kind.EVENT, task="a")
    assert client.series("t_total", Kind.EVENT, task="a") is one
    assert one.labels == {"service": "app", "task": "a"}


def test_endless_labels_end_in_one_series(client: Client) -> None:
    series = {client.series("t_total", Kind.EVENT, task=str(number)) for number in range(MOST_SERIES + 50)}
    assert len(series) == MOST_SERIES + 1
    assert client.series("t_total", Kind.EVENT, task="one more").labels == {"service": "app", "task": "other"}


def test_nothing_runs_before_the_first_record(client: Client) -> None:
    assert client._thread is None
    assert client.flush(0)
    client.count(client.series("t_total", Kind.EVENT))
    assert client._thread is not None
    assert client._thread.daemon
