"""Loads beyond loopback: test orders, owners' consents, and what a run under them may not do.

Every network here is a namespace that the test makes: the generator's own, whose one interface also has an address
beyond loopback, at which the test's service listens.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import Service, Visit, seatrial, wait_for, write_plan
from tests.ordering import STRANGER, TESTER_SIGNER, TRUST, consent, envelope, ordered, terms

from seatrial.authoring.policies import load_policy
from seatrial.authoring.yaml_plan import load_plan
from seatrial.backends.local import LocalBackend
from seatrial.cli.live import OnlyFailures
from seatrial.clock import SystemClock
from seatrial.errors import NotAuthorisedError, PermissionEndedError
from seatrial.trials.execute import RunOptions, execute
from seatrial.trials.finish import RunResult

pytestmark = pytest.mark.real
ROOT = str(Path(__file__).parents[2])
HOST = "192.0.2.10"
OTHER = "192.0.2.11"
CONSENT = "/.well-known/seatrial-consent.json"
RUN = ("run", "plan.yaml", "--policy", "policy.yaml", "--out", "bundle", "--json", "--workers", "1")
ELSEWHERE = """
import fcntl, pathlib, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    for alias, address in (("lo:1", "192.0.2.10"), ("lo:2", "192.0.2.11")):  # SIOCSIFADDR
        at = struct.pack("16sHH4s8x", alias.encode(), socket.AF_INET, 0, socket.inet_aton(address))
        fcntl.ioctl(any_socket, 0x8916, at)
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 0x41))  # SIOCSIFFLAGS, IFF_UP | IFF_RUNNING
sys.path.insert(0, sys.argv[1])
import tests.cli.test_authorisation as those
getattr(those, sys.argv[3])(pathlib.Path(sys.argv[2]))
"""
"""In a network of its own, whose interface has two addresses beyond loopback besides."""


class Owner(Visit):
    """Answers ``ok``, or as its server says for a path; notes every path that is asked for."""

    def do_GET(self) -> None:
        self.server.paths.append(self.path)  # type: ignore[attr-defined]
        status, body = self.server.shown.get(self.path, (200, b"ok"))  # type: ignore[attr-defined]
        if self.path == "/slow":
            threading.Event().wait(3)
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere.json")
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Place(Service):
    """A service at an address beyond loopback."""

    def __init__(self) -> None:
        ThreadingHTTPServer.__init__(self, (HOST, 0), Owner)
        self.times: list[float] = []
        self.paths: list[str] = []
        self.shown: dict[str, tuple[int, bytes]] = {CONSENT: (404, b"")}
        self.name = f"{HOST}:{self.server_port}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


def elsewhere(folder: Path, what: str) -> None:
    begin = ("unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", ELSEWHERE)
    done = subprocess.run([*begin, ROOT, str(folder), what], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def refused(folder: Path, place: Place, said: str, *options: str) -> None:
    """Run, and see that nothing was sent and nothing left behind."""
    done = seatrial(*RUN, *options, cwd=folder)
    assert (done.code, len(done.complaints)) == (2, 1), done.err
    assert said in done.complaints[0], done.complaints[0]
    assert place.paths == [], place.paths
    assert not (folder / "bundle").exists()


def verdict_of(folder: Path) -> dict[str, Any]:
    document = json.loads((folder / "bundle" / "verdict.json").read_text())
    assert isinstance(document, dict)
    return document


def reasons_of(folder: Path) -> list[tuple[str, str]]:
    return [(r["code"], r.get("params", {}).get("detail", "")) for r in verdict_of(folder)["trials"][0]["reasons"]]


def events_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "bundle" / "journal.jsonl").read_text().splitlines()]


# -- orders ---------------------------------------------------------------------------------------------------------


def what_no_order_permits_is_not_loaded(folder: Path) -> None:
    place = Place()
    write_plan(folder, f"http://{place.name}")
    refused(folder, place, f"the target is beyond this machine ({HOST}) and nothing shows that it may be loaded")
    now = datetime.now(UTC).replace(microsecond=0)
    hour, moment = timedelta(hours=1), timedelta(seconds=1)
    past = {"not_before": now - 2 * hour, "not_after": now - hour}
    future = {"not_before": now + hour, "not_after": now + 2 * hour}
    short = {"not_before": now - hour, "not_after": now + 30 * moment}
    beyond = f"the target is beyond this machine ({HOST}), and is not among the targets"
    refused(folder, place, beyond, *ordered(folder, f"{HOST}:1"))
    refused(folder, place, "the present is outside the permitted window", *ordered(folder, place.name, **past))
    refused(folder, place, "the present is outside the permitted window", *ordered(folder, place.name, **future))
    refused(folder, place, "40/s > 39.9/s", *ordered(folder, place.name, max_per_second=39.9))
    refused(
        folder, place, f"may not come from: {HOST}; permitted: {OTHER}", *ordered(folder, place.name, sources=(OTHER,))
    )
    refused(folder, place, "none of the signatures is by a trusted key", *ordered(folder, place.name, signer=STRANGER))
    refused(folder, place, "who has no part in this", *ordered(folder, place.name, signer=TESTER_SIGNER))
    write_plan(folder, f"http://{place.name}", ("for: 1s", "for: 40s"))
    refused(folder, place, "beyond the permitted window", *ordered(folder, place.name, **short))
    refused(folder, place, "--trust", *ordered(folder, place.name)[:2])


def an_order_permits_what_it_names_and_nothing_else_of_the_machine(folder: Path) -> None:
    place = Place()
    write_plan(folder, f"http://{place.name}", ("demand:", f"source_addresses: [{OTHER}]\ndemand:"))
    refused(folder, place, f"come from: {OTHER}", *ordered(folder, place.name, sources=(f"{HOST}/32",)))
    options = ordered(folder, place.name, max_per_second=40.0, sources=("192.0.2.0/24",))
    done = seatrial(*RUN, *options, cwd=folder)
    assert (done.code, done.json["verdict"]) == (0, "PASS"), done.err
    assert len(place.paths) > 20
    assert (folder / "bundle" / "order.json").read_bytes() == (folder / "order.json").read_bytes()
    stated = json.loads((folder / "bundle" / "environment.json").read_text())["permission"]
    assert (stated["kind"], stated["source_addresses"]) == ("order", [OTHER])
    assert "test order TO-2026-17, case C-2026-3" in (folder / "bundle" / "report.html").read_text()


def test_what_no_order_permits_is_not_loaded(tmp_path: Path) -> None:
    elsewhere(tmp_path, what_no_order_permits_is_not_loaded.__name__)


def test_an_order_permits_what_it_names_and_nothing_else_of_the_machine(tmp_path: Path) -> None:
    elsewhere(tmp_path, an_order_permits_what_it_names_and_nothing_else_of_the_machine.__name__)


# -- while running --------------------------------------------------------------------------------------------------


def executed(folder: Path, **options: Any) -> RunResult:
    """Run the plan in this process, under the test's trust file."""
    shutil.rmtree(folder / "bundle", ignore_errors=True)
    loaded, policy = load_plan(folder / "plan.yaml"), load_policy(str(folder / "policy.yaml"))
    given = RunOptions(folder / "bundle", 1, None, (), False, [], trust=TRUST, **options)
    return execute(loaded, policy, given, LocalBackend, OnlyFailures(), SystemClock())


def ended(folder: Path, result: RunResult) -> str:
    """Return why the permission ended a run, as the journal has it; the verdict is INVALID for that reason."""
    assert isinstance(result.ending, PermissionEndedError), result.ending
    (event,) = [event for event in events_of(folder) if event["event"] == "permission ended"]
    assert verdict_of(folder)["verdict"] == "INVALID"
    assert reasons_of(folder)[0] == ("validity.permission_ended", event["data"]["detail"])
    return str(event["data"]["detail"])


def the_window_s_end_ends_a_run_whose_set_up_took_too_long(folder: Path) -> None:
    place = Place()
    set_up = "set_up: {steps: [{get: /slow, deadline: 9s}]}\njourneys:"
    write_plan(folder, f"http://{place.name}", ("journeys:", set_up), ("for: 1s", "for: 3s"))
    agreed = terms(place.name, not_after=datetime.now(UTC) + timedelta(seconds=5))
    detail = ended(folder, executed(folder, order=envelope(agreed)))
    assert "the permitted window ended at" in detail
    assert "/" in place.paths
    late = events_of(folder)[-1]["at_ns"] / 1e9
    assert late < 8


def more_than_the_permitted_rate_ends_the_run(folder: Path) -> None:
    place = Place()
    images = "".join(f"<img src=/{number}.png>" for number in range(12)).encode()
    place.shown["/"] = (200, images)
    write_plan(
        folder,
        f"http://{place.name}",
        ("{get: /, name: front page}", "{get: /, resources: true}"),
        ("for: 1s", "for: 9s"),
    )
    begun = time.monotonic()
    detail = ended(folder, executed(folder, order=envelope(terms(place.name, max_per_second=40.0))))
    assert "more requests were sent than the permitted 40/s" in detail
    assert time.monotonic() - begun < 9


def test_the_window_s_end_ends_a_run(tmp_path: Path) -> None:
    elsewhere(tmp_path, the_window_s_end_ends_a_run_whose_set_up_took_too_long.__name__)


def test_more_than_the_permitted_rate_ends_a_run(tmp_path: Path) -> None:
    elsewhere(tmp_path, more_than_the_permitted_rate_ends_the_run.__name__)


# -- consents -------------------------------------------------------------------------------------------------------


def without_a_consent_nothing_but_the_question_is_sent(folder: Path) -> None:
    place = Place()
    write_plan(folder, f"http://{place.name}/base")
    now = datetime.now(UTC).replace(microsecond=0)
    over = {"not_before": now - timedelta(hours=2), "not_after": now - timedelta(hours=1)}
    good = consent(terms(place.name))
    cases: list[tuple[int, bytes, str]] = [
        (404, b"", "the target serves no consent"),
        (302, good, "the target serves no consent"),
        (200, b"", "the target serves no consent"),
        (200, b"{}", "fields missing or unknown"),
        (200, good.replace(b'"tester"', b'"tster"'), "fields missing or unknown"),
        (200, good + b" " * 70_000, "the target serves no consent"),
        (200, consent(terms(f"{HOST}:1")), "is not among the targets that may be loaded"),
        (200, consent(terms(place.name, max_per_second=39.0)), "40/s > 39/s"),
        (200, consent(terms(place.name, **over)), "outside the permitted window"),
        (200, consent(terms(place.name, sources=("198.51.100.0/24",))), f"may not come from: {HOST}"),
        (200, consent(terms(place.name), "f" * 64), "another tester's"),
    ]
    for status, body, said in cases:
        place.shown[CONSENT] = (status, body)
        place.paths.clear()
        with pytest.raises(NotAuthorisedError) as raised:
            executed(folder, consent=True)
        assert said in str(raised.value), (said, str(raised.value))
        assert place.paths == [CONSENT]
        assert not (folder / "bundle").exists()


def a_consent_permits_and_its_end_ends_the_run(folder: Path) -> None:
    place = Place()
    served = consent(terms(place.name))
    place.shown[CONSENT] = (200, served)
    write_plan(folder, f"http://{place.name}")
    done = seatrial(*RUN, "--consent", cwd=folder)
    assert (done.code, done.json["verdict"]) == (0, "PASS"), done.err
    assert place.paths[0] == CONSENT
    assert (folder / "bundle" / "consent.json").read_bytes() == served
    write_plan(folder, f"http://{place.name}", ("for: 1s", "for: 12s"))
    forbids = consent(terms(place.name, max_per_second=1.0))
    for later, said in [
        ((410, b""), "the owner's consent was withdrawn (status 410"),
        ((200, forbids), "the owner's consent was changed, and forbids this"),
        ((200, b"no"), "the owner's consent was changed, and forbids this"),
        ((503, b""), "the target did not show its consent 3 times in a row"),
    ]:
        place.shown[CONSENT] = (200, served)
        place.paths.clear()
        threading.Thread(target=show_later, args=(place, later), daemon=True).start()
        begun = time.monotonic()
        assert said in ended(folder, executed(folder, consent=True, consent_every_seconds=0.2)), said
        assert time.monotonic() - begun < 12


def show_later(place: Place, answer: tuple[int, bytes]) -> None:
    wait_for(lambda: place.paths.count("/") > 5)
    place.shown[CONSENT] = answer


def a_consent_that_changes_and_still_permits_goes_on(folder: Path) -> None:
    place = Place()
    place.shown[CONSENT] = (200, consent(terms(place.name)))
    write_plan(folder, f"http://{place.name}", ("for: 1s", "for: 2s"))
    later = (200, consent(terms(place.name, max_per_second=60.0)))
    threading.Thread(target=show_later, args=(place, later), daemon=True).start()
    result = executed(folder, consent=True, consent_every_seconds=0.2)
    assert result.ending is None
    assert place.paths.count(CONSENT) > 3
    assert verdict_of(folder)["verdict"] == "PASS"


def test_without_a_consent_nothing_but_the_question_is_sent(tmp_path: Path) -> None:
    elsewhere(tmp_path, without_a_consent_nothing_but_the_question_is_sent.__name__)


def test_a_consent_permits_and_its_end_ends_the_run(tmp_path: Path) -> None:
    elsewhere(tmp_path, a_consent_permits_and_its_end_ends_the_run.__name__)


def test_a_consent_that_changes_and_still_permits_goes_on(tmp_path: Path) -> None:
    elsewhere(tmp_path, a_consent_that_changes_and_still_permits_goes_on.__name__)
