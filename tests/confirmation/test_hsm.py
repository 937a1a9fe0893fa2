"""Keys in a device: a real PKCS#11 token (SoftHSM), used by the commands as a person uses them."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from evidence_builders import NOW, REVIEWER_KEY, REVIEWER_SIGNER, TESTER_KEY
from securesystemslib.dsse import Envelope
from test_gate import CONFIRMATION, PAYLOAD, RELEASE

from seatrial.confirmation.gate import decide
from seatrial.evidence.envelope import sign, verify
from seatrial.evidence.keys import CONFIRMING_OFFICER, Trust, parse_key_entry, parse_trust

LIBRARY = "/usr/lib/softhsm/libsofthsm2.so"
MAKE_KEY = """
import os, sys, pkcs11
from pkcs11 import Attribute, KeyType, Mechanism
from pkcs11.util.ec import encode_named_curve_parameters
token = pkcs11.lib(os.environ["PYKCS11LIB"]).get_token(token_label=sys.argv[1])
with token.open(rw=True, user_pin="1234") as session:
    curve = session.create_domain_parameters(
        KeyType.EC, {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}, local=True)
    curve.generate_keypair(mechanism=Mechanism.EC_KEY_PAIR_GEN, store=True, id=bytes([int(sys.argv[2])]), label="key")
"""
SIGN = """
import sys
from pathlib import Path
from seatrial.cli.sealing import signer_of
from seatrial.evidence.envelope import sign
Path(sys.argv[3]).write_bytes(sign(Path(sys.argv[2]).read_bytes(), [signer_of(Path(sys.argv[1]))]))
"""


class Desk:
    """A folder with a token; each use of it is a process of its own, as on a real desk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tokens").mkdir()
        (folder / "softhsm2.conf").write_text(
            f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n"
        )
        self.environment = {
            **os.environ,
            "SOFTHSM2_CONF": str(folder / "softhsm2.conf"),
            "PYKCS11LIB": LIBRARY,
            "SEATRIAL_KEY_PIN": "1234",
        }
        made = self.run(
            "softhsm2-util", "--init-token", "--free", "--label", "officers", "--pin", "1234", "--so-pin", "4321"
        )
        assert made.returncode == 0, made.stderr
        self.new_key(2)

    def new_key(self, number: int) -> None:
        made = self.run(sys.executable, "-c", MAKE_KEY, "officers", str(number))
        assert made.returncode == 0, made.stderr

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in (self.environment | variables).items() if value}
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def seatrial(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "seatrial.cli.main", *arguments, **variables)

    def sign(self, payload: bytes, **variables: str) -> subprocess.CompletedProcess[str]:
        (self.folder / "payload").write_bytes(payload)
        return self.run(sys.executable, "-c", SIGN, "officer.key.json", "payload", "signed.json", **variables)

    def imported(self, uri: str = "hsm:2?label=officers", **variables: str) -> subprocess.CompletedProcess[str]:
        period = ("--valid-from", "2026-01-01T00:00:00Z", "--valid-until", "2027-01-01T00:00:00Z")
        who = ("--role", CONFIRMING_OFFICER, "--name", "Chan Tai-man")
        return self.seatrial("keys", "import", uri, "--out", "officer", *who, *period, **variables)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    made = Desk(tmp_path_factory.mktemp("hsm"))
    done = made.imported()
    assert done.returncode == 0, done.stderr
    return made


def trust_with(desk: Desk) -> Trust:
    officer = parse_key_entry(json.loads((desk.folder / "officer.json").read_bytes()))
    return Trust((TESTER_KEY, REVIEWER_KEY, officer))


def test_a_key_in_a_device_signs_beside_one_in_a_file_and_the_gate_opens(desk: Desk) -> None:
    done = desk.sign(PAYLOAD)
    assert done.returncode == 0, done.stderr
    by_device = json.loads((desk.folder / "signed.json").read_bytes())
    by_file = json.loads(sign(PAYLOAD, [REVIEWER_SIGNER]))
    both = json.loads(json.dumps(by_file))
    both["signatures"] += by_device["signatures"]
    from seatrial.evidence.canonical import canonical_bytes

    decision = decide(canonical_bytes(both), RELEASE, trust_with(desk), NOW)
    assert decision.allowed, decision.reasons
    assert not decide(canonical_bytes(by_device), RELEASE, trust_with(desk), NOW).allowed


def test_openssl_verifies_what_the_device_signed(desk: Desk) -> None:
    assert desk.sign(PAYLOAD).returncode == 0
    import base64

    (signature,) = json.loads((desk.folder / "signed.json").read_bytes())["signatures"]
    (desk.folder / "pae").write_bytes(Envelope(PAYLOAD, "application/vnd.in-toto+json", {}).pae())
    (desk.folder / "sig").write_bytes(base64.b64decode(signature["sig"]))
    (desk.folder / "public.pem").write_text(json.loads((desk.folder / "officer.json").read_bytes())["keyval"]["public"])
    done = desk.run("openssl", "dgst", "-sha256", "-verify", "public.pem", "-signature", "sig", "pae")
    assert done.stdout == "Verified OK\n", done.stderr
    assert hashlib.sha256(PAYLOAD).hexdigest() not in done.stdout


def test_a_command_signs_with_the_device(desk: Desk) -> None:
    """``seatrial revoke``: from the reference to a revocation list that the trust file accepts."""
    (desk.folder / "trust.json").write_bytes(trust_with(desk).to_bytes())
    command = ("revoke", "--key", "officer.key.json", "--trust", "trust.json", "--out", "revocations.json")
    done = desk.seatrial(*command)
    assert done.returncode == 0, done.stderr
    trust = parse_trust((desk.folder / "trust.json").read_bytes())
    (signer,) = verify((desk.folder / "revocations.json").read_bytes(), trust).signed_by
    assert (signer.name, signer.scheme) == ("Chan Tai-man", "ecdsa-sha2-nistp256")
    (desk.folder / "revocations.json").unlink()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"SEATRIAL_KEY_PIN": "9999"}, "PinIncorrect"),
        ({"SEATRIAL_KEY_PIN": ""}, "the device asks for its PIN"),
        ({"PYKCS11LIB": "/nowhere.so"}, "Install seatrial[hsm]; for PKCS#11 set PYKCS11LIB"),
        ({"SOFTHSM2_CONF": "/nowhere.conf"}, "hsm:2?label=officers"),
    ],
)
def test_a_wrong_pin_library_or_token_is_one_message_and_nothing_is_signed(
    desk: Desk, variables: dict[str, str], words: str
) -> None:
    (desk.folder / "trust.json").write_bytes(trust_with(desk).to_bytes())
    command = ("revoke", "--key", "officer.key.json", "--trust", "trust.json", "--out", "never.json")
    done = desk.seatrial(*command, **variables)
    assert done.returncode != 0
    assert words in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert "9999" not in done.stderr
    assert not (desk.folder / "never.json").exists()


def test_another_key_under_the_same_number_is_noticed(desk: Desk) -> None:
    good = (desk.folder / "officer.key.json").read_bytes()
    desk.new_key(3)
    try:
        (desk.folder / "officer.key.json").write_bytes(good.replace(b"hsm:2", b"hsm:3"))
        done = desk.sign(PAYLOAD)
        assert done.returncode != 0
        assert "signed with another key than that of Chan Tai-man" in done.stderr, done.stderr
    finally:
        (desk.folder / "officer.key.json").write_bytes(good)


def test_what_can_not_be_imported_is_said(desk: Desk) -> None:
    (desk.folder / "other").mkdir(exist_ok=True)
    taken = desk.imported()
    assert "never overwritten" in taken.stderr
    for path in ("officer.json", "officer.key.json"):
        (desk.folder / path).rename(desk.folder / "other" / path)
    try:
        assert "known by this name" in desk.imported("ftp:2").stderr
        none = desk.imported("hsm:9?label=officers")
        assert none.returncode != 0 and "can't be used" in none.stderr, none.stderr
        assert "Install seatrial[aws]" in desk.imported("awskms:some-id").stderr
    finally:
        for path in ("officer.json", "officer.key.json"):
            (desk.folder / "other" / path).rename(desk.folder / path)


def test_a_reference_that_was_edited_is_refused(desk: Desk) -> None:
    good = json.loads((desk.folder / "officer.key.json").read_bytes())
    for change in ({"format": "x"}, {"uri": "file:/etc/passwd"}, {"more": 1}, {"uri": 7}):
        (desk.folder / "edited.key.json").write_text(json.dumps(good | change))
        done = desk.seatrial("revoke", "--key", "edited.key.json", "--trust", "trust.json", "--out", "never.json")
        assert done.returncode == 2, (change, done.stderr)
        assert "Traceback" not in done.stderr


def test_a_key_whose_period_was_ended_early_counts_before_and_not_after(desk: Desk) -> None:
    """Rotation: what it signed stands, what it signs with a later date does not, and its follower signs on."""
    (desk.folder / "trust.json").write_bytes(trust_with(desk).to_bytes())
    shown = json.loads(desk.seatrial("keys", "list", "trust.json", "--json", "--at", "2026-06-01T00:00:00Z").stdout)
    officer = next(key for key in shown["keys"] if key["role"] == CONFIRMING_OFFICER)
    assert officer["state"] == "valid"
    end = ("keys", "end", "trust.json", "--fingerprint", officer["fingerprint"][:12])
    done = desk.seatrial(*end, "--at", "2026-06-02T00:00:00Z", "--out", "ended.json")
    assert done.returncode == 0, done.stderr
    ended = parse_trust((desk.folder / "ended.json").read_bytes())
    assert desk.sign(PAYLOAD).returncode == 0
    before = verify((desk.folder / "signed.json").read_bytes(), ended)
    assert before.problems({CONFIRMING_OFFICER}, NOW) == ()
    assert any("not valid" in said for said in before.problems({CONFIRMING_OFFICER}, NOW + timedelta(days=2)))
    longer = desk.seatrial(*end, "--at", "2028-01-01T00:00:00Z", "--out", "longer.json")
    assert "only ever shortened" in longer.stderr
    assert "0 keys have this fingerprint" in desk.seatrial(
        "keys", "end", "trust.json", "--fingerprint", "0" * 12, "--at", "2026-06-02T00:00:00Z", "--out", "x.json"
    ).stderr  # fmt: skip
    assert replace(CONFIRMATION, system="x").system == "x"
