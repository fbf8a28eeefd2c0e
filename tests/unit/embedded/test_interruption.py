import os
import signal
import threading

import pytest

from watchfleet.embedded.interruption import Interruption, SignalReceivedError


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_next_wait_and_is_named(signum: signal.Signals) -> None:
    with Interruption() as interruption:
        os.kill(os.getpid(), signum)
        with pytest.raises(SignalReceivedError, match=signum.name) as caught:
            interruption.pause(60)
    assert caught.value.signum == signum


def test_a_signal_wakes_a_wait_that_has_begun() -> None:
    with Interruption() as interruption:
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM))
        timer.start()
        assert interruption.came(60)
        timer.join()


def test_each_signal_ends_one_wait() -> None:
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.came(0)
        assert not interruption.came(0)


def test_the_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interruption():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_nohup_is_respected() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interruption.came(0)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_after_the_finish_it_is_too_late() -> None:
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        with Interruption() as interruption:
            interruption.finish()
            os.kill(os.getpid(), signal.SIGTERM)
            assert not interruption.came(0)
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def test_what_came_before_the_finish_counts() -> None:
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(SignalReceivedError):
            interruption.finish()
