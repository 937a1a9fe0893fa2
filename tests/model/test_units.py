"""Quantities as people write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.units import (
    MS,
    SECOND,
    AmountUnit,
    format_amount,
    format_duration,
    format_number,
    format_rate,
    format_share,
    parse_amount,
    parse_duration,
    parse_rate,
    parse_share,
    write_amount,
    write_duration,
    write_number,
    write_rate,
)

MONTH = 31 * 24 * 3600 * SECOND


@given(ns=st.integers(0, MONTH))
def test_a_written_duration_reads_back_exactly(ns: int) -> None:
    assert parse_duration(write_duration(ns)) == ns


@given(rate=st.floats(1e-12, 1e7))
def test_a_written_rate_reads_back_exactly(rate: float) -> None:
    assert parse_rate(write_rate(rate)) == rate


@given(value=st.floats(0, 1e15, allow_nan=False))
def test_a_written_number_has_no_exponent_and_reads_back_exactly(value: float) -> None:
    assert "e" not in write_number(value)
    assert float(write_number(value)) == value


@given(ns=st.integers(1, MONTH))
def test_a_duration_for_people_is_within_half_a_percent_or_half_a_second(ns: int) -> None:
    shown = parse_duration(format_duration(ns))
    assert abs(shown - ns) <= max(0.0051 * ns, 1) if ns < 60 * SECOND else abs(shown - ns) <= SECOND // 2


@given(rate=st.floats(1e-9, 1e7))
def test_a_rate_for_people_is_within_half_a_percent(rate: float) -> None:
    assert parse_rate(format_rate(rate).replace(",", "")) == pytest.approx(rate, rel=0.0051)


DURATIONS = {
    "90s": 90 * SECOND, "1h30m": 5400 * SECOND, "1h 30min": 5400 * SECOND, "250ms": 250 * MS, " 10 m ": 600 * SECOND,
    "1.5s": 1500 * MS, "7ns": 7, "2us": 2000, "2µs": 2000, "2μs": 2000, "0s": 0,
}  # fmt: skip


@pytest.mark.parametrize("text", DURATIONS)
def test_a_duration_is_read(text: str) -> None:
    assert parse_duration(text) == DURATIONS[text]


@pytest.mark.parametrize(
    "text", ["", " ", "10", "s", "10 x", "-1s", "1e3s", "1s,", "1 0s", "٣s", "32d", "745h", "1.s", ".5s"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


RATES = {"40/s": 40.0, "2400/min": 40.0, "9000/h": 2.5, " 0.5 / sec ": 0.5, "60/m": 1.0}


@pytest.mark.parametrize("text", RATES)
def test_a_rate_is_read(text: str) -> None:
    assert parse_rate(text) == RATES[text]


@pytest.mark.parametrize(
    "text", ["", "40", "/s", "40/", "-1/s", "1e3/s", "40/day", "٤/s", "10000001/s", f"{'9' * 400}/s"]
)
def test_what_is_no_rate_or_beyond_reason_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="rate"):
        parse_rate(text)


def test_a_share_is_a_percentage_of_at_most_a_hundred() -> None:
    assert parse_share("0.1%") == pytest.approx(0.001)
    assert parse_share(" 99 % ") == 0.99
    assert parse_share("100%") == 1.0
    for text in ("", "1", "101%", "-1%", "%", "1e-3%"):
        with pytest.raises(ValueError, match="share"):
            parse_share(text)


SHOWN = {
    0: "0 µs", 850_000: "850 µs", 12 * MS: "12 ms", 1_520 * MS: "1.52 s", 600 * SECOND: "10 min",
    5400 * SECOND: "1 h 30 min", -12 * MS: "-12 ms", 3661 * SECOND: "1 h 1 min 1 s", 7: "0.007 µs",
}  # fmt: skip


@pytest.mark.parametrize("ns", SHOWN)
def test_a_duration_is_shown(ns: int) -> None:
    assert format_duration(ns) == SHOWN[ns]


def test_unbounded_and_undefined_figures_say_so() -> None:
    assert format_duration(math.inf) == "unbounded"
    assert (format_number(math.inf), format_number(math.nan)) == ("inf", "nan")


def test_a_small_figure_is_never_shown_as_zero() -> None:
    assert format_number(1e-7) == "0.0000001"
    assert format_number(1234.4) == "1,234"
    assert format_share(0.00001) == "0.001 %"
    assert (format_share(0.00123), format_share(0.995), format_share(0)) == ("0.12 %", "99.5 %", "0 %")


@given(value=st.floats(0, 1e15), unit=st.sampled_from(["B", "share", "number"]))
def test_a_written_amount_reads_back_exactly_with_its_unit(value: float, unit: AmountUnit) -> None:
    assert parse_amount(write_amount(value, unit)) == (value, unit)


def test_an_amount_is_a_number_a_percentage_or_bytes() -> None:
    assert parse_amount("2 GB") == (2e9, "B")
    assert parse_amount("512MiB") == (512 * 2**20, "B")
    assert parse_amount("70%") == (0.7, "share")
    assert parse_amount("250 %") == (2.5, "share")
    assert parse_amount("1024") == (1024.0, "number")
    for text in ("", "GB", "-1", "2 gb", "1e9", "2 GB/s", "9" * 400):
        with pytest.raises(ValueError, match="amount"):
            parse_amount(text)


def test_an_amount_is_shown_in_a_unit_that_is_read_at_a_glance() -> None:
    assert [format_amount(v, "B") for v in (1.5e9, 2.5e6, 999)] == ["1.5 GB", "2.5 MB", "999 B"]
    assert (format_amount(0.7, "share"), format_amount(1024, "number")) == ("70 %", "1,024")
