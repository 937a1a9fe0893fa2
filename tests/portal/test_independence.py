"""The declaration of independence: what is accepted, what is refused and why, and of which type the answers are."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import UsageError
from seatrial.portal.arranging.independence import Answer, Cause, Declaration, Type2012, Type2026, assess
from seatrial.portal.arranging.questions import Bearing, Lookback, questions

ASKED = questions(Lookback())
BY_NAME = {question.name: question for question in ASKED}
CONDITIONS = [question.name for question in ASKED if question.bearing is not Bearing.SORTS]
TYPE_A = [question.name for question in ASKED if question.bearing is Bearing.TYPE_A]
EVERY_TYPE = [question.name for question in ASKED if question.bearing is Bearing.EVERY_TYPE]
POLICY = [question.name for question in ASKED if question.bearing is Bearing.POLICY]

answers_of_any_kind = st.fixed_dictionaries(
    {}, optional={name: st.builds(Answer, st.booleans(), st.text(max_size=5)) for name in BY_NAME}
)


def answers(*against: str, remark: str = "", **others: bool) -> dict[str, Answer]:
    given_answers = {q.name: Answer(q.independent is not (q.name in against), remark) for q in ASKED}
    return {**given_answers, **{name: Answer(yes) for name, yes in others.items()}}


def declared(given_answers, *, tester=1, system=2, signed_by="Chan Tai Man"):
    return Declaration(tester, system, signed_by, date(2026, 11, 2), given_answers)


def assessed(given_answers, **whole):
    return assess(declared(given_answers, **whole), tester=1, system=2)


def test_an_organisation_without_any_link_is_accepted_as_type_a_of_both_editions():
    found = assessed(answers())
    assert (found.accepted, found.reasons) == (True, ())
    assert (found.type_2012, found.type_2026) == (Type2012.A, Type2026.A)


def test_every_subject_of_independence_is_asked_about():
    assert {"design", "supply", "installation", "ownership", "operation", "maintenance", "contract"} <= set(TYPE_A)
    assert {"separate_identity", "common_control", "conflicting_work", "financial_interest"} <= set(TYPE_A)
    assert set(EVERY_TYPE) == {"legal_entity", "pay_by_result", "pressure"}
    assert set(POLICY) == {"past_employment", "gifts", "other_services"}
    assert len(BY_NAME) == len(ASKED)


@pytest.mark.parametrize("name", CONDITIONS)
def test_one_broken_condition_refuses_and_is_the_one_reason(name):
    found = assessed(answers(name))
    assert not found.accepted
    assert [(r.cause, r.question, r.words) for r in found.reasons] == [(Cause.CONDITION, name, BY_NAME[name].broken)]


@pytest.mark.parametrize("name", CONDITIONS)
def test_no_remark_mitigates_a_broken_condition(name):
    plain, remarked = assessed(answers(name)), assessed(answers(name, remark="But only a little, and long ago."))
    assert not remarked.accepted
    assert (plain.type_2012, plain.type_2026) == (remarked.type_2012, remarked.type_2026)
    assert remarked.reasons[0].remark == "But only a little, and long ago."


@pytest.mark.parametrize("name", list(BY_NAME))
def test_an_unanswered_question_is_a_refusal_that_names_it(name):
    found = assessed({key: answer for key, answer in answers().items() if key != name})
    assert [(r.cause, r.question) for r in found.reasons] == [(Cause.UNANSWERED, name)]
    assert BY_NAME[name].asked.en in found.reasons[0].words.en
    assert BY_NAME[name].asked.zh in found.reasons[0].words.zh
    assert (found.accepted, found.type_2012, found.type_2026) == (False, None, None)


def test_an_empty_declaration_is_refused_for_every_question():
    assert [reason.question for reason in assessed({}).reasons] == list(BY_NAME)


@pytest.mark.parametrize("name", TYPE_A)
@pytest.mark.parametrize(
    ("parent_only", "separated", "type_2012"),
    [(True, True, Type2012.B), (False, True, Type2012.C), (True, False, None), (False, False, None)],
)
def test_a_link_makes_it_b_or_c_in_2012_and_non_a_in_2026_and_is_refused(name, parent_only, separated, type_2012):
    found = assessed(answers(name, serves_parent_only=parent_only, separated_duties=separated))
    assert (found.accepted, found.type_2012, found.type_2026) == (False, type_2012, Type2026.NON_A)


@pytest.mark.parametrize("name", EVERY_TYPE)
def test_who_is_paid_by_result_or_answers_to_nobody_is_of_no_type(name):
    found = assessed(answers(name, "design"))
    assert (found.accepted, found.type_2012, found.type_2026) == (False, None, None)


@pytest.mark.parametrize("name", POLICY)
def test_what_the_policy_adds_refuses_without_changing_the_type(name):
    found = assessed(answers(name))
    assert (found.accepted, found.type_2012, found.type_2026) == (False, Type2012.A, Type2026.A)


@pytest.mark.parametrize("parent_only", [True, False])
@pytest.mark.parametrize("separated", [True, False])
def test_what_only_sorts_the_other_types_refuses_nobody(parent_only, separated):
    assert assessed(answers(serves_parent_only=parent_only, separated_duties=separated)).accepted


@pytest.mark.parametrize(
    ("whole", "cause"),
    [
        ({"tester": 9}, Cause.OTHER_TESTER),
        ({"system": 9}, Cause.OTHER_SYSTEM),
        ({"signed_by": " "}, Cause.UNSIGNED),
    ],
)
def test_a_declaration_by_another_for_another_or_by_nobody_is_refused(whole, cause):
    found = assessed(answers(), **whole)
    assert (found.accepted, [reason.cause for reason in found.reasons]) == (False, [cause])


@given(answers_of_any_kind)
def test_it_is_accepted_exactly_when_every_question_is_answered_as_the_independent_answer(given_answers):
    found = assessed(given_answers)
    wanted = set(given_answers) == set(BY_NAME) and all(
        given_answers[name].yes is BY_NAME[name].independent for name in CONDITIONS
    )
    assert found.accepted is wanted
    assert found.accepted is (not found.reasons)
    assert (found.type_2012 is Type2012.A) is (found.type_2026 is Type2026.A)


@given(answers_of_any_kind, st.sampled_from(CONDITIONS))
def test_breaking_a_further_condition_never_turns_a_refusal_into_an_acceptance(given_answers, name):
    worse = {**given_answers, name: Answer(not BY_NAME[name].independent)}
    assert not assessed(worse).accepted


def test_an_answer_to_what_is_not_asked_is_refused():
    with pytest.raises(UsageError, match="what is no question: weather"):
        assessed({**answers(), "weather": Answer(True)})


@pytest.mark.parametrize("value", [1, 0, "yes", None])
def test_an_answer_that_is_neither_yes_nor_no_is_refused(value):
    with pytest.raises(UsageError, match="the answer to design is not yes or no"):
        assessed({**answers(), "design": Answer(value)})


def test_the_questions_name_the_years_they_reach_back():
    asked = {question.name: question for question in questions(Lookback(employment_years=3, services_years=5))}
    for name, years in (("past_employment", 3), ("other_services", 5)):
        for words in (asked[name].asked, asked[name].broken):
            assert f"last {years} years" in words.en
            assert f"過去 {years} 年" in words.zh


@pytest.mark.parametrize("years", [0, -1, 51, 1.5, True])
def test_a_lookback_of_no_years_is_refused(years):
    with pytest.raises(UsageError, match="no whole number of years"):
        Lookback(employment_years=years)


def test_every_text_is_in_both_languages_and_no_placeholder_is_left():
    for question in ASKED:
        for words in (question.asked, question.broken):
            assert words.en.isascii()
            assert any("\u4e00" <= letter <= "\u9fff" for letter in words.zh)
            assert not set("{}") & {*words.en, *words.zh}
        assert question.asked.en.endswith("?")
        assert question.asked.zh.endswith(("?", "?"))
