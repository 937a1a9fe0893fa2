"""The declaration of independence of a testing organisation for one system, and whether it is accepted.

A tester is accepted when it is of type A and meets the policy's further conditions. A condition is met or not: a
remark is kept for people to read and changes nothing. Which type the answers amount to is said in the vocabulary of
both editions of ISO/IEC 17020, for a refused declaration too. The questions are in
:mod:`seatrial.portal.arranging.questions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from seatrial.errors import UsageError
from seatrial.model.selection import Words
from seatrial.portal.arranging.questions import Bearing, Lookback, Question, questions

__all__ = ["Answer", "Assessment", "Cause", "Declaration", "Reason", "Type2012", "Type2026", "assess"]


class Type2012(StrEnum):
    """Types of the 2012 edition."""

    A = "A"
    B = "B"
    C = "C"


class Type2026(StrEnum):
    """Types of the 2026 edition."""

    A = "A"
    NON_A = "non-A"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer.

    Attributes:
        yes: Yes or no.
        remark: What the organisation adds; never changes the outcome.
    """

    yes: bool
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a testing organisation declares about itself and one system.

    Attributes:
        tester: The testing organisation's id.
        system: The system's id.
        signed_by: Who signed for the organisation; a blank name is no signature.
        signed_on: When.
        answers: By the question's name.
    """

    tester: int
    system: int
    signed_by: str
    signed_on: date
    answers: Mapping[str, Answer] = field(default_factory=lambda: MappingProxyType({}))


class Cause(StrEnum):
    """Why a declaration is refused."""

    OTHER_TESTER = "other_tester"
    OTHER_SYSTEM = "other_system"
    UNSIGNED = "unsigned"
    UNANSWERED = "unanswered"
    CONDITION = "condition"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for refusal.

    Attributes:
        cause: Its sort.
        question: Name of the question; None where it is about the declaration as a whole.
        words: For people.
        remark: What the organisation remarked on the question; empty where it did not.
    """

    cause: Cause
    question: str | None
    words: Words
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the declaration amounts to.

    Attributes:
        reasons: Every reason for refusal, those about the whole first, then in the order of the questions.
        type_2012: The type in the 2012 edition; None where it is of none, or answers are missing.
        type_2026: The type in the 2026 edition; None likewise.
    """

    reasons: tuple[Reason, ...]
    type_2012: Type2012 | None
    type_2026: Type2026 | None

    @property
    def accepted(self) -> bool:
        """Whether the organisation may put the system to trial as far as its own declaration goes."""
        return not self.reasons and self.type_2012 is Type2012.A and self.type_2026 is Type2026.A


def assess(declaration: Declaration, *, tester: int, system: int, lookback: Lookback | None = None) -> Assessment:
    """Return whether a declaration is accepted, with every reason if not.

    Args:
        declaration: What was declared.
        tester: Id of the candidate; a declaration by another is refused.
        system: Id of the system to be put to trial; a declaration for another is refused.
        lookback: How far back the questions reach; two years each by default.

    Raises:
        UsageError: An answer is to no question, or is neither yes nor no.
    """
    asked = questions(lookback or Lookback())
    answers = declaration.answers
    if unknown := sorted(set(answers) - {question.name for question in asked}):
        raise UsageError("an answer to what is no question", value=unknown[0], remedy="Leave it out.")
    for name, answer in answers.items():
        if type(answer.yes) is not bool:  # 0, "" and "no" are no answers
            raise UsageError(f"the answer to {name} is not yes or no", value=repr(answer.yes), remedy="Answer it.")
    broken = [question for question in asked if _breaks(question, answers)]
    type_2012, type_2026 = _types(broken, answers) if len(answers) == len(asked) else (None, None)
    reasons = (*_about_the_whole(declaration, tester, system), *_reasons(asked, answers))
    return Assessment(reasons, type_2012, type_2026)


def _about_the_whole(declaration: Declaration, tester: int, system: int) -> list[Reason]:
    reasons = []
    if declaration.tester != tester:
        words = Words(en="The declaration is another organisation's.", zh="聲明由另一機構作出。")
        reasons.append(Reason(Cause.OTHER_TESTER, None, words))
    if declaration.system != system:
        words = Words(en="The declaration is for another system.", zh="聲明是就另一系統作出。")
        reasons.append(Reason(Cause.OTHER_SYSTEM, None, words))
    if not declaration.signed_by.strip():
        words = Words(en="Nobody signed the declaration.", zh="聲明未經簽署。")
        reasons.append(Reason(Cause.UNSIGNED, None, words))
    return reasons


def _reasons(asked: tuple[Question, ...], answers: Mapping[str, Answer]) -> list[Reason]:
    reasons = []
    for question in asked:
        name = question.name
        if name not in answers:
            words = Words(en=f"Not answered: {question.asked.en}", zh=f"未作答:{question.asked.zh}")
            reasons.append(Reason(Cause.UNANSWERED, name, words))
        elif _breaks(question, answers):
            reasons.append(Reason(Cause.CONDITION, name, question.broken, answers[name].remark))
    return reasons


def _breaks(question: Question, answers: Mapping[str, Answer]) -> bool:
    """Whether the question is answered, and not as an independent organisation answers it."""
    if question.bearing is Bearing.SORTS or question.name not in answers:
        return False
    return answers[question.name].yes is not question.independent


def _types(broken: list[Question], answers: Mapping[str, Answer]) -> tuple[Type2012 | None, Type2026 | None]:
    """Return the types of an organisation that answered everything.

    B and C both keep testing apart from building, operating and maintaining; B serves its own parent alone.
    """
    bearings = {question.bearing for question in broken}
    if Bearing.EVERY_TYPE in bearings:
        return None, None
    if Bearing.TYPE_A not in bearings:
        return Type2012.A, Type2026.A
    if not answers["separated_duties"].yes:
        return None, Type2026.NON_A
    return Type2012.B if answers["serves_parent_only"].yes else Type2012.C, Type2026.NON_A
