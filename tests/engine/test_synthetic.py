"""Made-up personal data: of the right form, the same for the same session, spread over all that may come."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from datetime import date
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.engine.session import Session
from seatrial.engine.synthetic import FIRST_BIRTH, KINDS, LAST_BIRTH, SyntheticText, hk_check_digit
from seatrial.model.journey import Synthetic

SEEDS = st.integers(0, 2**64 - 1)
CJK = r"[\u4e00-\u9fff]"
FORMS = {
    "hk identity number": r"[A-Z]{1,2}\d{6}\([0-9A]\)",
    "name in english": r"[A-Z]+( [A-Z]+)?( [A-Z][a-z]+){1,2}",
    "name in chinese": f"{CJK}{{2,4}}",
    "hk mobile number": r"[569]\d{7}",
    "hk landline number": r"[23]\d{7}",
    "e-mail address": r"[a-z]+\.[a-z]+\.\d{6}@example\.(com|org|net)",
    "date of birth": r"(19|20)\d{2}-\d{2}-\d{2}",
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
}


def made(kind: Synthetic, seed: int) -> str:
    return SyntheticText(kind).row(0, Session(None, 0, 0, seed, 1))  # type: ignore[arg-type]


def many(kind: Synthetic, count: int = 4000) -> list[str]:
    session = Session(None, 0, 0, 7, 1)  # type: ignore[arg-type]
    return [SyntheticText(kind).row(0, session) for _ in range(count)]


def test_every_kind_of_a_plan_is_made() -> None:
    assert set(KINDS) == set(get_args(Synthetic)) == set(FORMS)


@pytest.mark.parametrize("kind", sorted(FORMS))
@given(seed=SEEDS)
def test_each_kind_has_its_form_and_the_same_session_draws_the_same(kind: Synthetic, seed: int) -> None:
    text = made(kind, seed)
    assert re.fullmatch(FORMS[kind], text), text
    assert text == made(kind, seed)


@given(seed=SEEDS)
def test_the_weighted_sum_of_an_identity_number_is_a_multiple_of_eleven(seed: int) -> None:
    text = made("hk identity number", seed)
    prefix, digits, check = text[: -len("123456(7)")], text[-9:-3], text[-2]
    values = [36] * (2 - len(prefix)) + [ord(letter) - 55 for letter in prefix] + [int(digit) for digit in digits]
    total = sum(weight * value for weight, value in zip(range(9, 1, -1), values, strict=True))
    assert (total + int(check, 16)) % 11 == 0


@pytest.mark.parametrize(
    "number", ["A123456(3)", "G123456(A)", "AB987654(3)", "AB123456(9)", "E364912(5)", "D288754(2)"]
)
def test_published_specimens_have_their_check_digits(number: str) -> None:
    assert hk_check_digit(number[:-9], number[-9:-3]) == number[-2]


def test_a_wrong_digit_or_two_that_are_swapped_are_noticed_by_the_check_digit() -> None:
    right = hk_check_digit("C", "668668")
    assert all(hk_check_digit("C", f"66866{digit}") != right for digit in "012345679")
    assert hk_check_digit("C", "668686") != right
    assert hk_check_digit("D", "668668") != right


def test_identity_numbers_are_spread_over_letters_digits_and_check_digits() -> None:
    numbers = many("hk identity number")
    two = [n for n in numbers if n[1].isalpha()]
    assert 0.07 < len(two) / len(numbers) < 0.13
    assert set("".join(n[0] for n in numbers)) == set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    checks = Counter(n[-2] for n in numbers)
    assert len(checks) == 11
    assert max(checks.values()) < 2 * min(checks.values())
    assert len(set(numbers)) > 0.99 * len(numbers)


def test_phone_numbers_lie_in_ranges_in_use_and_never_in_those_for_emergencies_or_other_services() -> None:
    mobile, landline = many("hk mobile number"), many("hk landline number")
    assert {n[0] for n in mobile} == {"5", "6", "9"}
    assert {n[0] for n in landline} == {"2", "3"}
    # libphonenumber's patterns for HK, mobile and fixed line, as of 2026.
    wide = r"5[1-59][0-46-9]\d{5}|6[1459]\d{6}|9[467]\d{6}"
    assert all(re.fullmatch(wide, n) for n in mobile)
    assert all(re.fullmatch(r"2[13-8]\d{6}|3[1569][0-24-9]\d{5}", n) for n in landline)


def test_ages_lie_between_eleven_and_ninety_on_a_day_that_does_not_move() -> None:
    births = [date.fromisoformat(text) for text in many("date of birth")]
    ages = [2026 - born.year - ((born.month, born.day) > (1, 1)) for born in births]
    assert (min(ages), max(ages)) == (11, 90)
    assert 48 < sum(ages) / len(ages) < 53
    assert (date(1935, 1, 2), date(2015, 1, 1)) == (FIRST_BIRTH, LAST_BIRTH)


def test_names_and_addresses_are_many_and_uuids_are_version_four() -> None:
    assert len(set(many("name in english"))) > 2500
    assert len(set(many("name in chinese"))) > 2500
    assert len(set(many("e-mail address"))) == 4000
    found = [uuid.UUID(text) for text in many("uuid")]
    assert {u.version for u in found} == {4}
    assert len(set(found)) == 4000
    ones = sum(bin(u.int).count("1") for u in found) / len(found)
    assert 61 < ones < 64  # 122 drawn bits, and two of the six that are fixed are ones
