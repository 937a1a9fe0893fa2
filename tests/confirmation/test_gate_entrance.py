"""The gate as a pipeline calls it: whatever its output goes to, nothing but an ALLOW that was said exits with 0."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_webhook import GOOD, RELEASE, pod, review, set_up

from seatrial.cli import gate
from seatrial.cli.gate_serve import Webhook
from seatrial.confirmation.admission import respond
from seatrial.model.release import Release, Subject

FILES = ["--confirmation", "confirmation.json", "--deployed", "release.json", "--trust", "trust.json"]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    set_up(tmp_path)
    return tmp_path


def ask(desk: Path, *more: bytes | str, redirect: str = "", **variables: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "seatrial.cli.main", "gate", *FILES, *more]
    shell = ["sh", "-c", f'"$@" {redirect}', "sh"] if redirect else []
    environment = {**os.environ, **variables}
    return subprocess.run([*shell, *command], cwd=desk, env=environment, capture_output=True, timeout=30, check=False)


def test_a_path_that_is_no_text_is_a_denial_that_json_can_be_read_of(desk: Path) -> None:
    run = ask(desk, "--facts", b"\xff\xfe.json", "--json", PYTHONIOENCODING="utf-8:strict")
    assert run.returncode == 1, run.stderr
    assert json.loads(run.stdout.decode("ascii"))["decision"] == "DENY"


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_terminal_that_can_not_show_a_reason_is_told_it_in_another_spelling(desk: Path, more: list[str]) -> None:
    run = ask(desk, "--facts", "測試.json", *more, PYTHONIOENCODING="ascii:strict")
    assert (run.returncode, run.stderr) == (1, b"")
    assert b"DENY" in run.stdout and b"\\u6e2c" in run.stdout


@pytest.mark.parametrize("redirect", [">&-", ">&- 2>&-", ">/dev/full", ">/dev/full 2>/dev/full"])
def test_an_allow_that_nobody_could_be_told_is_none(desk: Path, redirect: str) -> None:
    assert ask(desk).returncode == 0
    assert ask(desk, redirect=redirect).returncode != 0


def test_the_gate_waits_for_no_library_of_a_cloud_or_a_device_that_is_installed_for_signing(desk: Path) -> None:
    """Each library writes its name where it is imported; the gate imports none, and the other commands do."""
    names = ("azure", "boto3", "google/cloud", "hvac", "keylet", "pkcs11")
    for name in names:
        package = desk / "installed" / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"import sys\nsys.stderr.write('imported {name}\\n')\n")
    installed = {"PYTHONPATH": str(desk / "installed")}
    run = ask(desk, **installed)
    assert (run.returncode, run.stderr) == (0, b"")
    signing = [sys.executable, "-c", "import securesystemslib.signer"]
    said = subprocess.run(signing, env={**os.environ, **installed}, capture_output=True, timeout=30, check=True).stderr
    assert all(f"imported {name}".encode() in said for name in names), said


@pytest.mark.parametrize("option", ["facts", "revocations", "remember", "evidence", "log-proof", "confirmation"])
def test_an_empty_variable_where_a_file_belongs_is_a_denial(desk: Path, option: str) -> None:
    assert ask(desk, f"--{option}", "").returncode == 1


def test_a_crash_of_any_kind_is_a_denial_in_json(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(desk)

    def broken(*args: Any, **more: Any) -> bytes:
        raise MemoryError("no more")

    monkeypatch.setattr(gate, "read_document", broken)
    assert gate.main([*FILES, "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["decision"], "MemoryError" in said["reasons"][0]) == ("DENY", True)


def test_a_manifest_that_is_exchanged_while_the_webhook_decides_admits_no_other_image(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "e" * 64
    decide = gate.decide

    def exchanged(*args: Any, **more: Any) -> Any:
        decision = decide(*args, **more)
        late = Release(RELEASE.name, RELEASE.version, (*RELEASE.subjects, Subject("zz", other)))
        (desk / "release.json").write_bytes(late.to_bytes())
        return decision

    monkeypatch.setattr(gate, "decide", exchanged)
    webhook = Webhook(desk / "webhook.json")
    body, _ = respond(json.dumps(review(pod(GOOD, f"x@sha256:{other}"))).encode(), webhook.ask)
    answer = json.loads(body)["response"]
    assert not answer["allowed"] and "not among the subjects" in answer["status"]["message"]
