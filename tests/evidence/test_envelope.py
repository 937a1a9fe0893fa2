import base64
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from evidence_builders import (
    NOW,
    OFFICER_KEY,
    OFFICER_SIGNER,
    REVIEWER_KEY,
    REVIEWER_SIGNER,
    STRANGER_SIGNER,
    TESTER_KEY,
    TESTER_SIGNER,
    TRUST,
    keyed,
)
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner

from seatrial.errors import EnvelopeError, SignatureError
from seatrial.evidence.canonical import canonical_bytes
from seatrial.evidence.envelope import PAYLOAD_TYPE, add_signature, sign, verify
from seatrial.evidence.keys import Trust

BOTH = {"reviewer", "confirming-officer"}
SIGNED = sign(b'{"a":1}', [REVIEWER_SIGNER, OFFICER_SIGNER])


def edited(change, envelope=SIGNED):
    document = json.loads(envelope)
    change(document)
    return canonical_bytes(document)


@given(st.binary(min_size=1, max_size=200))
def test_what_was_signed_is_what_is_verified(payload):
    verified = verify(sign(payload, [TESTER_SIGNER]), TRUST)
    assert verified.payload == payload and verified.signed_by == (TESTER_KEY,)
    assert verified.problems({"tester"}, NOW) == ()


def test_securesystemslib_reads_and_verifies_it_as_an_independent_reader():
    envelope = Envelope.from_dict(json.loads(SIGNED))
    accepted = envelope.verify([REVIEWER_SIGNER.public_key, OFFICER_SIGNER.public_key], 2)
    assert envelope.payload == b'{"a":1}' and len(accepted) == 2


def test_key_ids_choose_nothing_but_one_that_lies_is_a_doubt():
    def swap(document):
        first, second = document["signatures"]
        first["keyid"], second["keyid"] = second["keyid"], first["keyid"]

    verified = verify(edited(swap), TRUST)
    assert verified.signed_by == (REVIEWER_KEY, OFFICER_KEY)
    assert len(verified.problems(BOTH, NOW)) == 2
    nameless = verify(edited(lambda d: [s.pop("keyid") for s in d["signatures"]]), TRUST)
    assert nameless.signed_by == (REVIEWER_KEY, OFFICER_KEY)
    stolen = edited(
        lambda d: d["signatures"][0].update(sig=base64.b64encode(b"\0" * 64).decode()), sign(b"x", [REVIEWER_SIGNER])
    )
    with pytest.raises(SignatureError):
        verify(stolen, TRUST)


def test_both_roles_must_sign():
    verified = verify(sign(b"x", [REVIEWER_SIGNER]), TRUST)
    assert verified.problems(BOTH, NOW) == ("no confirming-officer signed",)
    assert verify(SIGNED, TRUST).problems(BOTH, NOW) == ()


def test_a_role_without_a_part_in_it_may_not_sign_along():
    verified = verify(sign(b"x", [REVIEWER_SIGNER, OFFICER_SIGNER, TESTER_SIGNER]), TRUST)
    assert any("no part" in p for p in verified.problems(BOTH, NOW))


@pytest.mark.parametrize("moment", [NOW.replace(year=2025), NOW.replace(year=2027)])
def test_a_key_out_of_its_period_does_not_count(moment):
    assert any("not valid" in p for p in verify(SIGNED, TRUST).problems(BOTH, moment))


def test_the_same_key_twice_is_not_two_signatures():
    doubled = edited(lambda d: d["signatures"].append(d["signatures"][0]), sign(b"x", [REVIEWER_SIGNER]))
    problems = verify(doubled, TRUST).problems(BOTH, NOW)
    assert any("signed twice" in p for p in problems) and any("no confirming-officer" in p for p in problems)
    with pytest.raises(SignatureError, match="twice"):
        sign(b"x", [REVIEWER_SIGNER, REVIEWER_SIGNER])


def test_one_holder_with_two_keys_is_not_two_people():
    trust = Trust((REVIEWER_KEY, replace(OFFICER_KEY, name=f" {REVIEWER_KEY.name.upper()}")))
    assert "one holder signed with two keys" in verify(SIGNED, trust).problems(BOTH, NOW)


def test_two_testers_may_seal_together():
    signer, key = keyed("tester", "Second tester")
    verified = verify(sign(b"x", [TESTER_SIGNER, signer]), Trust((TESTER_KEY, key)))
    assert verified.problems({"tester"}, NOW) == ()


def test_a_signature_by_nobody_trusted_is_refused_alone_and_a_doubt_beside_good_ones():
    with pytest.raises(SignatureError, match="none of the signatures"):
        verify(sign(b"x", [STRANGER_SIGNER]), TRUST)
    verified = verify(sign(b"x", [REVIEWER_SIGNER, OFFICER_SIGNER, STRANGER_SIGNER]), TRUST)
    assert any("no trusted key" in p for p in verified.problems(BOTH, NOW))


def test_an_envelope_that_was_edited_around_its_signatures_is_a_doubt():
    pretty = json.dumps(json.loads(SIGNED), indent=1).encode()
    assert any("edited" in p for p in verify(pretty, TRUST).problems(BOTH, NOW))


def test_nothing_is_signed_by_nobody():
    with pytest.raises(SignatureError, match="at least one"):
        sign(b"x", [])


def test_the_second_role_signs_later_over_the_same_payload():
    first = sign(b"x", [REVIEWER_SIGNER])
    assert add_signature(first, OFFICER_SIGNER, TRUST) == sign(b"x", [REVIEWER_SIGNER, OFFICER_SIGNER])
    with pytest.raises(SignatureError, match="already"):
        add_signature(first, REVIEWER_SIGNER, TRUST)
    with pytest.raises(SignatureError, match="none"):
        add_signature(sign(b"x", [STRANGER_SIGNER]), OFFICER_SIGNER, TRUST)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(payloadType="application/json"),
        lambda d: d.update(payload=""),
        lambda d: d.update(payload="e30"),
        lambda d: d.update(payload="e31="),
        lambda d: d.update(payload="_-8="),
        lambda d: d.update(payload=7),
        lambda d: d.update(payload="é"),
        lambda d: d.update(extra=1),
        lambda d: d.pop("payloadType"),
        lambda d: d.update(signatures=[]),
        lambda d: d.update(signatures={}),
        lambda d: d.update(signatures=d["signatures"] * 9),
        lambda d: d["signatures"].append("x"),
        lambda d: d["signatures"][0].pop("sig"),
        lambda d: d["signatures"][0].update(cert="x"),
        lambda d: d["signatures"][0].update(keyid=1),
        lambda d: d["signatures"][0].update(sig=" " + d["signatures"][0]["sig"]),
    ],
)
def test_an_envelope_with_anything_odd_is_refused(change):
    with pytest.raises(EnvelopeError):
        verify(edited(change), TRUST)


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{}", b'{"payload":"a","payload":"b"}', b"\xff"])
def test_an_envelope_that_is_no_document_is_refused(data):
    with pytest.raises(EnvelopeError):
        verify(data, TRUST)


def test_a_signature_over_another_payload_type_does_not_verify_as_ours():
    other = Envelope(b"x", "text/plain", {})
    other.sign(REVIEWER_SIGNER)
    replayed = other.to_dict() | {"payloadType": PAYLOAD_TYPE}
    with pytest.raises(SignatureError):
        verify(canonical_bytes(replayed), TRUST)


@given(st.data())
def test_after_any_flipped_byte_an_envelope_is_refused_or_doubted(data):
    whole = bytearray(SIGNED)
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    try:
        verified = verify(bytes(whole), TRUST)
    except (EnvelopeError, SignatureError):
        return
    assert verified.problems(BOTH, NOW)


def test_signatures_of_other_schemes_are_verified_too():
    signer = CryptoSigner.generate_ecdsa()
    public = signer.public_key
    entry = replace(
        TESTER_KEY, keyid=public.keyid, keytype=public.keytype, scheme=public.scheme, public=public.keyval["public"]
    )
    trust = Trust((entry, REVIEWER_KEY))
    assert verify(sign(b"x", [signer]), trust).problems({"tester"}, NOW + timedelta(days=1)) == ()
