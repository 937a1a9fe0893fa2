"""Reading a plan: all that is wrong with it at once, each with its line and a remedy.

Nothing in a plan is executed: it is data, whoever wrote it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from seatrial.authoring.criteria import add_criteria_notes, add_impossible_criteria
from seatrial.authoring.plan_checks import PlanChecks
from seatrial.authoring.problems import ProblemList
from seatrial.authoring.reach_notes import add_reach_notes
from seatrial.authoring.validation import validate
from seatrial.authoring.yaml_source import UnreadableError, read_source, read_yaml
from seatrial.errors import PlanError, Problem
from seatrial.model.plan import Plan

__all__ = ["LoadedPlan", "load_plan", "read_plan"]


@dataclass(frozen=True, slots=True)
class LoadedPlan:
    """A plan without any known fault.

    Attributes:
        plan: The plan.
        source: The bytes that were read.
        digest: SHA-256 of ``source``, hexadecimal; keys the schedule.
        path: Where it was read from.
        base: The folder that relative names in the plan refer to.
        notes: What is worth knowing of its limits and of what it loads, and no fault.
    """

    plan: Plan
    source: bytes
    digest: str
    path: Path
    base: Path
    notes: tuple[Problem, ...] = ()


def load_plan(path: Path) -> LoadedPlan:
    """Return the plan in a YAML file, checked as far as it can be without running it.

    Feed files are read, CA files are opened, files of Python journeys are parsed and not run. No name is resolved
    and nothing is sent.

    Args:
        path: Of the plan. Problems name it as it is given here.

    Raises:
        PlanError: with every problem found, in the order of the plan's lines.
    """
    problems = ProblemList(str(path))
    try:
        source = read_source(path, problems)
        digest = hashlib.sha256(source).hexdigest()
        root = read_yaml(source, problems)
    except UnreadableError as error:
        raise PlanError(problems.in_order()) from error
    plan = validate(Plan, root, problems)
    PlanChecks(root, path.parent, digest, problems).run()
    if plan is not None:
        add_impossible_criteria(plan, root, problems)
    if plan is None or len(problems):
        raise PlanError(problems.in_order())
    notes = ProblemList(str(path))
    add_criteria_notes(plan, root, notes)
    add_reach_notes(root, notes)
    return LoadedPlan(plan, source, digest, path, path.parent, notes.in_order())


def read_plan(source: bytes, name: str) -> Plan:
    """Return the plan in ``source``, checked as a document only: no file that it names is looked for.

    That is what a plan in a bundle is read with: its feeds and certificates are not in the bundle.

    Args:
        source: YAML.
        name: What problems call it.

    Raises:
        PlanError: with every problem found, in the order of the plan's lines.
    """
    problems = ProblemList(name)
    try:
        plan = validate(Plan, read_yaml(source, problems), problems)
    except UnreadableError as error:
        raise PlanError(problems.in_order()) from error
    if plan is None or len(problems):
        raise PlanError(problems.in_order())
    return plan
