"""The transparency log: what may be entered, what it proves, and every way of changing it that is found."""

import base64
import hashlib
import json
import os
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from evidence_builders import (
    NOW,
    OFFICER_KEY,
    OFFICER_SIGNER,
    RELEASE,
    REVIEWER_KEY,
    REVIEWER_SIGNER,
    STRANGER_SIGNER,
    TESTER_KEY,
    keyed,
)

from seatrial.confirmation.bounds import VoidWhen
from seatrial.confirmation.gate import decide
from seatrial.confirmation.logged import check_proof, entry_of, prove, verify_log
from seatrial.confirmation.revocation import Revocation, next_list, read_list
from seatrial.confirmation.statement import Confirmation, Ruling, months_after
from seatrial.errors import EvidenceError, SeatrialError
from seatrial.evidence.canonical import canonical_bytes, sha256_hex
from seatrial.evidence.envelope import sign
from seatrial.evidence.keys import LOG_OPERATOR, Trust
from seatrial.evidence.log import CHECKPOINT, append, read_checkpoint, read_entries
from seatrial.evidence.verification import StepStatus

OPERATOR_SIGNER, OPERATOR_KEY = keyed(LOG_OPERATOR, "Log office")
TRUST = Trust((TESTER_KEY, REVIEWER_KEY, OFFICER_KEY, OPERATOR_KEY))
ORIGIN = "log.example.gov"
BOTH = [REVIEWER_SIGNER, OFFICER_SIGNER]


def confirmed(number: int, signers=BOTH) -> bytes:
    confirmation = Confirmation(
        ruling=Ruling.CONFIRMED,
        reasons=(),
        conditions=(),
        issued_at=NOW,
        valid_until=months_after(NOW, 6),
        system=f"Booking {number}",
        release=(RELEASE.name, RELEASE.version),
        tested_peak_per_s=40.0,
        policy_digest="1" * 64,
        evidence_digest="2" * 64,
        test_result_digest="3" * 64,
        subjects=RELEASE.subjects,
        void_when=VoidWhen(44.0),
        recommendation_digest=None,
    )
    return sign(confirmation.to_statement().to_bytes(), signers)


def revoking(*digests: str, previous: bytes | None = None) -> bytes:
    entries = [Revocation(digest, "a reason", NOW) for digest in digests]
    current = None if previous is None else read_list(previous, TRUST)
    return next_list(current, entries, OFFICER_SIGNER, trust=TRUST, now=NOW, expires_at=NOW + timedelta(days=7))


def enter(folder: Path, *envelopes: bytes, signer=OPERATOR_SIGNER, trust=TRUST, origin=ORIGIN, at=NOW):
    return append(folder, [(entry_of(e, trust, at), e) for e in envelopes], signer, trust, origin)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "log"
    enter(folder, confirmed(1), confirmed(2), revoking("a" * 64))
    enter(folder, confirmed(3), at=NOW + timedelta(hours=1))
    return folder


def failures(folder: Path, **more) -> list[str]:
    steps = verify_log(folder, TRUST, NOW + timedelta(days=1), **more)
    return [f"{s.title}: {s.sentence}" for s in steps if s.status is StepStatus.FAILED]


def test_a_good_log_passes_every_step_and_continues_every_earlier_checkpoint(tmp_path: Path) -> None:
    folder, seen = tmp_path / "log", []
    for number in range(12):
        enter(folder, confirmed(number), at=NOW + timedelta(minutes=number))
        seen.append((folder / CHECKPOINT).read_bytes())
    for since in seen:
        assert failures(folder, since=since) == []


def test_more_than_two_hundred_and_fifty_six_entries_fill_tiles_that_stay_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    enter(folder, *(confirmed(number) for number in range(256)))
    full = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.glob("tile/*/000")}
    enter(folder, *(confirmed(number) for number in range(256, 300)))
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in full} == full
    assert (folder / "tile/1/000.p/1").stat().st_size == 32
    assert (folder / "tile/0/001.p/44").stat().st_size == 44 * 32
    assert failures(folder) == []


def test_the_checkpoint_is_a_signed_note_that_another_reader_verifies(log: Path) -> None:
    """Read by the words of C2SP's signed-note and tlog-checkpoint alone."""
    text, _, signature = (log / CHECKPOINT).read_text(encoding="utf-8").partition("\n\n")
    origin, size, root = text.split("\n")
    assert (origin, size, len(base64.b64decode(root))) == (ORIGIN, "4", 32)
    dash, name, encoded = signature.rstrip("\n").split(" ")
    raw, public = base64.b64decode(encoded), bytes.fromhex(OPERATOR_KEY.public)
    assert (dash, name) == ("—", ORIGIN)
    assert raw[:4] == hashlib.sha256(f"{ORIGIN}\n".encode() + b"\x01" + public).digest()[:4]
    Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], f"{text}\n".encode())


def test_a_proof_shows_one_confirmation_and_no_other(log: Path) -> None:
    proof, now = prove(log, confirmed(2), TRUST), NOW + timedelta(days=1)
    payload = entry_of(confirmed(2), TRUST, NOW).payload
    assert check_proof(proof, payload, TRUST, now) == f"entry 2 of 4 in {ORIGIN} since 2026-06-01T09:00:00Z"
    with pytest.raises(EvidenceError, match="another statement"):
        check_proof(proof, "0" * 64, TRUST, now)
    with pytest.raises(EvidenceError, match="does not hold"):
        prove(log, confirmed(9), TRUST)
    with pytest.raises(EvidenceError, match="from the future"):
        check_proof(proof, payload, TRUST, NOW - timedelta(hours=1))


@pytest.mark.parametrize("field", ["index", "entry", "hashes", "checkpoint", "format"])
def test_a_proof_that_was_changed_anywhere_proves_nothing(log: Path, field: str) -> None:
    document = json.loads(prove(log, confirmed(2), TRUST))
    other = json.loads(prove(log, confirmed(3), TRUST))
    document[field] = "seatrial-log-proof/2" if field == "format" else other[field]
    if field == "checkpoint":
        document[field] = document[field].replace("\n4\n", "\n5\n")
    payload = entry_of(confirmed(2), TRUST, NOW).payload
    with pytest.raises(EvidenceError):
        check_proof(canonical_bytes(document), payload, TRUST, NOW + timedelta(days=1))


def test_the_gate_opens_with_a_proof_and_not_with_that_of_another(log: Path) -> None:
    at = NOW + timedelta(days=1)
    good, other = prove(log, confirmed(2), TRUST), prove(log, confirmed(1), TRUST)
    decision = decide(confirmed(2), RELEASE, TRUST, at, log_proof=good)
    assert decision.allowed, decision.reasons
    assert any(f"in {ORIGIN}" in reason for reason in decision.reasons)
    for proof in (other, b"", b"{}", good[:-2]):
        decision = decide(confirmed(2), RELEASE, TRUST, at, log_proof=proof)
        assert not decision.allowed
        assert any("not shown to stand in the log" in reason for reason in decision.reasons)
    without = Trust((TESTER_KEY, REVIEWER_KEY, OFFICER_KEY))
    assert not decide(confirmed(2), RELEASE, without, at, log_proof=good).allowed


def test_only_properly_signed_statements_are_entered(log: Path) -> None:
    for envelope in (confirmed(7, [REVIEWER_SIGNER]), confirmed(7, [STRANGER_SIGNER]), b"{}", b""):
        with pytest.raises(SeatrialError):
            enter(log, envelope)
    with pytest.raises(EvidenceError, match="holds this envelope already"):
        enter(log, confirmed(2), at=NOW + timedelta(hours=2))
    with pytest.raises(EvidenceError, match="clock stands before"):
        enter(log, confirmed(7))
    with pytest.raises(EvidenceError, match="no trusted log operator"):
        enter(log, confirmed(7), signer=OFFICER_SIGNER, at=NOW + timedelta(hours=2))
    with pytest.raises(EvidenceError, match="another name"):
        enter(log, confirmed(7), origin="elsewhere", at=NOW + timedelta(hours=2))
    with pytest.raises(EvidenceError, match="name of its own"):
        enter(log.parent / "new", confirmed(7), origin="")
    with pytest.raises(EvidenceError, match="nothing to enter"):
        append(log, [], OPERATOR_SIGNER, TRUST)
    assert failures(log) == []


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def _one(log: Path, kind: str) -> Path:
    return next(p for p in sorted((log / "envelopes").iterdir()) if kind.encode() in base64.b64decode(json.loads(p.read_bytes())["payload"]))  # fmt: skip  # noqa: E501


HOSTILE = {
    "a flipped byte of the checkpoint": (lambda log: _flip(log / CHECKPOINT), "checkpoint is signed"),
    "a flipped byte of a tile": (lambda log: _flip(log / "tile/0/000.p/4"), "tiles and entries"),
    "a flipped byte of the entries": (lambda log: _flip(log / "tile/entries/000.p/4"), "tiles and entries"),
    "entries that are gone": (lambda log: (log / "tile/entries/000.p/4").unlink(), "tiles and entries"),
    "entries that are cut off": (
        lambda log: (log / "tile/entries/000.p/4").write_bytes((log / "tile/entries/000.p/4").read_bytes()[:-1]),
        "tiles and entries",
    ),
    "an envelope that is gone": (lambda log: _one(log, "Booking 1").unlink(), "every envelope"),
    "an envelope in the place of another": (
        lambda log: _one(log, "Booking 1").write_bytes(_one(log, "Booking 2").read_bytes()),
        "every envelope",
    ),
    "a checkpoint by another key": (
        lambda log: (log / CHECKPOINT).write_bytes(_checkpoint_by_a_stranger(log)),
        "checkpoint is signed",
    ),
}


def _checkpoint_by_a_stranger(log: Path) -> bytes:
    signer, key = keyed(LOG_OPERATOR, "Somebody")
    other = log.parent / "other"
    enter(other, confirmed(1), signer=signer, trust=Trust((TESTER_KEY, REVIEWER_KEY, OFFICER_KEY, key)))
    return (other / CHECKPOINT).read_bytes()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_log_that_was_changed_is_found_out_in_the_step_that_is_there_for_it(log: Path, name: str) -> None:
    change, title = HOSTILE[name]
    change(log)
    assert any(failure.startswith(title) for failure in failures(log)), failures(log)


def test_a_log_that_was_set_back_or_forked_does_not_continue_what_was_seen(log: Path, tmp_path: Path) -> None:
    shutil.copytree(log, tmp_path / "before")
    enter(log, confirmed(4), at=NOW + timedelta(hours=2))
    seen = (log / CHECKPOINT).read_bytes()
    (back,) = failures(tmp_path / "before", since=seen)
    assert "the log continues" in back and "does not begin with the 5 entries" in back
    enter(tmp_path / "before", confirmed(5), confirmed(6), at=NOW + timedelta(hours=3))
    (forked,) = failures(tmp_path / "before", since=seen)
    assert "rewritten, cut, or is another log" in forked


def test_a_revocation_list_that_forgets_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    first = revoking("a" * 64)
    enter(folder, first, revoking("b" * 64, previous=first))
    assert failures(folder) == []
    enter(folder, revoking("c" * 64), at=NOW + timedelta(hours=1))
    (found,) = failures(folder)
    assert "no revocation list forgets" in found and "drops 2 of its entries" in found


def test_a_crash_at_any_write_leaves_the_log_as_it_was(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (log / CHECKPOINT).read_bytes()
    real, count = Path.replace, 0
    for fatal in range(1, 40):
        count = 0

        def replaced(path: Path, target: Path, fatal: int = fatal) -> Path:
            nonlocal count
            count += 1
            if count == fatal:
                raise OSError(28, os.strerror(28))
            return real(path, target)

        monkeypatch.setattr(Path, "replace", replaced)
        try:
            enter(log, confirmed(8), at=NOW + timedelta(hours=2))
        except EvidenceError as e:
            assert "can't be written" in str(e)
            assert (log / CHECKPOINT).read_bytes() == before
            assert failures(log) == []
        else:
            break
    assert fatal > 3
    assert read_checkpoint((log / CHECKPOINT).read_bytes(), TRUST)[0].size == 5
    assert len(read_entries(log, 5)) == 5
    assert failures(log, since=before) == []


def test_a_key_that_had_ended_enters_and_proves_nothing(log: Path) -> None:
    ended = replace(OPERATOR_KEY, valid_until=NOW + timedelta(minutes=30))
    trust = Trust((TESTER_KEY, REVIEWER_KEY, OFFICER_KEY, ended))
    steps = verify_log(log, trust, NOW + timedelta(days=1))
    assert any("not valid" in step.sentence for step in steps if step.status is StepStatus.FAILED)
    with pytest.raises(EvidenceError, match="not valid now"):
        enter(log, confirmed(8), trust=trust, at=NOW + timedelta(hours=2))
    assert sha256_hex(confirmed(1)) != sha256_hex(confirmed(2))
