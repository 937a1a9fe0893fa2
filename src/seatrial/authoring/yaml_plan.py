"""Reading a plan: all that is wrong with it at once, each with its line and a remedy.

Nothing in a plan is executed: it is data, whoever wrote it.
"""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path

from seatrial.authoring.plan_checks import PlanChecks
from seatrial.authoring.problems import ProblemList
from seatrial.authoring.validation import validate
from seatrial.authoring.yaml_source import MAX_BYTES, UnreadableError, read_yaml
from seatrial.errors import PlanError
from seatrial.model.plan import Plan

__all__ = ["LoadedPlan", "load_plan", "read_plan", "read_source"]


@dataclass(frozen=True, slots=True)
class LoadedPlan:
    """A plan without any known fault.

    Attributes:
        plan: The plan.
        source: The bytes that were read.
        digest: SHA-256 of ``source``, hexadecimal; keys the schedule.
        path: Where it was read from.
        base: The folder that relative names in the plan refer to.
    """

    plan: Plan
    source: bytes
    digest: str
    path: Path
    base: Path


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
    if plan is None or len(problems):
        raise PlanError(problems.in_order())
    return LoadedPlan(plan, source, digest, path, path.parent)


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


def read_source(path: Path, problems: ProblemList) -> bytes:
    """Return the bytes of a document, at most one more than the limit that :func:`read_yaml` keeps.

    Raises:
        UnreadableError: no such file, or not a file; the reason is in ``problems``.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            problems.add(0, "this is not a file", path.name, "Name a YAML file.")
            raise UnreadableError
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such name is possible"
        problems.add(0, f"this can't be read ({reason})", None, "Check the name and the rights of the file.")
        raise UnreadableError from error
