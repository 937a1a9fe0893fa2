"""The entry of the command: what an error, a defect and a reader that leaves end as."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.cli.running import SEATRIAL

from seatrial import errors
from seatrial.cli import app, exit_codes, main

CODES = {
    errors.UsageError("x"): 2,
    errors.PlanError([errors.Problem("x", "plan.yaml:1", None, "y")]): 2,
    errors.PolicyError([errors.Problem("x", "policy.yaml:1", None, "y")]): 2,
    errors.NotAuthorisedError("x"): 2,
    errors.KeyFileError("x"): 2,
    errors.TargetError("x"): 4,
    errors.EngineError("x"): 4,
    errors.WorkerLostError("x"): 4,
    errors.RecordingError("x"): 4,
    errors.BundleError("x"): 1,
    errors.SignatureError("x"): 1,
    errors.ConfirmationError("x"): 1,
    errors.InterruptedRunError("x"): 5,
    errors.SeatrialError("x"): 1,
}


def leave_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    def app_that_fails(**_: object) -> None:
        raise error

    monkeypatch.setattr(app, "app", app_that_fails)
    monkeypatch.setattr(sys, "argv", ["seatrial", "run", "plan.yaml"])
    with pytest.raises(SystemExit) as left:
        main.main()
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.mark.parametrize("error", CODES, ids=lambda error: type(error).__name__)
def test_every_error_has_its_exit_code_and_one_message(monkeypatch, capsys, error):
    assert exit_codes.of_error(error) == CODES[error]
    assert leave_with(monkeypatch, error) == CODES[error]
    said = capsys.readouterr()
    assert said.out == ""
    assert len([line for line in said.err.splitlines() if line.startswith("seatrial: ")]) == 1


def test_every_verdict_has_its_exit_code():
    assert exit_codes.OF_VERDICT == {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3, "INVALID": 4}


def test_a_defect_of_the_program_is_never_a_fail_of_the_service(monkeypatch, capsys):
    assert leave_with(monkeypatch, ZeroDivisionError("of ours")) == 4
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "a defect of this program, not of the service: ZeroDivisionError('of ours')" in said


def test_an_interrupt_ends_with_five_and_without_a_traceback(monkeypatch, capsys):
    assert leave_with(monkeypatch, KeyboardInterrupt()) == 5
    assert capsys.readouterr().err == "seatrial: interrupted\n"


def test_a_reader_that_leaves_early_is_no_defect():
    with subprocess.Popen(
        [*SEATRIAL, "plan", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 1


@pytest.mark.parametrize("arguments", [["no-such-command"], ["run"], ["run", "--no-such-option", "plan.yaml"]])
def test_bad_usage_is_one_line_that_says_where_help_is(arguments):
    done = subprocess.run([*SEATRIAL, *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("seatrial: ")
    assert "--help" in line


@pytest.mark.parametrize("command", [["verify", "."], ["run"]], ids=["an option", "an argument"])
def test_what_is_missing_is_said_in_one_sentence(command: list[str]) -> None:
    done = subprocess.run([*SEATRIAL, *command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("seatrial: Missing ")
    assert ".." not in done.stderr


@pytest.mark.parametrize("command", ["check", "schema", "curve", "demand", "from-logs"])
def test_help_is_for_people_and_not_for_programmers(command: str) -> None:
    done = subprocess.run(
        [*SEATRIAL, "plan", command, "--help"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert "Raises" not in done.stdout
