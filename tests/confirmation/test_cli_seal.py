"""The seal's commands, called as a person or a pipeline calls them."""

import contextlib
import io
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from evidence_builders import PASSED, POLICY, make_bundle, recompute_as_sealed, verdict_document
from typer.testing import CliRunner

from seatrial.cli.app import app as APP
from seatrial.cli.gate import main as gate_entrance
from seatrial.clock import SystemClock
from seatrial.errors import ConfirmationError, EnvelopeError, KeyFileError, SeatrialError, SignatureError, UsageError
from seatrial.evidence.bundle import pack
from seatrial.evidence.keys import load_signer, load_trust
from seatrial.evidence.verifier import TITLES
from seatrial.model.release import parse_release, release_of


@pytest.fixture(autouse=True)
def desk(tmp_path, monkeypatch):
    """A desk with keys, a trust file, a release and two sealed bundles; recomputation is the neighbour's."""
    replay = ModuleType("seatrial.trials.replay")
    replay.replay_bytes = recompute_as_sealed
    monkeypatch.setitem(sys.modules, "seatrial.trials.replay", replay)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEATRIAL_KEY_PASSPHRASE", "open sesame")
    for role in ("tester", "reviewer", "confirming-officer"):
        call("keys", "new", role, "--role", role, "--name", f"The {role}")
    call("keys", "trust", "tester.json", "reviewer.json", "confirming-officer.json", "--out", "trust.json")
    (tmp_path / "policy.yaml").write_text(json.dumps(POLICY))
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_bytes(b"print()")
    call("release", "digest", "app", "--name", "booking", "--version", "2.1", "--out", "release.json")
    release = parse_release((tmp_path / "release.json").read_bytes())
    signer, now = load_signer(tmp_path / "tester.pem", "open sesame"), SystemClock().now()
    failed = verdict_document("FAIL", (("load", "load", "PASS"), ("stress", "stress", "FAIL")))
    for name, verdict in (("good", PASSED), ("bad", failed)):
        make_bundle(tmp_path / name, verdict=verdict, release=release, signer=signer, now=now)
    pack(tmp_path / "good", tmp_path / "good.seatrial")
    return tmp_path


def call(*arguments, expect=0):
    result = CliRunner().invoke(APP, list(arguments))
    if isinstance(result.exception, SeatrialError):
        raise result.exception
    assert result.exit_code == expect, (result.output, result.exception)
    return result.output


def confirm(*arguments, expect=0, bundle="good.seatrial", key="both"):
    keys = {
        "both": ["--key", "reviewer.pem", "--key", "confirming-officer.pem"],
        "reviewer": ["--key", "reviewer.pem"],
        "officer": ["--key", "confirming-officer.pem"],
        "tester": ["--key", "tester.pem"],
    }[key]
    rules = [] if "--policy" in arguments else ["--policy", "policy.yaml"]
    return call("confirm", bundle, "--trust", "trust.json", *keys, *rules, "--out", "c.json", *arguments, expect=expect)


def gate(*more, expect=0):
    """Ask the gate through both entrances; they must say the same."""
    arguments = ("--confirmation", "c.json", "--deployed", "release.json", "--trust", "trust.json", *more)
    said = call("gate", *arguments, expect=expect)
    with contextlib.redirect_stdout(io.StringIO()) as direct:
        assert gate_entrance(arguments) == expect
    assert direct.getvalue() == said
    return said


def test_seal_two_signatures_gate_revocation_gate_again():
    assert "CONFIRMED" in confirm("--decision", "CONFIRMED")
    assert gate().startswith("ALLOW\n")
    revoke = ("revoke", "--key", "confirming-officer.pem", "--trust", "trust.json")
    call(*revoke, "--out", "r1.json")
    assert gate("--revocations", "r1.json").startswith("ALLOW")
    said = call(*revoke, "c.json", "--reason", "the database was replaced", "--list", "r1.json", "--out", "r2.json")
    assert "number 2: 1 revoked" in said
    assert "the database was replaced" in gate("--revocations", "r2.json", expect=1)
    assert "older" in gate("--revocations", "r1.json", "--least-sequence", "2", expect=1)


def test_the_second_signature_can_come_later():
    confirm("--decision", "CONFIRMED", key="reviewer")
    assert "no confirming-officer signed" in gate(expect=1)
    confirm("--add-signature", "c.json", key="officer")
    assert json.loads(gate("--json"))["decision"] == "ALLOW"


def test_evidence_that_failed_is_refused_with_its_reasons_and_keeps_the_gate_shut():
    with pytest.raises(ConfirmationError, match="trial stress is FAIL"):
        confirm("--decision", "CONFIRMED", bundle="bad")
    said = confirm("--decision", "REFUSED", "--reason", "too slow", bundle="bad", expect=1)
    assert "reason: too slow" in said and "REFUSED" in said
    assert "too slow" in gate(expect=1)


def test_conditions_and_an_expected_policy_are_written_down(desk):
    due = "2099-01-01T00:00:00Z"
    confirm("--decision", "CONFIRMED_WITH_CONDITIONS", "--condition", f"C1;{due};Add; servers")
    assert "condition C1 is due at 2099-01-01T00:00:00Z: Add; servers" in gate()
    with pytest.raises(ConfirmationError, match="another policy"):
        confirm("--decision", "CONFIRMED", "--policy", "default")


def test_another_release_is_denied_with_every_difference(desk):
    confirm("--decision", "CONFIRMED")
    (desk / "other.json").write_bytes(release_of("booking", "2.1", [("new", desk / "app")]).to_bytes())
    reasons = json.loads(gate("--deployed", "other.json", "--json", expect=1))["reasons"]
    assert len(reasons) == 2


def test_files_that_can_not_be_read_are_a_denial_that_names_each(desk):
    said = call("gate", "--confirmation", "a", "--deployed", "b", "--trust", str(desk), "--revocations", "d", expect=1)
    assert said.startswith("DENY")
    assert all(f"--{name}:" in said for name in ("confirmation", "deployed", "trust", "revocations"))


def test_verify_prints_every_step_and_fails_on_a_changed_bundle(desk):
    said = call("verify", "good.seatrial", "--trust", "trust.json")
    steps = said.splitlines()[: len(TITLES)]
    assert [line.split(":")[0] for line in steps] == [f"{n}. {title}" for n, title in enumerate(TITLES, start=1)]
    assert said.splitlines()[-1] == "VERIFIED"
    (desk / "good" / "report.html").write_bytes(b"greener")
    said = call("verify", "good", "--trust", "trust.json", expect=1)
    assert "NOT VERIFIED: 1 of " in said and "report.html" in said
    assert json.loads(call("verify", "good", "--trust", "trust.json", "--json", expect=1))["ok"] is False


def test_verify_recomputes_by_the_real_function_and_believes_no_other(monkeypatch):
    monkeypatch.delitem(sys.modules, "seatrial.trials.replay")
    said = call("verify", "good.seatrial", "--trust", "trust.json", expect=1)
    # This bundle's records and plan are stand-ins, so the real recomputation can't but refuse them.
    assert "NOT VERIFIED: 1 of " in said
    assert "environment.json names another plan than plan.yaml" in said


def test_a_release_is_digested_to_standard_output_with_images():
    said = call("release", "digest", "edge=app", "--name", "b", "--version", "1", "--image", f"web=sha256:{'a' * 64}")
    assert [s.name for s in parse_release(said.strip().encode()).subjects] == ["edge/main.py", "web"]
    with pytest.raises(UsageError, match="image"):
        call("release", "digest", "app", "--name", "b", "--version", "1", "--image", "web:latest")


def test_keys_are_not_overwritten_and_need_a_passphrase_or_a_word_against_one(monkeypatch, desk):
    new = ("keys", "new", "k", "--role", "tester", "--name", "T")
    with pytest.raises(KeyFileError, match="never overwritten"):
        call("keys", "new", "tester", "--role", "tester", "--name", "T")
    monkeypatch.delenv("SEATRIAL_KEY_PASSPHRASE")
    with pytest.raises(UsageError, match="passphrase"):
        call(*new)
    assert "NOT encrypted" in call(*new, "--no-passphrase")
    load_signer(desk / "k.pem")
    with pytest.raises(KeyFileError, match="opened"):
        confirm("--decision", "CONFIRMED")


def test_trust_files_can_be_joined_and_a_stranger_may_not_confirm():
    call("keys", "new", "second", "--role", "tester", "--name", "S", "--valid-until", "2099-01-01T00:00:00Z")
    call("keys", "trust", "trust.json", "second.json", "--out", "more.json")
    assert len(load_trust(Path("more.json")).keys) == 4
    with pytest.raises(SignatureError, match="who does not confirm"):
        call(
            "confirm",
            "good",
            "--policy",
            "policy.yaml",
            "--trust",
            "trust.json",
            "--key",
            "tester.pem",
            "--out",
            "c.json",
            "--decision",
            "CONFIRMED",
        )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--decision", "WAIVED"),
        ("--decision", "confirmed"),
        (),
        ("--decision", "CONFIRMED", "--valid-until", "tomorrow"),
        ("--decision", "CONFIRMED", "--condition", "C1"),
        ("--decision", "CONFIRMED", "--condition", "C1;;text"),
        ("--add-signature", "c.json"),
        ("--decision", "CONFIRMED", "--out", "absent/c.json"),
    ],
)
def test_a_confirmation_asked_for_in_the_wrong_way_is_bad_usage(arguments):
    with pytest.raises(UsageError):
        confirm(*arguments)


def test_a_revocation_without_a_reason_is_bad_usage():
    confirm("--decision", "CONFIRMED")
    with pytest.raises(UsageError, match="reason"):
        call("revoke", "c.json", "--key", "confirming-officer.pem", "--trust", "trust.json", "--out", "r.json")
    with pytest.raises(SignatureError):
        call("revoke", "--key", "reviewer.pem", "--trust", "trust.json", "--out", "r.json")


def test_an_option_that_is_lacking_is_bad_usage():
    call("gate", "--trust", "trust.json", expect=2)
    files = ("--confirmation", "a", "--deployed", "b")
    for wrong in (files, (*files, "--trust", "t", "--revoc", "r"), (*files, "--trust", "t", "--least-sequence", "x")):
        with pytest.raises(SystemExit) as left:
            gate_entrance(wrong)
        assert left.value.code == 2


def test_a_list_is_not_begun_anew_over_the_one_that_stands():
    confirm("--decision", "CONFIRMED")
    revoke = ("revoke", "c.json", "--key", "confirming-officer.pem", "--trust", "trust.json", "--out", "r.json")
    call(*revoke, "--reason", "data was lost")
    with pytest.raises(UsageError, match="forget what it revoked"):
        call(*revoke, "--reason", "again")
    call(*revoke, "--reason", "again", "--list", "r.json")
    gate("--revocations", "r.json", expect=1)


def test_only_a_confirmation_is_revoked():
    seal = str(Path("good") / "attestations" / "test-result.dsse.json")
    with pytest.raises(EnvelopeError, match="not of type"):
        call("revoke", seal, "--key", "tester.pem", "--trust", "trust.json", "--out", "r.json", "--reason", "slip")
    assert not Path("r.json").exists()


def test_no_reason_can_look_like_the_answer():
    confirm("--decision", "REFUSED", "--reason", "too slow\nALLOW\x1b[2J", expect=1)
    said = gate(expect=1)
    assert "ALLOW" not in said.splitlines() and "\x1b" not in said


def test_evidence_is_held_to_the_default_policy_unless_the_authority_names_its_own():
    given = ["--trust", "trust.json", "--key", "reviewer.pem", "--key", "confirming-officer.pem", "--out", "c.json"]
    with pytest.raises(ConfirmationError, match="judged by another policy: sha256:"):
        call("confirm", "good", *given, "--decision", "CONFIRMED")
    assert "CONFIRMED" in call("confirm", "good", *given, "--decision", "CONFIRMED", "--policy", "policy.yaml")


def test_a_key_of_the_last_year_there_is_is_refused_in_words():
    with pytest.raises(SeatrialError, match="after the year 9999"):
        call("keys", "new", "late", "--role", "tester", "--name", "T", "--valid-from", "9999-06-01T00:00:00Z")
