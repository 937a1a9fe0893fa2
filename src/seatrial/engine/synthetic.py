"""Made-up personal data: of the form of real data, taken from nobody, drawn from the session's own seed.

The same session draws the same data whatever the number of workers. Two sessions may draw the same: what must be
unique comes from a feed. A number that was made up may by chance be somebody's: it belongs into a test system.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from seatrial.model.journey import Synthetic

if TYPE_CHECKING:
    from seatrial.engine.session import Session

__all__ = ["FIRST_BIRTH", "KINDS", "LAST_BIRTH", "SyntheticText", "hk_check_digit"]

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NO_LETTER: Final = 36
_WEIGHTS: Final = (9, 8, 7, 6, 5, 4, 3, 2)
_TWO_LETTERS: Final = 10
"""One identity number in so many has two letters."""

FIRST_BIRTH: Final = date(1935, 1, 2)
LAST_BIRTH: Final = date(2015, 1, 1)
"""People are from 11 to 90 years old on 1 January 2026, which is fixed: the same plan draws the same dates for ever."""

_MOBILE: Final = ("51", "52", "53", "54", "55", "59", "61", "64", "65", "69", "94", "96", "97")
_LANDLINE: Final = ("21", "23", "24", "25", "26", "27", "28", "31", "35", "36", "39")
_THIRD_DIGITS: Final = "01246789"
"""In use after all of these prefixes: subset of the ranges of the Communications Authority's numbering plan, as
libphonenumber lists them for HK. None is an emergency or a premium number."""

_MAIL_HOSTS: Final = ("example.com", "example.org", "example.net")
"""Reserved for examples (RFC 2606, 3): mail to them reaches nobody."""

_SURNAMES: Final = (
    *(("陳", "Chan"), ("黃", "Wong"), ("李", "Lee"), ("梁", "Leung"), ("張", "Cheung"), ("林", "Lam"), ("吳", "Ng")),
    *(("劉", "Lau"), ("何", "Ho"), ("鄭", "Cheng"), ("郭", "Kwok"), ("楊", "Yeung"), ("葉", "Yip"), ("鄧", "Tang")),
    *(("蔡", "Choi"), ("曾", "Tsang"), ("馮", "Fung"), ("許", "Hui"), ("羅", "Law"), ("周", "Chow"), ("徐", "Tsui")),
    *(("謝", "Tse"), ("蘇", "So"), ("葛", "Kot"), ("盧", "Lo"), ("余", "Yu"), ("潘", "Poon"), ("朱", "Chu")),
    *(("麥", "Mak"), ("蕭", "Siu"), ("歐陽", "Au Yeung"), ("司徒", "Szeto")),
)
"""Common surnames with their usual spelling in Hong Kong."""

_GIVEN: Final = (
    *(("嘉", "Ka"), ("欣", "Yan"), ("志", "Chi"), ("明", "Ming"), ("偉", "Wai"), ("文", "Man"), ("詠", "Wing")),
    *(("詩", "Sze"), ("俊", "Chun"), ("傑", "Kit"), ("家", "Ka"), ("豪", "Ho"), ("美", "Mei"), ("玲", "Ling")),
    *(("慧", "Wai"), ("敏", "Man"), ("德", "Tak"), ("康", "Hong"), ("樂", "Lok"), ("晴", "Ching"), ("思", "Sze")),
    *(("穎", "Wing"), ("子", "Tsz"), ("健", "Kin"), ("國", "Kwok"), ("華", "Wah"), ("麗", "Lai"), ("珊", "Shan")),
    *(("淑", "Shuk"), ("芬", "Fan"), ("浩", "Ho"), ("然", "Yin"), ("永", "Wing"), ("強", "Keung"), ("寶", "Po")),
    *(("儀", "Yee"), ("恩", "Yan"), ("諾", "Nok"), ("曉", "Hiu"), ("彤", "Tung")),
)
"""Characters of given names with their usual spelling."""


@dataclass(frozen=True, slots=True)
class SyntheticText:
    """Made-up data of one kind, given out as a feed gives out its rows.

    Attributes:
        kind: What it is.
    """

    kind: Synthetic

    def row(self, ordinal: int, session: Session) -> str:
        """Return the text for a session; ``ordinal`` says nothing here."""
        return KINDS[self.kind](session.draw)


_Draw = Callable[[int], int]


def hk_check_digit(prefix: str, digits: str) -> str:
    """Return the check digit of a Hong Kong identity number: ``0`` to ``9``, or ``A`` for ten.

    The eight places (a missing first letter counts 36, A counts 10 ... Z counts 35) are weighted 9, 8 ... 2; the
    digit makes the sum a multiple of 11. The Immigration Department publishes no description; this is the common one
    (https://en.wikipedia.org/wiki/Hong_Kong_identity_card), which holds for the specimens A123456(3), G123456(A) and
    AB987654(3).

    Args:
        prefix: One or two capital letters.
        digits: Six digits.
    """
    values = [10 + _LETTERS.index(letter) for letter in prefix]
    places = [_NO_LETTER] * (2 - len(values)) + values + [int(digit) for digit in digits]
    rest = sum(weight * value for weight, value in zip(_WEIGHTS, places, strict=True)) % 11
    return "0" if rest == 0 else "A" if rest == 1 else str(11 - rest)


def _identity_number(draw: _Draw) -> str:
    letters = 2 if draw(_TWO_LETTERS) == 0 else 1
    prefix = "".join(_LETTERS[draw(26)] for _ in range(letters))
    digits = f"{draw(1_000_000):06d}"
    return f"{prefix}{digits}({hk_check_digit(prefix, digits)})"


def _name(draw: _Draw, spelling: int) -> list[str]:
    """Return a surname and one or two parts of a given name; in four of five cases two."""
    parts = 1 if draw(5) == 0 else 2
    surname = _SURNAMES[draw(len(_SURNAMES))][spelling]
    return [surname, *(_GIVEN[draw(len(_GIVEN))][spelling] for _ in range(parts))]


def _name_in_english(draw: _Draw) -> str:
    surname, *given = _name(draw, 1)
    return f"{surname.upper()} {' '.join(given)}"


def _name_in_chinese(draw: _Draw) -> str:
    return "".join(_name(draw, 0))


def _phone(prefixes: tuple[str, ...]) -> Callable[[_Draw], str]:
    def number(draw: _Draw) -> str:
        third = _THIRD_DIGITS[draw(len(_THIRD_DIGITS))]
        return f"{prefixes[draw(len(prefixes))]}{third}{draw(100_000):05d}"

    return number


def _mail_address(draw: _Draw) -> str:
    surname, *given = _name(draw, 1)
    name = f"{''.join(given)}.{surname}".replace(" ", "").lower()
    return f"{name}.{draw(1_000_000):06d}@{_MAIL_HOSTS[draw(len(_MAIL_HOSTS))]}"


def _date_of_birth(draw: _Draw) -> str:
    return (FIRST_BIRTH + timedelta(days=draw((LAST_BIRTH - FIRST_BIRTH).days + 1))).isoformat()


def _uuid(draw: _Draw) -> str:
    """Return 122 drawn bits in the form of version 4 (RFC 9562, 5.4)."""
    text = f"{draw(2**64):016x}{draw(2**64):016x}"
    variant = "89ab"[int(text[16], 16) % 4]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


KINDS: Final[Mapping[Synthetic, Callable[[_Draw], str]]] = {
    "hk identity number": _identity_number,
    "name in english": _name_in_english,
    "name in chinese": _name_in_chinese,
    "hk mobile number": _phone(_MOBILE),
    "hk landline number": _phone(_LANDLINE),
    "e-mail address": _mail_address,
    "date of birth": _date_of_birth,
    "uuid": _uuid,
}
"""What draws each kind."""
