"""Conflicts, fair rotation and test windows: pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import UsageError
from seatrial.portal.arranging.conflicts import Cause, Contract, Organisation, conflicts, normal_name
from seatrial.portal.arranging.rotation import Candidate, order, requires_reasons
from seatrial.portal.arranging.windows import LONGEST, Booking, Freeze, Kind, clashes

TODAY = date(2026, 11, 24)
PARTIES = {
    "Leisure Department": Organisation(("Leisure Department", "康樂署")),
    "Harbour Software": Organisation(("Harbour Software Ltd", "海港軟件有限公司"), "100", "Bay Holdings"),
}


def found(tester: Organisation, *contracts: Contract) -> list[tuple[Cause, bool]]:
    return [(one.cause, one.is_certain) for one in conflicts(tester, PARTIES, 7, contracts, TODAY)]


@pytest.mark.parametrize(
    ("tester", "cause"),
    [
        (Organisation(("HARBOUR SOFTWARE LIMITED",)), (Cause.SAME, True)),
        (Organisation(("Harbour  Software, Co. Ltd.",)), (Cause.SAME, True)),
        (Organisation(("海港軟件",)), (Cause.SAME, True)),
        (Organisation(("Another name",), "100"), (Cause.SAME, True)),
        (Organisation(("Plumb Line",), "200", "Bay Holdings Limited"), (Cause.OWNERSHIP, True)),
        (Organisation(("Plumb Line",), "200", "Harbour Software"), (Cause.OWNERSHIP, True)),
        (Organisation(("Bay",), "200"), (Cause.OWNERSHIP, True)),
        (Organisation(("Harbour Software Testing",), "201"), (Cause.LIKENESS, False)),
    ],
)
def test_a_link_with_a_party_is_found(tester: Organisation, cause: tuple[Cause, bool]):
    assert found(tester) == [cause]


def test_an_organisation_that_has_nothing_to_do_with_them_has_no_conflict():
    assert found(Organisation(("Plumb Line", "鉛垂測試"), "200", "Steady Hands")) == []


def test_unknown_numbers_and_owners_are_no_link():
    assert found(Organisation(("Plumb Line",), "", "")) == []


@pytest.mark.parametrize(
    ("contract", "causes"),
    [
        (Contract("Anybody", 7, date(1999, 1, 1)), [(Cause.WORK_ON_SYSTEM, True)]),
        (Contract("Harbour Software Limited", 8, None), [(Cause.CONTRACT, True)]),
        (Contract("康樂署", None, date(2024, 11, 24)), [(Cause.CONTRACT, True)]),
        (Contract("康樂署", None, date(2024, 11, 23)), []),
        (Contract("Somebody else", 8, None), []),
        (Contract("", None, None), []),
    ],
)
def test_a_contract_counts_about_this_system_for_ever_and_with_a_party_for_two_years(
    contract: Contract, causes: list[tuple[Cause, bool]]
):
    assert found(Organisation(("Plumb Line",)), contract) == causes


def test_a_contract_that_ended_on_the_29th_of_february_counts_until_the_first_of_march():
    contract = Contract("康樂署", None, date(2024, 2, 29))
    tester = Organisation(("Plumb Line",))
    assert conflicts(tester, PARTIES, 7, [contract], date(2026, 3, 1))
    assert not conflicts(tester, PARTIES, 7, [contract], date(2026, 3, 2))


@given(st.text(max_size=30))
def test_a_name_made_normal_stays_as_it_is(name: str):
    once = normal_name(name)
    assert normal_name(once.upper()) == normal_name(once)


candidates = st.lists(
    st.builds(
        Candidate, st.integers(1, 50), st.integers(0, 20), st.integers(1, 5), st.booleans()
    ),
    max_size=8, unique_by=lambda one: one.tester,
)  # fmt: skip


@given(st.integers(1, 10**6), candidates, st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_order_in_which_candidates_are_given(case, given_, random):
    shuffled = list(given_)
    random.shuffle(shuffled)
    assert order(case, shuffled) == order(case, given_)
    assert set(order(case, given_)) == set(given_)


@given(st.integers(1, 10**6), st.integers(2, 6), st.integers(20, 60))
def test_over_many_cases_the_loads_of_equal_organisations_differ_by_one_at_most(first, count, cases):
    loads = dict.fromkeys(range(1, count + 1), 0)
    for case in range(first, first + cases):
        chosen = order(case, [Candidate(tester, load) for tester, load in loads.items()])[0]
        loads[chosen.tester] += 1
    assert max(loads.values()) - min(loads.values()) <= 1


def test_twice_the_capacity_takes_twice_the_cases_and_the_last_tester_of_the_department_comes_last():
    assert [one.tester for one in order(1, [Candidate(1, 2, 1), Candidate(2, 3, 2)])] == [2, 1]
    assert [one.tester for one in order(1, [Candidate(1, 0, 1, had_last_of_department=True), Candidate(2, 9)])] == [
        2,
        1,
    ]


def test_departing_from_the_order_needs_reasons_and_a_stranger_cannot_be_chosen():
    both = [Candidate(1, 0), Candidate(2, 9)]
    assert not requires_reasons(1, 5, both)
    assert requires_reasons(2, 5, both)
    with pytest.raises(UsageError, match="no candidate"):
        requires_reasons(3, 5, both)
    with pytest.raises(UsageError):
        Candidate(1, 0, 0)


NOW = datetime(2026, 11, 24, tzinfo=UTC)
HOUR = timedelta(hours=1)


def window(start: float, hours: float = 1, case: int = 1, department: int = 1, generators: str = "") -> Booking:
    begin = datetime(2026, 12, 1, tzinfo=UTC) + start * HOUR
    return Booking(case, department, begin, begin + hours * HOUR, frozenset(generators.split()))


def kinds(wanted: Booking, *others: Booking, freezes: tuple[Freeze, ...] = ()) -> list[Kind]:
    return [one.kind for one in clashes(wanted, others, freezes, NOW)]


def test_windows_that_touch_do_not_clash_and_those_that_overlap_do():
    assert kinds(window(0, generators="g"), window(1, case=2, generators="g")) == []
    assert kinds(window(0, 1.01, generators="g"), window(1, case=2, generators="g")) == [Kind.GENERATOR]
    assert kinds(window(0, 2, generators="g"), window(1, case=2, generators="h")) == []
    assert kinds(window(0, 2), window(1)) == [Kind.SAME_CASE]


@given(st.floats(0, 10), st.floats(0.1, 5), st.floats(0, 10), st.floats(0.1, 5))
def test_sharing_a_generator_clashes_both_ways_or_not_at_all(a, b, c, d):
    one, other = window(a, b, 1, 1, "g"), window(c, d, 2, 1, "g")
    assert kinds(one, other) == kinds(other, one)


def test_a_department_loads_nothing_while_it_is_frozen():
    freeze = Freeze(1, datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 12, 2, tzinfo=UTC), "election")
    assert kinds(window(5), freezes=(freeze,)) == [Kind.FREEZE]
    assert kinds(window(24), freezes=(freeze,)) == []
    assert kinds(window(5, department=2), freezes=(freeze,)) == []


def test_holidays_are_days_of_hong_kong_and_a_year_without_a_calendar_is_said():
    late = Booking(1, 1, datetime(2026, 12, 24, 15, tzinfo=UTC), datetime(2026, 12, 24, 16, tzinfo=UTC))
    assert kinds(late) == []  # until midnight in Hong Kong
    after = Booking(1, 1, datetime(2026, 12, 24, 15, tzinfo=UTC), datetime(2026, 12, 24, 17, tzinfo=UTC))
    assert kinds(after) == [Kind.HOLIDAY]
    assert kinds(Booking(1, 1, datetime(2027, 3, 1, tzinfo=UTC), datetime(2027, 3, 1, 1, tzinfo=UTC))) == [
        Kind.NO_CALENDAR
    ]
    assert not any(one.is_refused for one in clashes(after, (), (), NOW))


def test_a_window_in_the_past_or_beyond_three_days_is_refused():
    past = Booking(1, 1, NOW, NOW + HOUR)
    assert [(one.kind, one.is_refused) for one in clashes(past, (), (), NOW)] == [(Kind.PAST, True)]
    hours = LONGEST / HOUR
    assert kinds(window(0, hours)) == []
    assert kinds(window(0, hours + 0.1)) == [Kind.TOO_LONG]


def test_what_is_no_window_is_refused():
    with pytest.raises(UsageError, match="no window"):
        window(0, 0)
    with pytest.raises(UsageError, match="no window"):
        Booking(1, 1, datetime(2026, 12, 1), datetime(2026, 12, 2))  # noqa: DTZ001 # without a zone
