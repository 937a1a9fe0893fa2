"""Test orders for tests: signed for real, with a trust file that knows the arranger."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner

from seatrial.evidence.keys import TEST_ARRANGER, TESTER, Trust, TrustedKey
from seatrial.evidence.order import TestOrder, sign_order
from seatrial.evidence.terms import Terms


def keyed(role: str, name: str) -> tuple[CryptoSigner, TrustedKey]:
    signer = CryptoSigner.generate_ed25519()
    public = signer.public_key
    period = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    return signer, TrustedKey(public.keyid, public.keytype, public.scheme, public.keyval["public"], role, name, *period)


ARRANGER, ARRANGER_KEY = keyed(TEST_ARRANGER, "Lau Mei-ling")
TESTER_SIGNER, TESTER_KEY = keyed(TESTER, "Harbour Test Ltd")
STRANGER, _ = keyed(TEST_ARRANGER, "Nobody")
TRUST = Trust((ARRANGER_KEY, TESTER_KEY))


def terms(*targets: str, **other: Any) -> Terms:
    """Return terms for an hour around now, 1,000 requests a second, from anywhere; ``other`` changes fields."""
    now = datetime.now(UTC).replace(microsecond=0)
    usual: dict[str, Any] = {
        "not_before": now - timedelta(minutes=30),
        "not_after": now + timedelta(minutes=30),
        "max_per_second": 1000.0,
        "sources": ("any",),
    }
    return Terms(targets=targets, **{**usual, **other})


def order(agreed: Terms, **other: Any) -> TestOrder:
    usual: dict[str, Any] = {
        "order_id": "TO-2026-17",
        "case": "C-2026-3",
        "contact_name": "Duty officer",
        "contact_reach": "+852 5550 0100",
        "testers": (),
        "plan_seal": None,
        "issued_at": min(datetime.now(UTC).replace(microsecond=0), agreed.not_before),
    }
    return TestOrder(terms=agreed, **{**usual, **other})


def envelope(agreed: Terms, signer: CryptoSigner = ARRANGER, **other: Any) -> bytes:
    return sign_order(order(agreed, **other), [signer])


def ordered(folder: Path, *targets: str, **other: Any) -> tuple[str, ...]:
    """Write an order for ``targets`` and a trust file into ``folder``; return the options of a run under it."""
    signer = other.pop("signer", ARRANGER)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "order.json").write_bytes(envelope(terms(*targets, **other), signer))
    (folder / "trust.json").write_bytes(TRUST.to_bytes())
    return ("--order", str(folder / "order.json"), "--trust", str(folder / "trust.json"))


def consent(agreed: Terms, tester: str = "Harbour Test Ltd") -> bytes:
    """Return the document that an owner serves."""
    document = {
        "format": "seatrial-consent/1",
        **agreed.to_object(),
        "abortContact": "Duty officer, +852 5550 0100",
        "tester": tester,
    }
    return json.dumps(document).encode()
