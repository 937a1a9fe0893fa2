"""The questions that a testing organisation answers before it puts a system to trial, in our own words.

They follow what ISO/IEC 17020 asks of whoever inspects, in the vocabularies of both editions:

    2012: type A independent third party; type B serves its own parent alone; type C has links, and safeguards
    2026: type A the same; non-A all others

and add what the policy asks beside it: former employment, gifts, other services.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from seatrial.errors import UsageError
from seatrial.model.selection import Words

__all__ = ["Bearing", "Lookback", "Question", "questions"]

LONGEST_LOOKBACK_YEARS = 50


class Bearing(StrEnum):
    """What an answer decides."""

    EVERY_TYPE = "every_type"
    """Without it the organisation is of no type at all."""
    TYPE_A = "type_a"
    """Without it the organisation is not of type A, and nothing makes up for it."""
    POLICY = "policy"
    """The type stays; the policy refuses all the same."""
    SORTS = "sorts"
    """Tells the types other than A apart; either answer is right."""


@dataclass(frozen=True, slots=True)
class Lookback:
    """How far back the questions about the past reach.

    Attributes:
        employment_years: Former employment, whole years, 1 to 50.
        services_years: Other services, likewise.

    Raises:
        UsageError: Either is no whole number from 1 to 50.
    """

    employment_years: int = 2
    services_years: int = 2

    def __post_init__(self) -> None:
        for years in (self.employment_years, self.services_years):
            if type(years) is not int or not 1 <= years <= LONGEST_LOOKBACK_YEARS:
                raise UsageError(
                    "a lookback is no whole number of years",
                    value=repr(years),
                    remedy=f"Choose 1 to {LONGEST_LOOKBACK_YEARS}.",
                )


@dataclass(frozen=True, slots=True)
class Question:
    """One question, to be answered yes or no.

    Attributes:
        name: Identifies it in answers.
        bearing: What the answer decides.
        independent: The answer of an independent organisation; of no account where it only sorts.
        asked: The question.
        broken: The reason for refusal when it is answered otherwise.
    """

    name: str
    bearing: Bearing
    independent: bool
    asked: Words
    broken: Words


def questions(lookback: Lookback) -> tuple[Question, ...]:
    """Return all questions, in the order in which they are asked."""
    return tuple(_question(line, lookback) for line in (*_LINKS, *_STANDING, *_PEOPLE, *_SORTING))


_Line = tuple[str, Bearing, bool, str, str, str, str]


def _question(line: _Line, lookback: Lookback) -> Question:
    name, bearing, independent, *texts = line
    years = {"employment": lookback.employment_years, "services": lookback.services_years}
    asked_en, asked_zh, broken_en, broken_zh = (text.format(**years) for text in texts)
    return Question(name, bearing, independent, Words(en=asked_en, zh=asked_zh), Words(en=broken_en, zh=broken_zh))


_LINKS: tuple[_Line, ...] = (
    (
        *("design", Bearing.TYPE_A, False),
        "Has your organisation taken part in the design of this system?",
        "貴機構曾否參與本系統的設計?",
        "The tester took part in the design of the system.",
        "測試機構曾參與系統的設計。",
    ),
    (
        *("supply", Bearing.TYPE_A, False),
        "Has your organisation developed, made or supplied this system or a part of it?",
        "貴機構曾否開發、製造或供應本系統或其任何部分?",
        "The tester developed, made or supplied the system or a part of it.",
        "測試機構曾開發、製造或供應系統或其部分。",
    ),
    (
        *("installation", Bearing.TYPE_A, False),
        "Has your organisation installed or deployed this system?",
        "貴機構曾否安裝或部署本系統?",
        "The tester installed or deployed the system.",
        "測試機構曾安裝或部署系統。",
    ),
    (
        *("ownership", Bearing.TYPE_A, False),
        "Does your organisation own this system or a part of it, or rights in it?",
        "貴機構是否擁有本系統或其任何部分,或對其享有權利?",
        "The tester owns the system, a part of it or rights in it.",
        "測試機構擁有系統、其部分或相關權利。",
    ),
    (
        *("operation", Bearing.TYPE_A, False),
        "Does your organisation use or operate this system, or has it ever operated it?",
        "貴機構是否使用或營運本系統,或曾經營運本系統?",
        "The tester uses the system, or operates or operated it.",
        "測試機構使用系統,或正在或曾經營運系統。",
    ),
    (
        *("maintenance", Bearing.TYPE_A, False),
        "Does your organisation maintain or support this system, or has it ever done so?",
        "貴機構是否正在或曾經維護或支援本系統?",
        "The tester maintains or supports the system, or did so.",
        "測試機構正在或曾經維護或支援系統。",
    ),
    (
        *("contract", Bearing.TYPE_A, False),
        "Does your organisation purchase this system, or has it a contract about it other than this trial's?",
        "除是次測試的合約外,貴機構是否採購本系統,或就本系統訂有任何其他合約?",
        "The tester purchases the system, or has another contract about it.",
        "測試機構採購系統,或就系統訂有其他合約。",
    ),
)

_STANDING: tuple[_Line, ...] = (
    (
        *("legal_entity", Bearing.EVERY_TYPE, True),
        "Is your organisation a legal entity, or a defined part of one, that answers for its tests?",
        "貴機構是否可就其測試負責的法律實體,或法律實體內界定的部分?",
        "No legal entity answers for the tester's work.",
        "沒有法律實體為測試機構的工作負責。",
    ),
    (
        *("separate_identity", Bearing.TYPE_A, True),
        "Is it legally separate from the department and all who design, supply, own, operate or maintain the system?",
        "貴機構在法律上是否獨立於該部門,以及所有設計、供應、擁有、營運或維護本系統的人士?",
        "The tester is not legally separate from those with a part in the system.",
        "測試機構在法律上並非獨立於與系統有關的各方。",
    ),
    (
        *("common_control", Bearing.TYPE_A, False),
        "Do any of them own or control your organisation, does it own or control any of them, or do they share owners?",
        "上述任何一方是否擁有或控制貴機構,或受貴機構擁有或控制,或與貴機構有共同擁有人?",
        "The tester is linked by ownership or control with those with a part in the system.",
        "測試機構與系統有關各方之間存在擁有或控制關係。",
    ),
    (
        *("pay_by_result", Bearing.EVERY_TYPE, False),
        "Does the pay of your organisation or its staff depend on results, or on how many trials it carries out?",
        "貴機構或其人員的報酬是否取決於測試結果或測試數目?",
        "Pay depends on results or on the number of trials.",
        "報酬取決於測試結果或測試數目。",
    ),
    (
        *("pressure", Bearing.EVERY_TYPE, False),
        "Can anybody with an interest in the result put pressure on those who test or report?",
        "任何與結果有利害關係的人士能否向測試或撰寫報告的人員施壓?",
        "Somebody with an interest in the result can put pressure on the testers.",
        "與結果有利害關係的人士可向測試人員施壓。",
    ),
)

_PEOPLE: tuple[_Line, ...] = (
    (
        *("conflicting_work", Bearing.TYPE_A, False),
        "Do any of the staff on this trial do other work that conflicts with independent judgement of this system?",
        "參與是次測試的人員有否從事其他與獨立判斷本系統有衝突的工作?",
        "Staff on the trial do other work that conflicts with independent judgement.",
        "參與測試的人員從事與獨立判斷有衝突的工作。",
    ),
    (
        *("financial_interest", Bearing.TYPE_A, False),
        "Has your organisation, or anybody on this trial or their close family, a financial interest in these parties?",
        "貴機構、參與是次測試的人員或其近親,是否在上述各方持有財務利益?",
        "There is a financial interest in those with a part in the system.",
        "在系統有關各方持有財務利益。",
    ),
    (
        *("past_employment", Bearing.POLICY, False),
        "In the last {employment} years, has anybody on this trial worked for the department or a contractor?",
        "參與是次測試的人員在過去 {employment} 年內曾否受僱於該部門或系統承辦商?",
        "Staff worked for the department or a contractor in the last {employment} years.",
        "有人員在過去 {employment} 年內曾受僱於該部門或承辦商。",
    ),
    (
        *("gifts", Bearing.POLICY, False),
        "Has your organisation or anybody on this trial accepted gifts, hospitality or favours from these parties?",
        "貴機構或參與是次測試的人員曾否接受上述各方的饋贈、款待或其他利益?",
        "Gifts, hospitality or favours were accepted.",
        "曾接受饋贈、款待或其他利益。",
    ),
    (
        *("other_services", Bearing.POLICY, False),
        "In the last {services} years, has it given the department or a contractor other services, paid or not?",
        "貴機構在過去 {services} 年內曾否向該部門或系統承辦商提供其他有償或無償服務?",
        "The tester gave the department or a contractor other services in the last {services} years.",
        "測試機構在過去 {services} 年內曾向該部門或承辦商提供其他服務。",
    ),
)

_SORTING: tuple[_Line, ...] = (
    (
        *("serves_parent_only", Bearing.SORTS, True),
        "Does your organisation test only for the organisation that it is a part of?",
        "貴機構是否只為其所屬組織進行測試?",
        "The tester works for others than its own parent.",
        "測試機構亦為所屬組織以外的人士工作。",
    ),
    (
        *("separated_duties", Bearing.SORTS, True),
        "Are those who test separated, by organisation and reporting line, from those who build, operate or maintain?",
        "測試人員在組織架構及匯報關係上,是否與開發、營運或維護人員分開?",
        "Testing is not separated from building, operating and maintaining.",
        "測試工作並未與開發、營運及維護工作分開。",
    ),
)
