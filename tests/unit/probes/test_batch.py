"""A batch ends in time whatever its probes do, and one that fails spoils no other."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from support.servers import wait_until
from support.target_of import target

from watchfleet.model import ProbeResult, Status
from watchfleet.probes import batch, registry
from watchfleet.probes.probe import Attempt, Deadline, Options, Target


class NoOptions(Options):
    """Nothing to set."""


release = threading.Event()


def hangs(target: Target, options: NoOptions, deadline: Deadline) -> ProbeResult:
    release.wait(30)
    return Attempt(target).up()


def raises(target: Target, options: NoOptions, deadline: Deadline) -> ProbeResult:
    raise ZeroDivisionError("the secret is sesame")


@pytest.fixture(autouse=True)
def _kinds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    known = registry.kind
    kinds = {
        "hangs": registry.Kind("hangs", hangs, NoOptions),
        "raises": registry.Kind("raises", raises, NoOptions),
    }
    monkeypatch.setattr(batch, "kind", lambda name: kinds.get(name) or known(name))
    release.clear()
    yield
    release.set()
    wait_until(lambda: not batch._hanging)


def of_kind(kind: str) -> Target:
    return replace(target("memory", name=kind, timeout="1s"), kind=kind)


def test_a_probe_that_raises_is_unknown_and_its_exception_is_kept_out_of_the_result(
    caplog: pytest.LogCaptureFixture,
) -> None:
    results = {result.target: result for result in batch.run_batch([of_kind("raises"), of_kind("memory")])}
    failed = results["raises"]
    assert (failed.status, failed.reason) == (Status.UNKNOWN, "probe_error")
    assert "sesame" not in failed.detail
    assert "ZeroDivisionError" in caplog.text
    assert results["memory"].status is Status.UP


def test_a_probe_that_ignores_its_deadline_is_down_and_not_started_twice() -> None:
    began = time.monotonic()
    results = {result.target: result for result in batch.run_batch([of_kind("hangs"), of_kind("memory")])}
    assert (results["hangs"].status, results["hangs"].reason) == (Status.DOWN, "timeout")
    assert results["memory"].status is Status.UP
    assert time.monotonic() - began < 10
    threads = threading.active_count()
    again = batch.run_batch([of_kind("hangs")])
    assert [(result.status, result.detail) for result in again] == [
        (Status.DOWN, "an earlier check still hangs")
    ]
    assert threading.active_count() == threads


def test_an_empty_batch_has_no_results() -> None:
    assert batch.run_batch([]) == []
