"""The first wish to stop leaves a mark, the second leaves the program."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from seatrial.errors import InterruptedRunError, TargetStoppedError
from seatrial.trials.stopping import Stops, StopSignals


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


def test_while_a_tear_down_is_under_way_the_second_signal_only_ends_that_and_the_third_the_program():
    heard = []
    with StopSignals(lambda: heard.append("at once")) as stop, stop.skippable():
        os.kill(os.getpid(), signal.SIGINT)
        assert (stop.asked, stop.skipped) == (True, False)
        os.kill(os.getpid(), signal.SIGINT)
        assert (stop.skipped, heard) == (True, [])
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert heard == ["at once"]


def test_out_of_a_tear_down_the_second_signal_is_obeyed_at_once():
    with StopSignals(lambda: None) as stop:
        with stop.skippable():
            pass
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert not stop.skipped


def test_the_first_reason_to_stop_stays(tmp_path):
    said: list[str] = []
    stops = Stops(StopSignals(lambda: None), [tmp_path / "a", tmp_path / "b"], lambda: said[0] if said else None)
    stops.raise_if_asked()
    (tmp_path / "b").touch()
    reason = stops.reason()
    assert type(reason) is InterruptedRunError
    assert reason.value == tmp_path / "b"
    said.append("the service said so")
    (tmp_path / "b").unlink()
    stops.note(stop_asked=True)
    assert stops.reason() is reason


def test_what_the_service_says_is_told_apart_from_what_a_person_wants(tmp_path):
    of_address = Stops(StopSignals(lambda: None), [], lambda: "the service's stop address answered stop")
    of_field = Stops(StopSignals(lambda: None), [])
    of_field.note(stop_asked=False)
    assert of_field.reason() is None
    of_field.note(stop_asked=True)
    for stops in (of_address, of_field):
        with pytest.raises(TargetStoppedError):
            stops.raise_if_asked()


def test_a_file_in_a_folder_that_is_not_there_stops_nothing_until_it_appears(tmp_path):
    stops = Stops(StopSignals(lambda: None), [tmp_path / "later" / "stop"])
    assert stops.reason() is None
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "stop").touch()
    assert "stop file appeared" in str(stops.reason())
