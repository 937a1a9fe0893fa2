"""The verifier's step on the permission: a load beyond loopback stands on an order or a consent, and kept within it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.ordering import STRANGER, TESTER_KEY, TESTER_SIGNER, TRUST, consent, envelope, terms

from seatrial.clock import to_rfc3339
from seatrial.errors import EvidenceError
from seatrial.evidence.canonical import sha256_hex
from seatrial.evidence.checks.base import Check, NotApplicableError
from seatrial.evidence.checks.order import MOST_LATE_SECONDS, load_was_authorised
from seatrial.evidence.manifest import parse_manifest, write_manifest
from seatrial.verdict.inputs import RECORD_SCHEMA

STARTED = datetime.now(UTC).replace(microsecond=0)
PLACE = "192.0.2.10:8080"
EVEN = np.arange(0, 60, 1 / 40)
"""Seconds at which 40 requests a second are sent for a minute."""


@dataclass
class Bundle:
    """What the step looks at; a test changes what it likes."""

    folder: Path
    target: str = f"http://{PLACE}"
    addresses: list[str] = field(default_factory=lambda: ["192.0.2.10"])
    proxy: str | None = None
    name: str | None = "order.json"
    document: bytes = b""
    sources: list[str] = field(default_factory=lambda: ["192.0.2.1"])
    sent: np.ndarray = field(default_factory=lambda: EVEN)
    stated: dict[str, Any] | None = None
    sealed_by: tuple[Any, ...] = (TESTER_KEY,)
    pages: tuple[str, ...] = ()

    def checked(self) -> str:
        """Return what the step says of the bundle; raises as it does."""
        if len(self.sent):
            times = (np.asarray(self.sent) * 1e9).astype(np.int64)
            nothing = {name: pl.zeros(len(times), kind, eager=True) for name, kind in RECORD_SCHEMA.items()}
            part = self.folder / "records" / "01-load" / "part-0000.parquet"
            part.parent.mkdir(parents=True)
            pl.DataFrame(nothing | {"sent_ns": pl.Series(times)}).cast(dict(RECORD_SCHEMA)).write_parquet(part)  # type: ignore[arg-type]
        (self.folder / "plan.yaml").write_text("seatrial: 1\n")
        environment: dict[str, Any] = {"started_at": to_rfc3339(STARTED), "target_addresses": self.addresses}
        if self.name is not None:
            (self.folder / self.name).write_bytes(self.document)
            usual = {"kind": "order", "sha256": sha256_hex(self.document), "source_addresses": self.sources}
            environment["permission"] = usual if self.stated is None else self.stated
        write_manifest(self.folder)
        manifest = parse_manifest((self.folder / "manifest.json").read_bytes())
        plan: dict[str, Any] = {"target": self.target} | ({"proxy": self.proxy} if self.proxy else {})
        if self.pages:
            plan["telemetry"] = {"sources": {f"page{n}": {"prometheus": page} for n, page in enumerate(self.pages)}}
        check = Check(self.folder, TRUST, STARTED + timedelta(hours=1), None, manifest)
        check.documents = {"plan.json": plan, "environment.json": environment}
        check.sealed_by = self.sealed_by
        return load_was_authorised(check)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle(tmp_path, document=envelope(terms(PLACE, max_per_second=40.0)))


def test_a_load_within_its_order_passes_and_names_it(bundle: Bundle) -> None:
    said = bundle.checked()
    assert "test order TO-2026-17, case C-2026-3" in said
    assert "at most 40 requests/s, busiest second 40" in said


def test_a_load_under_a_consent_passes_and_is_said_to_be_unsigned(bundle: Bundle) -> None:
    bundle.name, bundle.document = "consent.json", consent(terms(PLACE))
    assert "an unsigned consent that the target served for Harbour Test Ltd" in bundle.checked()


def test_loopback_without_a_permission_is_not_asked_for_one(tmp_path: Path) -> None:
    with pytest.raises(NotApplicableError):
        Bundle(tmp_path, "http://localhost:1", ["127.0.0.1", "::1"], name=None).checked()


def test_a_run_that_sent_nothing_needs_none(tmp_path: Path) -> None:
    with pytest.raises(NotApplicableError, match="nothing was sent"):
        Bundle(tmp_path, addresses=[], name=None, sent=np.zeros(0)).checked()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no permission": ({"name": None}, "holds neither order.json nor consent.json"),
    "no permission, and no address stated": ({"name": None, "addresses": []}, "holds neither"),
    "a name of loopback that led elsewhere": ({"name": None, "target": "http://localhost"}, "holds neither"),
    "loopback behind a proxy elsewhere": (
        {"target": "http://127.0.0.1:1", "proxy": "http://192.0.2.10:8080"}, "127.0.0.1:1 is not among the targets",
    ),
    "another target": ({"document": envelope(terms("192.0.2.11:8080"))}, "is not among the targets"),
    "a stranger's signature": ({"document": envelope(terms(PLACE), STRANGER)}, "none of the signatures"),
    "the tester's own signature": ({"document": envelope(terms(PLACE), TESTER_SIGNER)}, "who has no part in this"),
    "begun before the window": (
        {"document": envelope(terms(PLACE, not_before=STARTED + timedelta(seconds=1)), issued_at=STARTED)},
        "outside the permitted window",
    ),
    "begun after the window": (
        {"document": envelope(terms(PLACE, not_after=STARTED))}, "outside the permitted window",
    ),
    "sent beyond the window": (
        {"document": envelope(terms(PLACE, not_after=STARTED + timedelta(seconds=59 - MOST_LATE_SECONDS)))},
        "beyond the permitted window",
    ),
    "too fast": ({"document": envelope(terms(PLACE, max_per_second=30.0))}, "more was sent than the permitted 30"),
    "a burst": ({"sent": np.sort(np.concatenate((EVEN, np.full(100, 30.5))))}, "more was sent than the permitted 40"),
    "from elsewhere": (
        {"document": envelope(terms(PLACE, sources=("192.0.2.2",)))}, "the load came from 192.0.2.1",
    ),
    "from no address": ({"sources": []}, "does not say where the load came from"),
    "from nobody knows where": ({"sources": None}, "does not say where the load came from"),
    "from what is no address": ({"sources": ["x"], "document": envelope(terms(PLACE, sources=("192.0.2.2",)))}, "none"),
    "another permission than was stated": ({"stated": {"sha256": "0" * 64, "source_addresses": []}}, "names another"),
    "no permission stated": ({"stated": {}}, "names another permission than order.json"),
    "another tester": (
        {"document": envelope(terms(PLACE), testers=("a" * 64,))}, "not sealed by the keys that the permission names",
    ),
    "nobody's seal": (
        {"document": envelope(terms(PLACE), testers=(TESTER_KEY.fingerprint,)), "sealed_by": ()}, "not sealed by",
    ),
    "without the plan's seal": ({"document": envelope(terms(PLACE), plan_seal="b" * 64)}, "under the plan's seal"),
    "an order that was issued when the run had begun": (
        {"document": envelope(terms(PLACE), issued_at=STARTED + timedelta(seconds=1))}, "after the run began",
    ),
    "an address elsewhere that is said to lead to loopback": (
        {"name": None, "addresses": ["127.0.0.1"]}, "holds neither",
    ),
    "figures from an address that nobody permitted": (
        {"pages": ("http://192.0.2.10:9100/metrics", "http://192.0.2.99:9100/metrics")},
        "the telemetry page1 is beyond this machine, and 192.0.2.99:9100 is not among the targets",
    ),
    "figures from elsewhere in a trial of loopback": (
        {"name": None, "target": "http://127.0.0.1:1", "addresses": ["127.0.0.1"], "pages": ("http://192.0.2.9/m",)},
        "holds neither",
    ),
    "no consent": ({"name": "consent.json", "document": b"{}"}, "fields missing or unknown"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_load_that_nobody_permitted_so_fails(case: str, bundle: Bundle) -> None:
    changes, said = WRONG[case]
    for name, value in changes.items():
        setattr(bundle, name, value)
    with pytest.raises(EvidenceError) as raised:
        bundle.checked()
    assert said in str(raised.value)


def test_both_an_order_and_a_consent_are_refused(bundle: Bundle) -> None:
    (bundle.folder / "consent.json").write_bytes(consent(terms(PLACE)))
    with pytest.raises(EvidenceError, match="both"):
        bundle.checked()


def test_what_is_sent_a_moment_after_the_window_is_let_pass(bundle: Bundle) -> None:
    ends = STARTED + timedelta(seconds=61 - MOST_LATE_SECONDS)
    bundle.document = envelope(terms(PLACE, not_after=ends, max_per_second=40.0))
    bundle.checked()


def test_figures_may_be_read_from_the_target_s_host_this_machine_and_what_the_order_names(bundle: Bundle) -> None:
    bundle.document = envelope(terms(PLACE, "192.0.2.99:80"))
    bundle.pages = ("http://192.0.2.10:9100/metrics", "http://localhost:9100/metrics", "http://192.0.2.99/metrics")
    bundle.checked()


def test_an_order_may_be_issued_in_the_second_in_which_the_run_began(bundle: Bundle) -> None:
    bundle.document = envelope(terms(PLACE), issued_at=STARTED)
    bundle.checked()


def test_an_order_names_the_tester_s_key(bundle: Bundle) -> None:
    bundle.document = envelope(terms(PLACE), testers=(TESTER_KEY.fingerprint,))
    bundle.checked()
