"""The score of a system, and what follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.authoring.policies import load_policy
from seatrial.errors import PolicyError, UsageError
from seatrial.portal.screening import Outcome, score

POLICY = load_policy("default").policy
SELECTION = POLICY.selection
assert SELECTION is not None
NAMES = [factor.name for factor in SELECTION.factors]
levels = st.fixed_dictionaries({name: st.integers(0, 4) for name in NAMES})


def of(**given_levels: int):
    return score(SELECTION, {**dict.fromkeys(NAMES, 0), **given_levels})


def test_the_default_weights_are_those_of_the_measure():
    assert {factor.name: factor.weight for factor in SELECTION.factors} == {
        "peak": 20, "harm": 20, "reach": 15, "rush": 15, "novelty": 10, "integrity": 10, "delivery": 10,
    }  # fmt: skip
    assert (SELECTION.selected_from, SELECTION.panel_from, len(POLICY.dossier)) == (60, 40, 19)


@given(levels)
def test_a_score_is_the_sum_of_its_explained_parts_and_lies_between_0_and_100(given_levels):
    found = score(SELECTION, given_levels)
    assert found.points == pytest.approx(sum(part.points for part in found.factors))
    assert 0 <= found.points <= 100
    assert [part.factor.name for part in found.factors] == NAMES
    assert all(part.meaning == part.factor.levels[given_levels[part.factor.name]] for part in found.factors)


@given(levels, st.sampled_from(NAMES))
def test_a_higher_level_never_lowers_the_score_nor_the_outcome(given_levels, name):
    rank = [Outcome.SELF_DECLARATION, Outcome.PANEL, Outcome.SELECTED]
    before = score(SELECTION, given_levels)
    after = score(SELECTION, {**given_levels, name: min(4, given_levels[name] + 1)})
    assert after.points >= before.points
    assert rank.index(after.outcome) >= rank.index(before.outcome)


@pytest.mark.parametrize(
    ("given_levels", "points", "outcome"),
    [
        ({}, 0, Outcome.SELF_DECLARATION),
        ({"peak": 4, "reach": 4, "novelty": 1}, 37.5, Outcome.SELF_DECLARATION),
        ({"peak": 4, "reach": 4, "novelty": 2}, 40, Outcome.PANEL),
        ({"peak": 4, "harm": 3, "reach": 4, "novelty": 3}, 57.5, Outcome.PANEL),
        ({"peak": 4, "harm": 3, "reach": 4, "novelty": 4}, 60, Outcome.SELECTED),
    ],
)
def test_a_score_on_the_threshold_is_above_it(given_levels, points, outcome):
    found = of(**given_levels)
    assert (found.points, found.outcome, found.overrides) == (points, outcome, ())


@pytest.mark.parametrize(
    ("given_levels", "selected"),
    [
        ({"harm": 4}, True),
        ({"harm": 3}, False),
        ({"rush": 4, "peak": 3}, True),
        ({"rush": 4, "peak": 2}, False),
        ({"rush": 3, "peak": 4}, False),
    ],
)
def test_the_worst_harm_or_a_rush_on_a_fixed_minute_selects_whatever_the_score(given_levels, selected):
    found = of(**given_levels)
    assert found.points < SELECTION.panel_from
    assert bool(found.overrides) is selected
    assert (found.outcome is Outcome.SELECTED) is selected


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"peak": 5}, "no whole number from 0 to 4"),
        ({"peak": -1}, "no whole number from 0 to 4"),
        ({"peak": True}, "no whole number from 0 to 4"),
        ({"weather": 1}, "no factor of the policy: weather"),
    ],
)
def test_a_level_that_the_policy_does_not_know_is_refused(change, said):
    with pytest.raises(UsageError, match=said):
        of(**change)


def test_a_factor_without_a_level_is_not_taken_for_zero():
    with pytest.raises(UsageError, match="a factor has no level: peak"):
        score(SELECTION, {name: 0 for name in NAMES if name != "peak"})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("weight: 15", "weight: 16", "sum to 101"),
        ("name: reach", "name: harm", "the factor harm twice"),
        ("panel_from: 40", "panel_from: 61", "panel_from above selected_from"),
        ("{harm: 4}", "{weather: 4}", "an override by weather, which is no factor"),
        ("{harm: 4}", "{}", "at_least"),
        ("name: drill,", "name: rollback,", "the dossier item rollback twice"),
        ("selected_from: 60", "selected_from: 101", "selected_from"),
    ],
)
def test_a_selection_that_does_not_hang_together_is_refused_with_its_reason(tmp_path: Path, old, new, said):
    text = load_policy("default").source.decode()
    assert old in text
    (tmp_path / "ours.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PolicyError, match=said):
        load_policy(str(tmp_path / "ours.yaml"))


def test_a_policy_of_trials_alone_is_the_document_it_was():
    document = load_policy("demo").policy.as_document()
    assert set(document) == {"policy", "title", "note", "validity", "acceptance"}
