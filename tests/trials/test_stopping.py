"""The first wish to stop leaves a mark, the second leaves the program."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from seatrial.errors import InterruptedRunError
from seatrial.trials.stopping import StopSignals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_only_leaves_a_mark_and_the_run_leaves_where_it_may(number):
    with StopSignals(lambda: pytest.fail("nobody asked twice")) as stop:
        stop.raise_if_asked()
        os.kill(os.getpid(), number)
        assert stop.asked
        with pytest.raises(InterruptedRunError, match="a person stopped the run"):
            stop.raise_if_asked()


def test_the_second_signal_is_obeyed_at_once():
    heard = []
    with StopSignals(lambda: heard.append("at once")) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert heard == []
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked
    assert heard == ["at once"]


def test_a_signal_that_is_ignored_stays_ignored_and_all_are_put_back():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with StopSignals(lambda: None) as stop:
            assert signal.getsignal(signal.SIGTERM) != before[signal.SIGTERM]
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.asked
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, hangup)
    assert {number: signal.getsignal(number) for number in before} == before


def test_outside_of_the_main_thread_signals_are_left_alone():
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def run() -> None:
        with StopSignals(lambda: None) as stop:
            seen.append((stop.asked, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [(False, before)]
