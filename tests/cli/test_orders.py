"""``seatrial order``, a run under one, and its verification: as people do it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.cli.running import seatrial, service, write_plan

pytestmark = pytest.mark.real
RUN = ("run", "plan.yaml", "--policy", "policy.yaml", "--out", "bundle", "--json", "--workers", "1")


def keys(folder: Path) -> None:
    """Write the keys of an arranger and a tester, and the trust file that knows them."""
    for role in ("test-arranger", "tester"):
        made = seatrial("keys", "new", role, "--role", role, "--name", f"The {role}", "--no-passphrase", cwd=folder)
        assert made.code == 0, made.err
    public = sorted(path.name for path in folder.glob("*.json"))
    joined = seatrial("keys", "trust", *public, "--out", "trust.json", cwd=folder)
    assert joined.code == 0, joined.err


def new_order(folder: Path, target: str, *more: str) -> None:
    now = datetime.now(UTC)
    window = [f"{now + timedelta(minutes=part):%Y-%m-%dT%H:%M:%SZ}" for part in (-5, 30)]
    (key,) = folder.glob("test-arranger*.pem")
    what = ("--id", "TO-1", "--case", "C-9", "--target", target, "--not-before", window[0], "--not-after", window[1])
    who = ("--contact", "Duty officer", "--reach", "+852 5550 0100", "--key", key, "--out", "order.json")
    done = seatrial("order", "new", *what, "--max-rate", 60, "--source", "any", *who, *more, cwd=folder)
    assert done.code == 0, done.err
    assert "rate      at most 60 requests per second" in done.out


def test_an_order_is_made_shown_run_under_and_verified(tmp_path: Path) -> None:
    keys(tmp_path)
    (tester,) = [path for path in tmp_path.glob("tester*") if path.suffix == ".json"]
    (key,) = tmp_path.glob("tester*.pem")
    with service() as server:
        place = server.url.removeprefix("http://")
        new_order(tmp_path, place, "--tester", tester.name)
        shown = seatrial("order", "show", "order.json", "--trust", "trust.json", "--json", cwd=tmp_path)
        assert shown.json["targets"] == [place]
        assert shown.json["abortContact"] == {"name": "Duty officer", "reach": "+852 5550 0100"}
        write_plan(tmp_path, server.url)
        permitted = (*RUN, "--order", "order.json", "--trust", "trust.json")
        unsigned = seatrial(*permitted, cwd=tmp_path)
        assert (unsigned.code, "another tester's" in unsigned.err) == (2, True), unsigned.err
        assert server.times == []
        assert not (tmp_path / "bundle").exists()
        done = seatrial(*permitted, "--key", key, cwd=tmp_path)
        assert (done.code, done.json["verdict"]) == (0, "PASS"), done.err
    verified = seatrial("verify", "bundle", "--trust", "trust.json", cwd=tmp_path)
    assert verified.code == 0, verified.out + verified.err
    (line,) = [line for line in verified.out.splitlines() if "the load was authorised" in line]
    assert "passed - test order TO-1, case C-9" in line
    (tmp_path / "bundle" / "order.json").unlink()
    assert seatrial("verify", "bundle", "--trust", "trust.json", cwd=tmp_path).code == 1


def test_an_order_that_names_a_seal_permits_no_run_without_it(tmp_path: Path) -> None:
    keys(tmp_path)
    (tmp_path / "seal.json").write_text("{}")
    with service() as server:
        new_order(tmp_path, server.url.removeprefix("http://"), "--plan-seal", "seal.json")
        write_plan(tmp_path, server.url)
        done = seatrial(*RUN, "--order", "order.json", "--trust", "trust.json", cwd=tmp_path)
        assert (done.code, "permits runs under one seal" in done.err) == (2, True), done.err
        assert server.times == []


def test_an_order_that_a_tester_wrote_is_not_shown(tmp_path: Path) -> None:
    keys(tmp_path)
    new_order(tmp_path, "booking.example.gov:443")
    changed = json.loads((tmp_path / "trust.json").read_text())
    for entry in changed["keys"]:
        entry["role"] = "tester"
    (tmp_path / "trust.json").write_text(json.dumps(changed))
    done = seatrial("order", "show", "order.json", "--trust", "trust.json", cwd=tmp_path)
    assert (done.code, "no test-arranger signed" in done.err) == (1, True), done.err
