"""``seatrial log`` and what verifies it, called as people call them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROLES = ("reviewer", "confirming-officer", "log-operator")


def seatrial(folder: Path, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "seatrial.cli.main", *arguments],
        cwd=folder,
        env={**os.environ, "SEATRIAL_KEY_PASSPHRASE": "open sesame"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys, a trust file, and a log with two revocation lists."""
    folder = tmp_path_factory.mktemp("office")
    for role in ROLES:
        seatrial(folder, "keys", "new", role, "--role", role, "--name", f"The {role}")
    seatrial(folder, "keys", "trust", *(f"{role}.json" for role in ROLES), "--out", "trust.json")
    revoke = ("revoke", "--key", "confirming-officer.pem", "--trust", "trust.json")
    append = ("--key", "log-operator.pem", "--trust", "trust.json")
    seatrial(folder, *revoke, "--out", "first.json")
    said = seatrial(folder, "log", "append", "log", "first.json", *append, "--origin", "log.example.gov")
    assert said == "log.example.gov: 1 entries, 1 of them new\n"
    (folder / "earlier").write_bytes((folder / "log" / "checkpoint").read_bytes())
    seatrial(folder, *revoke, "--list", "first.json", "--out", "second.json")
    seatrial(folder, "log", "append", "log", "second.json", *append)
    return folder


def test_a_log_is_verified_step_by_step_and_continues_what_was_seen(office: Path) -> None:
    said = seatrial(office, "verify", "log", "--trust", "trust.json", "--since", "earlier")
    assert said.count(": passed - ") == 6
    assert said.endswith("VERIFIED\n")
    without = json.loads(seatrial(office, "verify", "log", "--trust", "trust.json", "--json"))
    assert without["ok"] and without["steps"][-1]["status"] == "not applicable"


def test_an_exported_log_is_the_same_log_and_verifies_elsewhere(office: Path) -> None:
    seatrial(office, "log", "export", "log", "public", "--trust", "trust.json")
    names = sorted(
        str(path.relative_to(office / "public")) for path in (office / "public").rglob("*") if path.is_file()
    )
    assert [name for name in names if not name.startswith("envelopes/")] == [
        "checkpoint", "tile/0/000.p/2", "tile/entries/000.p/2",
    ]  # fmt: skip
    assert len(names) == 5
    seatrial(office, "verify", "public", "--trust", "trust.json")
    assert "is there already" in seatrial(office, "log", "export", "log", "public", "--trust", "trust.json", code=2)
    entries = office / "public" / "tile" / "entries" / "000.p" / "2"
    entries.write_bytes(entries.read_bytes().replace(b"revocations", b"revocationz"))
    assert "NOT VERIFIED" in seatrial(office, "verify", "public", "--trust", "trust.json", code=1)


def test_a_statement_is_shown_to_stand_in_the_log(office: Path) -> None:
    seatrial(office, "log", "prove", "log", "second.json", "--trust", "trust.json", "--out", "proof.json")
    proof = ("--trust", "trust.json", "--log-proof", "proof.json")
    assert "VERIFIED: entry 2 of 2 in log.example.gov since " in seatrial(office, "verify", "second.json", *proof)
    assert "NOT VERIFIED: the log's proof is that of another" in seatrial(
        office, "verify", "first.json", *proof, code=1
    )


def test_what_can_not_be_entered_is_said(office: Path) -> None:
    append = ("--key", "log-operator.pem", "--trust", "trust.json")
    before = (office / "log" / "checkpoint").read_bytes()
    assert "holds this envelope already" in seatrial(office, "log", "append", "log", "first.json", *append, code=1)
    wrong = ("--key", "reviewer.pem", "--trust", "trust.json")
    assert "no trusted log operator" in seatrial(office, "log", "append", "log", "second.json", *wrong, code=1)
    assert "name of its own" in seatrial(office, "log", "append", "new", "first.json", *append, code=1)
    assert (office / "log" / "checkpoint").read_bytes() == before
