import json
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from evidence_builders import NOW, OFFICER_KEY, TESTER_KEY, TRUST, VALID_FROM, VALID_UNTIL, keyed
from securesystemslib.signer import CryptoSigner

from seatrial.errors import KeyFileError
from seatrial.evidence.canonical import canonical_bytes
from seatrial.evidence.keys import (
    Trust,
    TrustedKey,
    is_encrypted,
    load_signer,
    load_trust,
    merge_trust,
    new_key,
    parse_key_entry,
    parse_trust,
)

PERIOD = {"valid_from": VALID_FROM, "valid_until": VALID_UNTIL}


def make(path, passphrase=None, **fields):
    return new_key(path, **({"role": "tester", "name": "T"} | PERIOD | fields), passphrase=passphrase)


def test_a_new_key_is_private_to_its_owner_and_signs(tmp_path):
    entry = make(tmp_path / "k.pem")
    assert (tmp_path / "k.pem").stat().st_mode & 0o777 == 0o600
    assert not is_encrypted(tmp_path / "k.pem")
    signer = load_signer(tmp_path / "k.pem")
    entry.key.verify_signature(signer.sign(b"data"), b"data")
    assert Trust((entry,)).find(signer.public_key) == entry


def test_a_passphrase_encrypts_the_key_and_is_needed_exactly_then(tmp_path):
    entry = make(tmp_path / "k.pem", "open sesame")
    make(tmp_path / "plain.pem")
    assert is_encrypted(tmp_path / "k.pem")
    assert b"ENCRYPTED" in (tmp_path / "k.pem").read_bytes()
    assert load_signer(tmp_path / "k.pem", "open sesame").public_key.keyid == entry.keyid
    for file, passphrase in (("k.pem", "wrong"), ("k.pem", None), ("plain.pem", "unasked")):
        with pytest.raises(KeyFileError, match="opened"):
            load_signer(tmp_path / file, passphrase)


def test_a_key_file_is_never_overwritten(tmp_path):
    make(tmp_path / "k.pem")
    before = (tmp_path / "k.pem").read_bytes()
    with pytest.raises(KeyFileError, match="never overwritten"):
        make(tmp_path / "k.pem")
    (tmp_path / "dangling.pem").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyFileError):
        make(tmp_path / "dangling.pem")
    with pytest.raises(KeyFileError, match="written"):
        make(tmp_path / "absent" / "k.pem")
    assert (tmp_path / "k.pem").read_bytes() == before and not (tmp_path / "elsewhere").exists()


def test_a_private_key_open_to_others_is_refused(tmp_path):
    make(tmp_path / "k.pem")
    (tmp_path / "k.pem").chmod(0o640)
    with pytest.raises(KeyFileError, match="open to others"):
        load_signer(tmp_path / "k.pem")


def test_what_is_no_private_key_is_refused(tmp_path):
    (tmp_path / "k.pem").write_bytes(b"hello")
    (tmp_path / "k.pem").chmod(0o600)
    with pytest.raises(KeyFileError, match="opened"):
        load_signer(tmp_path / "k.pem")
    for check in (load_signer, is_encrypted, load_trust):
        with pytest.raises(KeyFileError, match="read"):
            check(tmp_path / "absent")


@pytest.mark.parametrize(
    "fields",
    [
        {"role": "auditor"},
        {"name": " "},
        {"name": "a\nb"},
        {"valid_until": VALID_FROM},
        {"passphrase": ""},
    ],
)
def test_a_key_of_no_role_holder_period_or_an_empty_passphrase_is_not_made(tmp_path, fields):
    with pytest.raises(KeyFileError):
        make(tmp_path / "k.pem", **fields)
    assert not (tmp_path / "k.pem").exists()


def test_a_key_is_valid_from_its_first_moment_until_just_before_its_last():
    assert TESTER_KEY.valid_at(VALID_FROM) and TESTER_KEY.valid_at(VALID_UNTIL - timedelta(microseconds=1))
    assert not TESTER_KEY.valid_at(VALID_FROM - timedelta(microseconds=1)) and not TESTER_KEY.valid_at(VALID_UNTIL)


def test_a_trust_file_round_trips_and_may_be_a_mounted_link(tmp_path):
    (tmp_path / "trust.json").write_bytes(TRUST.to_bytes())
    (tmp_path / "link.json").symlink_to(tmp_path / "trust.json")
    assert load_trust(tmp_path / "link.json") == TRUST


@pytest.mark.parametrize("role", ["reviewer", "tester"])
def test_one_public_key_in_two_entries_is_refused_in_any_spelling(role):
    twin = replace(TESTER_KEY, role=role, name="Other", public=TESTER_KEY.public.upper(), keyid="another")
    with pytest.raises(KeyFileError, match="twice"):
        Trust((TESTER_KEY, twin))


def test_trust_files_are_joined_and_contradictions_refused():
    _, other = keyed("tester", "Second")
    assert merge_trust([TRUST, Trust((other, TESTER_KEY))]).keys == (*TRUST.keys, other)
    with pytest.raises(KeyFileError, match="twice"):
        merge_trust([TRUST, Trust((replace(TESTER_KEY, name="Renamed"),))])
    with pytest.raises(KeyFileError, match="no key"):
        merge_trust([])


def edited(change):
    document = json.loads(TRUST.to_bytes())
    change(document)
    return canonical_bytes(document)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(format="seatrial-trust/2"),
        lambda d: d.update(keys=[]),
        lambda d: d.update(keys={}),
        lambda d: d.update(threshold=1),
        lambda d: d["keys"].append("x"),
        lambda d: d["keys"].append(d["keys"][0]),
        lambda d: d["keys"][0].update(role="everything"),
        lambda d: d["keys"][0].update(role=["tester"]),
        lambda d: d["keys"][0].update(note="x"),
        lambda d: d["keys"][0].pop("valid_until"),
        lambda d: d["keys"][0].update(valid_until="2030"),
        lambda d: d["keys"][0].update(valid_until="2020-01-01T00:00:00Z"),
        lambda d: d["keys"][0].update(keyval={}),
        lambda d: d["keys"][0].update(keyval={"public": "zz"}),
        lambda d: d["keys"][0].update(keyval={"public": "00"}),
        lambda d: d["keys"][0].update(keyval={"public": "a", "private": "b"}),
        lambda d: d["keys"][0].update(scheme="none"),
        lambda d: d["keys"][0].update(keytype="rsa", scheme="rsassa-pss-sha256"),
        lambda d: d["keys"][0].update(name=7),
        lambda d: d["keys"][0].update(keyid=""),
    ],
)
def test_a_trust_file_with_anything_odd_is_refused(change):
    with pytest.raises(KeyFileError):
        parse_trust(edited(change))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"format":"seatrial-trust/1","format":"x","keys":[]}'])
def test_a_trust_file_that_is_no_document_is_refused(data):
    with pytest.raises(KeyFileError):
        parse_trust(data)


def test_keys_of_hardware_modules_and_clouds_have_their_place():
    signers = [
        CryptoSigner.generate_ecdsa(),
        CryptoSigner(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    ]
    for signer in signers:
        public = signer.public_key
        entry = TrustedKey(
            public.keyid,
            public.keytype,
            public.scheme,
            public.keyval["public"],
            "tester",
            "HSM",
            VALID_FROM,
            VALID_UNTIL,
        )
        assert parse_key_entry(json.loads(canonical_bytes(entry.to_object()))) == entry
        entry.key.verify_signature(signer.sign(b"x"), b"x")
        assert Trust((entry, OFFICER_KEY)).find(public) == entry


def test_now_lies_in_the_period_that_these_tests_use():
    assert TESTER_KEY.valid_at(NOW)
