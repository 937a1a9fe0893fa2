"""Test orders and consents as documents: what is read, and what is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ordering import ARRANGER, STRANGER, TESTER_SIGNER, TRUST, consent, envelope, order, terms

from seatrial.errors import EvidenceError, SignatureError
from seatrial.evidence.canonical import canonical_bytes
from seatrial.evidence.consent import parse_consent
from seatrial.evidence.envelope import sign
from seatrial.evidence.order import parse_order, read_order, sign_order
from seatrial.evidence.terms import Terms

NOW = datetime.now(UTC)
PLACE = "booking.example.gov:443"


def test_an_order_reads_back_as_it_was_signed() -> None:
    written = order(terms(PLACE, sources=("192.0.2.0/24", "2001:db8::1")), testers=("a" * 64,), plan_seal="b" * 64)
    assert read_order(sign_order(written, [ARRANGER]), TRUST, NOW) == written


@pytest.mark.parametrize("signer", [STRANGER, TESTER_SIGNER])
def test_an_order_by_anybody_but_the_arranger_is_refused(signer: Any) -> None:
    with pytest.raises(SignatureError):
        read_order(envelope(terms(PLACE), signer), TRUST, NOW)


def test_an_order_that_the_tester_signed_as_well_is_refused() -> None:
    with pytest.raises(SignatureError, match="who has no part in this"):
        read_order(sign_order(order(terms(PLACE)), [ARRANGER, TESTER_SIGNER]), TRUST, NOW)


def test_an_order_from_the_future_is_refused() -> None:
    late = envelope(terms(PLACE), issued_at=NOW.replace(microsecond=0) + timedelta(minutes=5))
    with pytest.raises(SignatureError, match="issued in the future"):
        read_order(late, TRUST, NOW)


@given(st.data())
def test_any_changed_byte_of_an_order_is_refused(data: st.DataObject) -> None:
    signed = bytearray(ENVELOPE)
    signed[data.draw(st.integers(0, len(signed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(EvidenceError):
        read_order(bytes(signed), TRUST, NOW)


ENVELOPE = envelope(terms(PLACE))
STATEMENT: dict[str, Any] = json.loads(base64.b64decode(json.loads(ENVELOPE)["payload"]))


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.update(more=1),
        lambda p: p.pop("case"),
        lambda p: p.update(targets=[]),
        lambda p: p.update(targets=["Booking.example.gov:443"]),
        lambda p: p.update(targets=["booking.example.gov"]),
        lambda p: p.update(targets=["booking.example.gov:0"]),
        lambda p: p.update(sources=[]),
        lambda p: p.update(sources=["any", "192.0.2.1"]),
        lambda p: p.update(sources=["192.0.2.1/24"]),
        lambda p: p.update(maxRequestsPerSecond=0),
        lambda p: p.update(maxRequestsPerSecond=True),
        lambda p: p.update(maxRequestsPerSecond="40"),
        lambda p: p.update(notAfter=p["notBefore"]),
        lambda p: p.update(notBefore="yesterday"),
        lambda p: p.update(testers=["x"]),
        lambda p: p.update(planSeal="x"),
        lambda p: p.update(abortContact="Duty officer"),
        lambda p: p["abortContact"].update(reach=" "),
        lambda p: p.update(id="another"),
    ],
)
def test_what_is_signed_and_is_no_order_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    statement = json.loads(json.dumps(STATEMENT))
    change(statement["predicate"])
    with pytest.raises(EvidenceError):
        read_order(sign(canonical_bytes(statement), [ARRANGER]), TRUST, NOW)
    with pytest.raises(EvidenceError):
        parse_order(canonical_bytes(statement))


def test_a_source_is_permitted_by_its_address_its_network_or_any() -> None:
    agreed = terms(PLACE, sources=("192.0.2.0/24", "2001:db8::1"))
    assert agreed.strangers(["192.0.2.200", "2001:db8::1", "192.0.3.1", "2001:db8::2"]) == ("192.0.3.1", "2001:db8::2")
    assert terms(PLACE).strangers(["198.51.100.1"]) == ()


def test_a_consent_reads_back_and_names_a_key_only_where_it_is_one() -> None:
    found = parse_consent(consent(terms(PLACE)))
    assert isinstance(found.terms, Terms)
    assert (found.terms.targets, found.testers) == ((PLACE,), ())
    assert parse_consent(consent(terms(PLACE), "a" * 64)).testers == ("a" * 64,)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_consent_are_refused(data: bytes) -> None:
    with pytest.raises(EvidenceError):
        parse_consent(data)
