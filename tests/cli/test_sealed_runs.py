"""Criteria sealed first, for real: nothing else is run, and each attempt is seen in the next one's evidence."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import Done, Service, Visit, seatrial, service, stopped, write_plan

from seatrial.authoring.policies import load_policy
from seatrial.authoring.yaml_plan import load_plan
from seatrial.backends.local import LocalBackend
from seatrial.clock import SystemClock
from seatrial.errors import ConfirmationError, UsageError
from seatrial.evidence.keys import Trust, load_signer, new_key
from seatrial.model.release import Release, Subject
from seatrial.trials.documents import read_feeds
from seatrial.trials.execute import RunOptions, execute
from seatrial.trials.observer import SilentObserver
from seatrial.trials.sealed import seal_plan

ROLES = ("tester", "test-arranger", "reviewer", "confirming-officer")
FED = ("  visit: {steps: [{get: /, name: front page}]}",
       "  visit: {feed: {who: who.csv}, steps: [{get: '/?${who.id}', name: front page}]}")  # fmt: skip
RELEASE = Release("A visit", "1", (Subject("app", "a" * 64),))


class Fickle(Visit):
    """Answers ``ok``, or an error for as long as its server is told to."""

    def do_GET(self) -> None:
        if getattr(self.server, "broken", False):
            self.send_error(500)
        else:
            super().do_GET()


@pytest.fixture(scope="module")
def booth() -> Iterator[Service]:
    with service(visit=Fickle) as server:
        yield server


def office(folder: Path, target: str, *changes: tuple[str, str]) -> Path:
    """Lay out keys, trust file, release, plan and feed in a folder."""
    write_plan(folder, target, FED, *changes)
    (folder / "who.csv").write_text("\n".join(["id", *(f"p{n:03}" for n in range(400)), ""]))
    (folder / "release.json").write_bytes(RELEASE.to_bytes())
    now = SystemClock().now()
    entries = [
        new_key(
            folder / f"{role}.pem",
            role=role,
            name=f"The {role}",
            valid_from=now - timedelta(hours=1),
            valid_until=now + timedelta(days=1),
            passphrase=None,
        )
        for role in ROLES
    ]
    (folder / "trust.json").write_bytes(Trust(tuple(entries)).to_bytes())
    return folder


SEAL = ("plan", "seal", "plan.yaml", "--policy", "policy.yaml", "--release", "release.json", "--key",
        "test-arranger.pem", "--out", "seal.json")  # fmt: skip
RUN = ("run", "plan.yaml", "--policy", "policy.yaml", "--release", "release.json", "--key", "tester.pem", "--seal",
       "seal.json", "--trust", "trust.json", "--workers", "1", "--out")  # fmt: skip
CONFIRM = ("--trust", "trust.json", "--policy", "policy.yaml", "--decision", "CONFIRMED", "--key", "reviewer.pem",
           "--key", "confirming-officer.pem", "--out", "confirmation.json")  # fmt: skip


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "attempts.jsonl").read_bytes().splitlines()]


@pytest.fixture(scope="module")
def told(booth: Service, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Done]]:
    """Three attempts on one seal: one fails, one is killed, one passes."""
    folder = office(tmp_path_factory.mktemp("sealed"), booth.url, ("for: 1s", "for: 1500ms"))
    done = {"seal": seatrial(*SEAL, cwd=folder)}
    assert done["seal"].code == 0, done["seal"].err
    booth.broken = True  # type: ignore[attr-defined]
    done["first"] = seatrial(*RUN, "one", cwd=folder)
    asked = len(booth.times)
    booth.broken = False  # type: ignore[attr-defined]
    done["killed"] = stopped(
        lambda process: os.killpg(process.pid, signal.SIGKILL),
        *RUN,
        "two",
        until=lambda: len(booth.times) > asked,
        cwd=folder,
    )
    done["third"] = seatrial(*RUN, "three", cwd=folder)
    return folder, done


def test_a_seal_says_what_it_binds(told):
    said = told[1]["seal"]
    assert said.code == 0, said.err
    for part in ("plan.yaml", "plan.json", "policy.json", "release.json", "feed visit.who"):
        assert f"  {part}  sha256:" in said.out
    again = seatrial(*SEAL, cwd=told[0])
    assert again.code == 2 and "never overwritten" in again.err


def test_a_fail_and_a_killed_run_are_in_the_evidence_of_the_attempt_that_passes(told):
    folder, done = told
    assert done["first"].code == 1 and "Attempt 1 of this seal" in done["first"].out, done["first"].err
    assert done["killed"].code == -signal.SIGKILL
    assert done["third"].code == 0, done["third"].out + done["third"].err
    assert "Attempt 3 of this seal; attempts 1 and 2: FAIL, not ended" in done["third"].out
    verdict = json.loads((folder / "three" / "verdict.json").read_bytes())
    assert verdict["verdict"] == "PASS" and verdict["attempt"]["number"] == 3
    first, second = verdict["attempt"]["earlier"]
    assert (first["verdict"], first["ending"], first["bundle"]) == ("FAIL", "completed", "one")
    assert first["evidence"] in done["first"].out
    assert (second["verdict"], second["ending"], second["evidence"]) == (None, None, None)
    lines = log_of(folder / "three")
    assert [(line["event"], line["attempt"]) for line in lines] == [
        ("started", 1), ("ended", 1), ("started", 2), ("started", 3)
    ]  # fmt: skip
    page = (folder / "three" / "report.html").read_text()
    # Under the verdict, where a reader with one minute looks, and above the list of all attempts.
    assert page.count("Attempt 3 of this seal; attempts 1 and 2: FAIL, not ended") == 2 and first["evidence"] in page


def test_the_report_lists_every_earlier_attempt_in_chinese_too(told):
    folder, _ = told
    done = seatrial("report", "three", "--html", "zh.html", "--lang", "zh-Hant", cwd=folder)
    assert done.code == 0, done.err
    page = (folder / "zh.html").read_text()
    assert "此封存準則下的第 3 次嘗試；第 1 及 2 次：不通過、未有結束記錄" in page


def test_the_verifier_follows_seal_and_log(told):
    folder, _ = told
    done = seatrial("verify", "three", "--trust", "trust.json", cwd=folder)
    assert done.code == 0, done.out
    assert "by test-arranger The test-arranger at " in done.out
    assert "attempt 3 of this seal; 1 and 2: FAIL, not ended" in done.out


def test_no_best_of_a_pass_after_a_fail_is_confirmed_only_with_a_reason_which_is_written_down(told):
    folder, _ = told
    refused = seatrial("confirm", "three", *CONFIRM, cwd=folder)
    assert refused.code != 0 and not (folder / "confirmation.json").exists()
    assert "earlier attempts on this seal did not pass (number 1 and 2: FAIL, not ended)" in refused.err
    why = "the service's own rack had lost power, see report 7"
    done = seatrial("confirm", "three", *CONFIRM, "--earlier-attempts", why, cwd=folder)
    assert done.code == 0, done.err
    assert f"(number 1 and 2: FAIL, not ended), and don't count because: {why}" in done.out


def test_a_killed_run_that_is_recovered_gets_its_end_in_the_log(told):
    folder, _ = told
    done = seatrial("recover", "two", "--key", "tester.pem", cwd=folder)
    assert done.code == 4 and "unlogged" not in done.out, done.out + done.err
    end = log_of(folder)[-1]
    assert (end["event"], end["attempt"], end["verdict"], end["ending"]) == ("ended", 2, "INVALID", "killed")
    assert end["evidence"] in done.out


@pytest.fixture
def sealed(booth: Service, tmp_path: Path) -> tuple[Path, Callable[..., Any]]:
    """A sealed plan, and how to run it in this process; ``before`` the run, something is changed."""
    folder = office(tmp_path, booth.url)
    seal(folder, "test-arranger")

    def run(**options: Any) -> Any:
        given: dict[str, Any] = {
            "out": folder / "bundle",
            "workers": 1,
            "release": (folder / "release.json").read_bytes(),
            "signers": (load_signer(folder / "tester.pem"),),
            "trust_python": False,
            "command": sys.argv,
            "seal": (folder / "seal.json").read_bytes(),
            "attempts": folder / "attempts.jsonl",
            "trust": trust_of(folder),
        } | options
        loaded, rules = load_plan(folder / "plan.yaml"), load_policy(str(folder / "policy.yaml"))
        return execute(loaded, rules, RunOptions(**given), LocalBackend, SilentObserver(), SystemClock())

    return folder, run


def trust_of(folder: Path) -> Trust:
    from seatrial.evidence.keys import load_trust

    return load_trust(folder / "trust.json")


def seal(folder: Path, role: str) -> None:
    loaded, rules = load_plan(folder / "plan.yaml"), load_policy(str(folder / "policy.yaml"))
    release, signers = (folder / "release.json").read_bytes(), [load_signer(folder / f"{role}.pem")]
    now = SystemClock().now()
    (folder / "seal.json").write_bytes(seal_plan(loaded, rules, release, read_feeds(loaded), signers, now))


def change(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("plan.yaml", "p50 response time <= 1s", "p50 response time <= 2s", ("plan.yaml", "plan.json")),
        ("plan.yaml", "title: A visit", "title: A visit  # the same", ("plan.yaml",)),
        ("policy.yaml", "unsent: 0.5", "unsent: 0.9", ("policy.json",)),
        ("release.json", '"version":"1"', '"version":"2"', ("release.json",)),
        ("who.csv", "p399", "eve", ("feed visit.who",)),
    ],
)
def test_anything_else_than_was_sealed_is_refused_before_anything_is_sent(sealed, booth, name, old, new, said):
    folder, run = sealed
    change(folder, name, old, new)
    asked = len(booth.times)
    with pytest.raises(UsageError, match="not what was sealed") as refused:
        run()
    for part in said:
        assert f"{part} was sealed as sha256:" in str(refused.value)
    assert str(refused.value).count("was sealed as") == len(said)
    assert len(booth.times) == asked and not (folder / "bundle").exists() and not (folder / "attempts.jsonl").exists()


def test_a_seal_by_somebody_who_may_not_seal_is_refused(sealed):
    folder, run = sealed
    seal(folder, "reviewer")
    with pytest.raises(UsageError, match="neither a tester nor a test-arranger"):
        run()
    seal(folder, "tester")
    with pytest.raises(UsageError, match="without a trust file"):
        run(trust=None)
    stranger = Trust(tuple(key for key in trust_of(folder).keys if key.role != "tester"))
    with pytest.raises(UsageError, match="trusted key"):
        run(trust=stranger)


@pytest.mark.parametrize("harm", ["cut", "changed", "other"])
def test_a_log_that_is_broken_or_of_another_seal_is_refused_before_anything_is_sent(sealed, booth, harm):
    folder, run = sealed
    result = run()
    assert result.verdict.attempt.number == 1 and result.unlogged == ""
    log = folder / "attempts.jsonl"
    if harm == "cut":
        log.write_bytes(log.read_bytes()[:-30])
    elif harm == "changed":
        log.write_bytes(log.read_bytes().replace(b'"PASS"', b'"FAIL"'))
    else:
        seal(folder, "tester")
    asked = len(booth.times)
    said = {"cut": "is cut", "changed": "was changed", "other": "but the seal is"}[harm]
    with pytest.raises(UsageError, match=said):
        run(out=folder / "again")
    assert len(booth.times) == asked and not (folder / "again").exists()


def test_a_run_without_a_seal_is_run_but_never_confirmed(sealed):
    from seatrial.confirmation.confirm import ConfirmationRequest, confirm, digest_of
    from seatrial.confirmation.statement import Ruling
    from seatrial.evidence.verifier import verify_bundle
    from seatrial.trials.replay import replay_bytes

    folder, run = sealed
    result, now = run(seal=None, attempts=None), SystemClock().now()
    assert result.verdict.attempt is None
    report = verify_bundle(result.bundle, trust_of(folder), now, replay_bytes)
    assert report.ok, report.failures
    digest = digest_of(load_policy(str(folder / "policy.yaml")).policy)
    request = ConfirmationRequest(Ruling.CONFIRMED, now + timedelta(days=9), digest)
    signers = [load_signer(folder / f"{role}.pem") for role in ROLES[2:]]
    with pytest.raises(ConfirmationError, match="the criteria were not sealed before the trial"):
        confirm(report, request, signers, trust_of(folder), now)
