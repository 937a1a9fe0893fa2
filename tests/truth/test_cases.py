"""The first trials of every case, and the page that its many trials were made into."""

from __future__ import annotations

import pytest
from tests.truth.cases import ALL, CASES
from tests.truth.cases.judged import APART, LETTER, judged
from tests.truth.harness import PAGE, PUBLISHED, Case, Figure, read_results, run
from tests.truth.page import render
from tests.truth.services import queues
from tests.verdict.made import load, make, plan_of

RESULTS = read_results()
MOST_APART = 0.2
"""Share of single outcomes that may differ from the published ones: beyond it they are of another product."""


@pytest.mark.parametrize("case", [case for case in ALL if case.name in RESULTS], ids=lambda case: case.name)
def test_the_first_trials_keep_the_targets_as_far_as_so_few_tell_and_come_out_as_published(case: Case) -> None:
    now = run(case, range(case.quick))
    published = RESULTS[case.name]["letters"]
    assert now.keys() == published.keys()
    for figure in case.figures:
        if figure.met(published[figure.question]) is not False:
            assert figure.plausible(now[figure.question]), f"{figure.what}: {now[figure.question]}"
    for question, letters in now.items():
        apart = sum(a != b for a, b in zip(letters, published[question], strict=False))
        assert apart <= MOST_APART * len(letters), f"make truth ONLY={case.name}: {letters}, {published[question][:20]}"


def test_every_case_is_published_over_at_least_500_trials_or_said_not_to_be() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert RESULTS.keys() <= CASES.keys()
    assert all(f"make truth ONLY={name}`" in page for name in CASES if name not in RESULTS)
    for name, result in RESULTS.items():
        assert {len(letters) >= PUBLISHED for letters in result["letters"].values()} == {True}, name
        assert {figure.question for figure in CASES[name].figures} <= result["letters"].keys()


def test_the_page_is_what_the_results_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(RESULTS), "run make truth"


def test_a_missed_target_is_named_on_the_page_with_its_reason() -> None:
    name = ALL[0].name
    letters = {question: "P" * PUBLISHED for question in RESULTS[name]["letters"]}
    page = render({name: RESULTS[name] | {"letters": letters}})
    assert "Not met:" in page
    assert f"`{name}`, false PASS, 10 % beyond the limit: 100.0%, target ≤ 1%" in page
    assert "| **no** |" in page


@pytest.mark.parametrize("limit", [60, 110, 300])
def test_a_limit_among_others_has_the_verdict_of_a_trial_of_its_own(limit: int) -> None:
    law, several = queues.mm1(60), [f"p95 response time <= {ms}ms" for ms in (60, 110, 300)]
    alone = judged(make(plan_of(load(f"p95 response time <= {limit}ms")), law, seed=APART))
    together = judged(make(plan_of(load(*several)), law, seed=APART))
    assert (
        LETTER[alone.verdict]
        == LETTER[next(o.verdict for o in together.objectives if o.objective in alone.objectives[0].objective)]
    )


def test_a_figure_far_from_its_target_is_not_plausible_even_over_few_trials() -> None:
    assert not Figure("", "P", "", most=0.01).plausible("PPPP" + "F" * 16)
    assert Figure("", "P", "", most=0.01).plausible("P" + "F" * 19)
    assert not Figure("", "+", "", least=0.92, most=0.98).plausible("-" * 10 + "+" * 10)
    assert Figure("", "+", "", least=0.92, most=0.98).met("+" * 95 + "-" * 5)
    assert Figure("", "+", "").met("+") is None
