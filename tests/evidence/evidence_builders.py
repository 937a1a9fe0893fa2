"""What the tests of this room build with: a whole small bundle, keys and a trust file."""

import json
from datetime import UTC, datetime
from pathlib import Path

from securesystemslib.signer import CryptoSigner

from seatrial.clock import to_rfc3339
from seatrial.evidence.attempts import ATTEMPTS, AttemptsLog, read_attempt
from seatrial.evidence.canonical import canonical_bytes, sha256_hex
from seatrial.evidence.chain import ChainWriter
from seatrial.evidence.envelope import sign
from seatrial.evidence.keys import CONFIRMING_OFFICER, REVIEWER, TESTER, Trust, TrustedKey
from seatrial.evidence.plan_seal import SEAL, PlanSeal, criteria_in_bundle
from seatrial.evidence.seal import seal
from seatrial.model.policy import Policy
from seatrial.model.release import Release, Subject

NOW = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
VALID_FROM = datetime(2026, 1, 1, tzinfo=UTC)
VALID_UNTIL = datetime(2027, 1, 1, tzinfo=UTC)
RELEASE = Release("booking", "2.1", (Subject("app/main.py", "a" * 64), Subject("image", "b" * 64)))


def keyed(role: str, name: str, **period: datetime) -> tuple[CryptoSigner, TrustedKey]:
    signer = CryptoSigner.generate_ed25519()
    public = signer.public_key
    return signer, TrustedKey(
        public.keyid,
        public.keytype,
        public.scheme,
        public.keyval["public"],
        role,
        name,
        period.get("valid_from", VALID_FROM),
        period.get("valid_until", VALID_UNTIL),
    )


TESTER_SIGNER, TESTER_KEY = keyed(TESTER, "Harbour Test Ltd")
REVIEWER_SIGNER, REVIEWER_KEY = keyed(REVIEWER, "Wong Siu-ming")
OFFICER_SIGNER, OFFICER_KEY = keyed(CONFIRMING_OFFICER, "Chan Tai-man")
STRANGER_SIGNER, STRANGER_KEY = keyed(TESTER, "Nobody")
TRUST = Trust((TESTER_KEY, REVIEWER_KEY, OFFICER_KEY))

ENVIRONMENT = {"host": "generator-1", "feeds": {}, "uploads": {}, "code": {}}

LIMITS = ["p95 response time <= 2s", "errors <= 0.1%"]
PLAN = {
    "seatrial": 1,
    "title": "Booking",
    "target": "http://127.0.0.1:8080",
    "demand": {"peak": "40/s"},
    "journeys": {"book": {"steps": [{"get": "/"}]}},
    "trials": [
        {"kind": "load", "at": "1 P", "for": "60m", "objectives": LIMITS},
        {"kind": "stress", "from": "1 P", "to": "3 P", "step": "1 P", "hold": "30s",
         "objectives": ["errors <= 1%", "capacity >= 2 P"]},
    ],
}  # fmt: skip
POLICY = {
    "policy": 1,
    "title": "A policy",
    "acceptance": {
        "sealed_by": "tester",
        "mandatory": [
            {"kind": "load", "at_least": "1 P", "hold": "60m", "objectives": LIMITS},
            {"kind": "stress", "at_least": "2 P", "hold": "30s", "objectives": ["capacity >= 2 P"]},
        ],
    },
}

POLICY_DIGEST = sha256_hex(canonical_bytes(Policy.model_validate(POLICY).as_document()))


def verdict_document(
    verdict: str = "PASS", trials: tuple[tuple[str, str, str], ...] = (("load", "load", "PASS"),)
) -> dict[str, object]:
    return {
        "verdict": verdict,
        "reasons": [] if verdict == "PASS" else [{"code": "errors", "text": "errors 3 % > 0.1 %"}],
        "trials": [{"name": n, "kind": k, "verdict": v, "reasons": [], "capacity": None} for n, k, v in trials],
    }


def make_bundle(
    directory: Path,
    *,
    verdict: dict[str, object] | None = None,
    plan: dict[str, object] | None = None,
    release: Release | None = RELEASE,
    sealed: bool = True,
    signer: CryptoSigner = TESTER_SIGNER,
    now: datetime = NOW,
    plan_sealed: bool = True,
    earlier: tuple[tuple[str, str] | None, ...] = (),
) -> Path:
    """Make a bundle; ``earlier`` are the attempts before it on its plan's seal: (verdict, ending), None: not ended."""
    directory.mkdir(parents=True, exist_ok=True)
    parts = {
        "plan.yaml": b"seatrial: 1\ntitle: Booking\n",
        "plan.json": canonical_bytes(plan or PLAN),
        "policy.json": canonical_bytes(Policy.model_validate(POLICY).as_document()),
        "environment.json": canonical_bytes(ENVIRONMENT | {"started_at": to_rfc3339(now)}),
        "journal.jsonl": b'{"at_ns":0,"event":"started"}\n{"at_ns":9,"event":"ended"}\n',
        "verdict.json": canonical_bytes(verdict or verdict_document()),
        "report.html": b"<!doctype html><title>Booking</title>",
        "records/load/part-0000.parquet": bytes(range(256)),
        "records/load/part-0001.parquet": b"PAR1 second part",
        "health/load.parquet": b"PAR1 health",
        "diagnostics/load.jsonl": b"{}\n",
    }
    if release is not None:
        parts["release.json"] = release.to_bytes()
    for path, data in parts.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(data)
    if plan_sealed:
        attempt = seal_the_plan(directory, release, signer, now, earlier)
        if "attempt" not in (verdict or {}):
            (directory / "verdict.json").write_bytes(
                canonical_bytes({**(verdict or verdict_document()), "attempt": attempt})
            )
    ChainWriter(directory).close()
    if sealed:
        seal(directory, [signer], now)
    return directory


def seal_the_plan(
    directory: Path, release: Release | None, signer: CryptoSigner, now: datetime, earlier: tuple = ()
) -> dict[str, object]:
    """Write ``seal.json`` and ``attempts.jsonl`` as a run under a seal does, and return the verdict's ``attempt``."""
    criteria = criteria_in_bundle(directory, {})
    subjects = release.subjects if release else (Subject("plan.yaml", criteria.documents["plan.yaml"]),)
    statement = PlanSeal("5ea1" * 8, now, criteria, subjects).to_statement().to_bytes()
    (directory / SEAL).write_bytes(sign(statement, [signer]))
    path = directory / ATTEMPTS
    log = AttemptsLog(path, sha256_hex(statement))
    for number, end in enumerate(earlier, start=1):
        start = log.start(f"attempt-{number}", now)
        if end is not None:
            log.end(start, now, evidence=sha256_hex(start.bundle.encode()), verdict=end[0], ending=end[1])
    line = log.start(directory.name, now)
    log.close()
    environment = json.loads((directory / "environment.json").read_bytes())
    environment["attempt"] = {"number": line.attempt, "line": line.digest, "log": "attempts.jsonl"}
    (directory / "environment.json").write_bytes(canonical_bytes(environment))
    return read_attempt(directory).model_dump(mode="json")


def recompute_as_sealed(directory: Path) -> bytes:
    """Stand for the recomputation: this room is given it, and does not own it."""
    return canonical_bytes(json.loads((directory / "verdict.json").read_bytes()))


PASSED = verdict_document("PASS", (("load", "load", "PASS"), ("stress", "stress", "PASS")))
