"""Switches are strict: an unknown name or a value out of range is refused, with the value and the remedy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.sandbox import SandboxError
from seatrial.sandbox.faults import Board
from seatrial.sandbox.release import load_release
from seatrial.sandbox.switches import SWITCHES, Freeze, Value, parse_assignments, parse_switches

SHARES = ["error_rate", "refuse_connections", "close_early", "garbage", "wrong_length"]


def board(seed: int = 1, **switches: Value) -> tuple[Board, list[float]]:
    """Return a switchboard and the hands of its clock."""
    now = [100.0]
    return Board({**load_release("b").switches, **switches}, seed=seed, clock=lambda: now[0]), now


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(share, wrong) for share in SHARES for wrong in (1.01, -0.1, True, None, "half", "nan", [0.5])],
        ("latency_ms", float("inf")),
        ("latency_ms", "1e999"),
        ("opens_in_s", -1),
        ("crash_after", 1.5),
        ("crash_after", "2.5"),
        ("double_sell", 1),
        ("double_sell", "yes"),
        ("freeze", 3),
        ("freeze", "3"),
        ("freeze", "1:2:3"),
        ("freeze", "1:-2"),
        ("freeze", ":"),
        ("leak_mb_per_request", 65),
        ("drip", {}),
        ("desks", 1.5),
        ("desks", -1),
        ("outage", "3"),
        ("sticky_overload", "often"),
    ],
)
def test_a_value_that_a_switch_cannot_take_is_refused(name: str, value: object) -> None:
    with pytest.raises(SandboxError, match=f"switch {name} has a value it can't take") as caught:
        parse_switches({name: value})
    assert repr(value) in str(caught.value)
    assert caught.value.remedy.startswith("Use ")


def test_a_switch_that_does_not_exist_is_refused_and_the_others_are_named() -> None:
    with pytest.raises(SandboxError, match=r"there is no such switch: latency\. Use one of opens_in_s, latency_ms"):
        parse_switches({"error_rate": 0.1, "latency": 5})


@pytest.mark.parametrize("text", ["error_rate", "=1", "error_rate=", ""])
def test_a_switch_that_is_not_an_assignment_is_refused(text: str) -> None:
    with pytest.raises(SandboxError, match="not written as name=value"):
        parse_assignments([text])


def test_a_switch_given_twice_is_refused() -> None:
    with pytest.raises(SandboxError, match="given twice: drip"):
        parse_assignments(["drip=1", "drip=2"])


@given(st.floats(0, 1), st.sampled_from(SHARES))
def test_a_share_means_the_same_as_text_and_as_json(share: float, name: str) -> None:
    assert parse_assignments([f"{name}={share!r}"]) == parse_switches({name: share}) == {name: share}


@given(st.floats(0, 3600), st.floats(0, 3600))
def test_a_freeze_is_read_as_it_was_written(after_s: float, for_s: float) -> None:
    assert parse_assignments([f"freeze={after_s!r}:{for_s!r}"]) == {"freeze": Freeze(after_s, for_s)}


def test_what_the_board_shows_can_be_set_again() -> None:
    shown = board(freeze=Freeze(2, 1.5), double_sell=True, crash_after=7)[0].shown()
    assert set(shown) == set(SWITCHES)
    again = parse_switches(shown)
    assert (again["freeze"], again["double_sell"], again["crash_after"]) == (Freeze(2, 1.5), True, 7)


def test_the_opening_counts_down_from_when_it_was_set() -> None:
    switches, now = board(opens_in_s=10)
    now[0] += 4
    assert switches.opens_in_s() == 6
    now[0] += 6
    assert switches.opens_in_s() == 0
    switches.set({"opens_in_s": 3})
    assert switches.opens_in_s() == 3


@pytest.mark.parametrize("name", ["freeze", "outage"])
@pytest.mark.parametrize(("at_s", "left_s"), [(0, 0), (1.9, 0), (2, 5), (6, 1), (7, 0), (50, 0)])
def test_a_freeze_and_an_outage_start_and_end_when_they_were_told_to(name: str, at_s: float, left_s: float) -> None:
    switches, now = board(**{name: Freeze(2, 5)})
    now[0] += at_s
    assert switches.left_s(name) == left_s
    assert switches.left_s("outage" if name == "freeze" else "freeze") == 0


def test_latency_grows_from_when_it_was_told_to_and_on_top_of_what_there_is() -> None:
    switches, now = board(latency_ms=20.0)
    now[0] += 30
    assert switches.late_ms() == 20
    switches.set({"latency_growth": 60.0})
    now[0] += 30
    assert switches.late_ms() == 50
    switches.set({"latency_growth": 0})
    assert switches.late_ms() == 20


def test_a_share_strikes_about_as_often_as_it_says_and_the_same_under_the_same_seed() -> None:
    draws = [[board(seed, error_rate=0.3)[0]] for seed in (1, 1, 2)]
    first, again, other = ([row[0].strikes("error_rate") for _ in range(2000)] for row in draws)
    assert first == again != other
    assert 500 < sum(first) < 700


def test_a_share_of_none_never_strikes_and_a_share_of_one_always_does() -> None:
    switches, _ = board(garbage=1.0)
    assert all(switches.strikes("garbage") for _ in range(100))
    assert not any(switches.strikes("error_rate") for _ in range(100))
