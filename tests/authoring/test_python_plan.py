"""Journeys in Python: loading runs the file, checking does not."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from seatrial.authoring.python_plan import inspect_journey, load_journey
from seatrial.authoring.yaml_plan import load_plan
from seatrial.errors import PlanError

GOOD = "async def visit(session):\n    '''front page'''\n"
PLAN = """\
seatrial: 1
title: Python
target: http://127.0.0.1:8080
demand: {peak: 1/s}
journeys:
  visit:
    python: j.py:visit
    step_names: [front page]
trials:
  - {kind: load, at: 1 P, for: 1s, objectives: [errors <= 1%]}
"""


def test_a_coroutine_function_of_one_parameter_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "j.py").write_text(GOOD)
    assert inspect.iscoroutinefunction(load_journey("j.py:visit", tmp_path))


REFUSED = {
    "no colon": (GOOD, "j.py", "not a journey in Python"),
    "no .py": (GOOD, "j.txt:visit", "not a journey in Python"),
    "no name": (GOOD, "j.py:visit()", "not a journey in Python"),
    "no file": (GOOD, "k.py:visit", "the file can't be read"),
    "no function": (GOOD, "j.py:book", "no function book at the top of the file"),
    "a method": ("class A:\n async def visit(self): ...\n", "j.py:visit", "no function visit at the top"),
    "not async": ("def visit(session): ...\n", "j.py:visit", "a journey that is not async def"),
    "no parameter": ("async def visit(): ...\n", "j.py:visit", "exactly one parameter"),
    "two parameters": ("async def visit(a, b): ...\n", "j.py:visit", "exactly one parameter"),
    "a starred parameter": ("async def visit(*a): ...\n", "j.py:visit", "exactly one parameter"),
    "not Python": ("async def visit(session:\n", "j.py:visit", "not Python"),
    "a null byte": ("a\0", "j.py:visit", "not Python"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_wrong_journey_is_refused_by_checking_and_by_loading(kind: str, tmp_path: Path) -> None:
    source, reference, what = REFUSED[kind]
    (tmp_path / "j.py").write_text(source)
    for use in (inspect_journey, load_journey):
        with pytest.raises(PlanError) as caught:
            use(reference, tmp_path)
        assert what in caught.value.problems[0].what


def test_a_file_that_fails_while_it_runs_is_a_plan_error(tmp_path: Path) -> None:
    (tmp_path / "j.py").write_text(GOOD + "raise RuntimeError('no')\n")
    with pytest.raises(PlanError, match="the file fails: RuntimeError: no"):
        load_journey("j.py:visit", tmp_path)


def test_what_the_file_makes_of_the_function_counts(tmp_path: Path) -> None:
    (tmp_path / "j.py").write_text(GOOD + "visit = lambda session: None\n")
    with pytest.raises(PlanError, match="not async def"):
        load_journey("j.py:visit", tmp_path)
    (tmp_path / "j.py").write_text(GOOD + "del visit\n")
    with pytest.raises(PlanError, match="no function visit once the file has run"):
        load_journey("j.py:visit", tmp_path)


def test_checking_a_plan_does_not_run_its_python(tmp_path: Path) -> None:
    (tmp_path / "j.py").write_text(GOOD + f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    (tmp_path / "plan.yaml").write_text(PLAN)
    load_plan(tmp_path / "plan.yaml")
    assert not (tmp_path / "ran").exists()
    load_journey("j.py:visit", tmp_path)
    assert (tmp_path / "ran").exists()


def test_a_plan_that_names_no_such_function_is_refused(tmp_path: Path) -> None:
    (tmp_path / "j.py").write_text("async def other(session): ...\n")
    (tmp_path / "plan.yaml").write_text(PLAN)
    with pytest.raises(PlanError, match="no function visit"):
        load_plan(tmp_path / "plan.yaml")


def test_step_names_that_repeat_or_that_the_file_never_uses_are_refused(tmp_path: Path) -> None:
    (tmp_path / "j.py").write_text(GOOD)
    (tmp_path / "plan.yaml").write_text(PLAN.replace("[front page]", "[front page, front page, back page]"))
    with pytest.raises(PlanError) as caught:
        load_plan(tmp_path / "plan.yaml")
    assert [(p.what, p.value) for p in caught.value.problems] == [
        ("two steps of one journey with the same name", "front page"),
        ("a step name that the Python file never uses", "back page"),
    ]
    (tmp_path / "j.py").write_text("async def visit(session):\n    return f'{session}'\n")
    (tmp_path / "plan.yaml").write_text(PLAN)
    load_plan(tmp_path / "plan.yaml")  # names made while it runs can't be told from the text
