"""What makes a confirmation void, each with a reason of its own; and what the gate remembers and looks at."""

import fcntl
import json
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confirmation_builders import (
    BOTH,
    CONDITIONAL,
    CONFIRMED,
    DAY,
    FACTS,
    HOUR,
    KEYS,
    SECOND,
    ask,
    bare,
    denied,
    digest_of,
    envelope_of,
    signed,
)
from evidence_builders import (
    NOW,
    OFFICER_SIGNER,
    PASSED,
    POLICY_DIGEST,
    RELEASE,
    TRUST,
    make_bundle,
    recompute_as_sealed,
)
from hypothesis import given
from hypothesis import strategies as st
from seal_desk import call, lay_desk

from seatrial.cli.confirming import _drill, _window
from seatrial.clock import SystemClock, to_rfc3339
from seatrial.confirmation import memory as remembering
from seatrial.confirmation.bounds import DRILL_VALIDITY, VoidWhen, highest_forecast_per_s, parse_void_when
from seatrial.confirmation.confirm import ConfirmationRequest, confirm
from seatrial.confirmation.facts import FalseDeclaration, Incident, Severity
from seatrial.confirmation.gate import decide
from seatrial.confirmation.memory import remember
from seatrial.confirmation.revocation import Revocation, next_list, read_list
from seatrial.confirmation.statement import Ruling, months_after, parse_confirmation
from seatrial.errors import ConfirmationError, EnvelopeError, UsageError
from seatrial.evidence.bundle import bundle_digest, pack
from seatrial.evidence.canonical import sha256_hex
from seatrial.evidence.envelope import verify
from seatrial.evidence.keys import load_trust
from seatrial.evidence.verifier import verify_bundle

LIMITS = "7" * 64
BOUND = replace(CONFIRMED, void_when=VoidWhen(44.0, dependency_limits_digest=LIMITS))
DRILLED = replace(CONFIRMED, void_when=VoidWhen(44.0, drill_valid_until=NOW + DAY))
EVENT = replace(CONFIRMED, void_when=VoidWhen(44.0, window=(NOW + DAY, NOW + 2 * DAY)))


@pytest.mark.parametrize("form", [bare, signed])
def test_a_forecast_of_more_than_ten_per_cent_above_the_tested_peak_voids_it(form):
    assert ask(CONFIRMED, form(replace(FACTS, forecast_peak_per_s=44.0))).allowed
    above = form(replace(FACTS, forecast_peak_per_s=44.001))
    denied(CONFIRMED, above, said="the forecast is 44.001 journeys per second; 40 were tested, which carries 44")
    denied(CONFIRMED, form(replace(FACTS, forecast_peak_per_s=None)), said="do not state the forecast")


def test_changed_dependency_limits_void_it_and_unknown_ones_could_not_be_checked():
    as_bound = replace(FACTS, dependency_limits_digest=LIMITS)
    assert ask(BOUND, signed(as_bound, BOUND)).allowed
    changed = replace(FACTS, dependency_limits_digest="8" * 64)
    for form in (bare(changed), signed(changed, BOUND)):
        denied(BOUND, form, said=f"the dependency limits changed: bound sha256:{LIMITS}")
    denied(BOUND, None, said="could not be checked: no facts were given")
    denied(BOUND, signed(FACTS, BOUND), said="the facts do not state the dependency limits")
    denied(BOUND, bare(as_bound), said="no case officer's word")


def test_a_drill_counts_for_ninety_days_and_no_longer():
    assert ask(DRILLED, now=NOW + DAY - SECOND).allowed
    denied(DRILLED, now=NOW + DAY, said="the contingency drill counted until 2026-06-02T09:00:00Z")


def test_outside_its_window_it_opens_nothing():
    for now in (NOW, NOW + DAY - SECOND, NOW + 2 * DAY):
        denied(EVENT, now=now, said="the window from 2026-06-02T09:00:00Z until 2026-06-03T09:00:00Z, not for now")
    for now in (NOW + DAY, NOW + 2 * DAY - SECOND):
        assert ask(EVENT, now=now).allowed


@pytest.mark.parametrize("form", [bare, signed])
@pytest.mark.parametrize(
    ("severity", "at", "voids"),
    [
        (Severity.SEVERE, NOW + HOUR, True),
        (Severity.SEVERE, NOW, True),
        (Severity.SEVERE, NOW - SECOND, False),
        (Severity.MAJOR, NOW + HOUR, False),
        (Severity.MINOR, NOW + HOUR, False),
    ],
)
def test_a_severe_incident_since_it_was_issued_voids_it(form, severity, at, voids):
    facts = form(replace(FACTS, as_of=NOW + DAY, incidents=(Incident(severity, at, "double bookings"),)))
    assert ask(CONFIRMED, facts, NOW + DAY).allowed is not voids
    if voids:
        denied(CONFIRMED, facts, NOW + DAY, said="a severe incident happened at")


@pytest.mark.parametrize("form", [bare, signed])
def test_a_declaration_of_independence_that_proved_false_voids_it_whenever_that_was(form):
    false = FalseDeclaration("Harbour Test Ltd", NOW - 30 * DAY, "a sister company operates the system")
    denied(CONFIRMED, form(replace(FACTS, false_declarations=(false,))), said="Harbour Test Ltd proved false at")


@pytest.mark.parametrize("form", [bare, signed])
def test_evidence_that_is_said_to_have_another_digest_voids_it(form):
    assert ask(CONFIRMED, form(replace(FACTS, evidence_digest="2" * 64))).allowed
    denied(CONFIRMED, form(replace(FACTS, evidence_digest="5" * 64)), said="the evidence differs: bound sha256:222")


def test_every_void_is_a_reason_of_its_own():
    late = NOW + 2 * DAY
    everything = replace(
        CONDITIONAL,
        void_when=VoidWhen(44.0, LIMITS, NOW + DAY, (NOW, NOW + DAY)),
    )
    facts = replace(
        FACTS,
        as_of=late,
        forecast_peak_per_s=100.0,
        dependency_limits_digest="8" * 64,
        incidents=(Incident(Severity.SEVERE, late, "it fell over"),),
        false_declarations=(FalseDeclaration("tester", late, "a contract came to light"),),
        evidence_digest="5" * 64,
    )
    assert len(denied(everything, bare(facts), late, said="window").reasons) == 8


def test_without_facts_a_confirmation_that_binds_none_stands_and_says_what_was_not_looked_at():
    decision = ask()
    assert decision.allowed
    assert "no facts were given: forecast, incidents and declarations were not looked at" in decision.reasons


RATES = st.floats(1e-3, 1e9)
TIMES = st.integers(1, 10**7).map(lambda s: NOW + timedelta(seconds=s))
PERIODS = st.tuples(TIMES, TIMES).filter(lambda p: p[0] < p[1])
DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(st.builds(VoidWhen, RATES, st.none() | DIGESTS, st.none() | TIMES, st.none() | PERIODS))
def test_bound_facts_read_back_as_they_were_written(bound):
    assert parse_void_when(json.loads(json.dumps(bound.to_object()))) == bound


@given(RATES, st.floats(0.01, 100))
def test_the_forecast_voids_exactly_above_ten_per_cent(peak, factor):
    confirmed = replace(CONFIRMED, tested_peak_per_s=peak, void_when=VoidWhen(highest_forecast_per_s(peak)))
    forecast = peak * factor
    allowed = ask(confirmed, bare(replace(FACTS, forecast_peak_per_s=forecast))).allowed
    assert allowed is (forecast <= peak * 11 / 10)


def test_a_confirmation_does_not_carry_more_than_ten_per_cent_above_what_was_tested():
    with pytest.raises(EnvelopeError, match="more than 10 %"):
        replace(CONFIRMED, void_when=VoidWhen(45.0))
    assert replace(CONFIRMED, void_when=VoidWhen(30.0))  # the authority may carry less
    for rate in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(EnvelopeError, match="not a rate"):
            VoidWhen(rate)


# --- what confirm binds


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("voiding") / "good", verdict=PASSED)


def confirmed_on(bundle, ruling=Ruling.CONFIRMED, **bound):
    report = verify_bundle(bundle, TRUST, NOW, recompute_as_sealed)
    wanted = ConfirmationRequest(ruling, months_after(NOW, 6), POLICY_DIGEST, **bound)
    return confirm(report, wanted, BOTH, TRUST, NOW)


def test_confirming_binds_the_facts_that_it_rests_on(bundle):
    window = (NOW + DAY, NOW + 3 * DAY)
    envelope = confirmed_on(bundle, dependency_limits_digest=LIMITS, drill_held_at=NOW - 89 * DAY, window=window)
    bound = parse_confirmation(verify(envelope, TRUST).payload).void_when
    assert bound == VoidWhen(44.0, LIMITS, NOW + DAY, window)


def test_a_drill_that_is_too_old_or_yet_to_come_is_not_confirmed_on_but_can_be_refused_on(bundle):
    old = NOW - DRILL_VALIDITY
    for held, said in ((old, "its drill counted until"), (NOW + SECOND, "in the future")):
        with pytest.raises(ConfirmationError, match=said):
            confirmed_on(bundle, drill_held_at=held)
    assert confirmed_on(bundle, Ruling.REFUSED, drill_held_at=old, reasons=("the drill is too old",))
    for window, said in (((NOW - DAY, NOW), "was over"), ((NOW + DAY, NOW + DAY), "before it begins")):
        with pytest.raises(ConfirmationError, match=said):
            confirmed_on(bundle, window=window)


def test_the_command_line_reads_a_day_or_a_time_for_the_drill_and_two_for_the_window():
    assert _drill("") is None and _window("") is None
    assert _drill("2026-05-01") == datetime(2026, 5, 1, tzinfo=UTC)
    assert _drill("2026-05-01T10:00:00+08:00") == datetime(2026, 5, 1, 2, tzinfo=UTC)
    assert _window("2026-06-02T09:00:00Z/2026-06-03T09:00:00Z") == (NOW + DAY, NOW + 2 * DAY)
    for wrong in ("2026-06-02T09:00:00Z", "/", "a/b", "2026-06-02/2026-06-03"):
        with pytest.raises(UsageError):
            _window(wrong)
    with pytest.raises(UsageError):
        _drill("last spring")


def test_confirming_says_on_what_it_rests_and_is_valid_for_the_window(tmp_path, monkeypatch):
    lay_desk(tmp_path, monkeypatch, roles=("tester", "reviewer", "confirming-officer"))
    (tmp_path / "limits.yaml").write_bytes(b"registry: 100/s")
    now = SystemClock().now().replace(microsecond=0)
    held, opens, closes = (to_rfc3339(now + days * DAY) for days in (-10, -1, 30))
    said = call(
        *("confirm", "good", "--trust", "trust.json", "--policy", "policy.yaml", "--out", "c.json"),
        *("--decision", "REFUSED", "--reason", "not now", "--key", "reviewer.pem"),
        *("--dependency-limits", "limits.yaml", "--drill", held, "--window", f"{opens}/{closes}"),
        expect=1,
    )
    assert "void when the forecast exceeds 44 journeys per second" in said
    assert f"void when the dependency limits are not sha256:{sha256_hex(b'registry: 100/s')}" in said
    assert f"void from {to_rfc3339(now + 80 * DAY)}, when the drill is 90 days old" in said
    assert f"void before {opens} and from {closes}" in said
    confirmed = parse_confirmation(verify(Path("c.json").read_bytes(), load_trust(Path("trust.json"))).payload)
    assert to_rfc3339(confirmed.valid_until) == closes


# --- the evidence itself


def looked_at(bundle, evidence):
    confirmed = replace(CONFIRMED, evidence_digest=bundle_digest(bundle))
    return decide(envelope_of(confirmed), RELEASE, KEYS, NOW, evidence=evidence)


def test_whole_evidence_as_directory_or_packed_opens_the_gate(tmp_path, bundle):
    pack(bundle, tmp_path / "b.seatrial")
    (tmp_path / "mounted").symlink_to(bundle)
    for evidence in (bundle, tmp_path / "b.seatrial", tmp_path / "mounted"):
        decision = looked_at(bundle, evidence)
        assert decision.allowed, decision.reasons
        assert any("the evidence is whole" in reason for reason in decision.reasons)


def test_evidence_that_is_unreachable_cut_short_changed_or_another_is_a_denial(tmp_path, bundle):
    extra, edited = (make_bundle(tmp_path / name, verdict=PASSED) for name in ("extra", "edited"))
    (extra / "notes.txt").write_bytes(b"x")
    (edited / "report.html").write_bytes(b"greener")
    pack(bundle, tmp_path / "whole")
    packed = (tmp_path / "whole").read_bytes()
    (tmp_path / "cut").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "empty").mkdir()
    for bound, evidence, said in (
        (bundle, tmp_path / "absent", "the evidence can't be read"),
        (bundle, tmp_path / "cut", "the evidence can't be read"),
        (bundle, tmp_path / "empty", "the evidence can't be read"),
        (edited, edited, "report.html"),
        (extra, extra, "notes.txt"),
    ):
        decision = looked_at(bound, evidence)
        assert not decision.allowed, evidence
        assert any("the evidence" in reason and said in reason for reason in decision.reasons), decision.reasons
    denied(CONFIRMED, evidence=bundle, said="the evidence differs")


# --- the memory of the revocation list


def edition(number, entries=()):
    previous = None
    for _ in range(number):
        envelope = next_list(previous, entries, OFFICER_SIGNER, trust=TRUST, now=NOW, expires_at=NOW + 7 * DAY)
        previous = read_list(envelope, TRUST)
    return envelope


def test_an_older_list_played_again_is_refused_by_a_gate_that_remembers(tmp_path):
    memory = tmp_path / "seen.json"
    first, second = edition(1), edition(2)
    assert ask(revocations=first).allowed and ask(revocations=second).allowed
    for envelope in (first, second, second):
        assert ask(revocations=envelope, remembering=memory).allowed
    denied(revocations=first, remembering=memory, said="is number 1, and number 2 was seen already")
    assert json.loads(memory.read_bytes())["sequence"] == 2


def test_a_list_is_remembered_even_when_it_revokes_or_something_else_denies(tmp_path):
    memory = tmp_path / "seen.json"
    revoking = edition(3, [Revocation(digest_of(), "the database was replaced", NOW)])
    denied(revocations=revoking, remembering=memory, said="was revoked")
    denied(revocations=edition(2), remembering=memory, said="number 3 was seen already")


def test_two_lists_of_one_number_are_not_both_believed(tmp_path):
    memory = tmp_path / "seen.json"
    assert ask(revocations=edition(1), remembering=memory).allowed
    forked = edition(1, [Revocation("4" * 64, "another story", NOW)])
    denied(revocations=forked, remembering=memory, said="two different revocation lists have number 1")


def test_a_list_that_is_not_properly_signed_is_not_remembered(tmp_path):
    memory = tmp_path / "seen.json"
    denied(revocations=b"{}", remembering=memory, said="can't be relied on")
    assert not memory.exists()
    denied(remembering=memory, said="there is a memory of revocation lists, and none was given")


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"null", b'{"format":"seatrial-seen/1","sequence":0,"list":{"sha256":"x"}}', b"\xff" * 5000],
)
def test_a_memory_that_can_not_be_read_is_a_denial(tmp_path, content):
    memory = tmp_path / "seen.json"
    memory.write_bytes(content)
    denied(revocations=edition(1), remembering=memory, said="memory of the revocation list")
    assert memory.read_bytes() == content


def test_a_memory_that_can_not_be_written_is_a_denial(tmp_path):
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for memory in (tmp_path / "absent" / "seen.json", tmp_path / "directory", tmp_path / "link"):
        denied(revocations=edition(1), remembering=memory, said="memory of the revocation list can't be relied on")


@given(st.lists(st.integers(1, 20), min_size=1, max_size=12))
def test_a_memory_accepts_exactly_what_is_not_lower_than_all_it_saw(tmp_path_factory, numbers):
    memory, highest = tmp_path_factory.mktemp("memory") / "seen.json", 0
    for number in numbers:
        assert (remember(memory, number, f"{number:064x}") == ()) is (number >= highest)
        highest = max(highest, number)


def test_gates_that_ask_at_once_never_forget_the_highest_number(tmp_path):
    memory = tmp_path / "seen.json"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: remember(memory, number, f"{number:064x}"), range(1, 41)))
    assert json.loads(memory.read_bytes())["sequence"] == 40
    assert sorted(p.name for p in tmp_path.iterdir()) == ["seen.json", "seen.json.lock"]


def test_a_memory_whose_lock_is_never_given_back_is_a_denial_and_no_wait_for_ever(tmp_path, monkeypatch):
    memory = tmp_path / "seen.json"
    monkeypatch.setattr(remembering, "LOCK_WAIT_S", 0.02)
    with (tmp_path / "seen.json.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        denied(revocations=edition(1), remembering=memory, said="its lock is held by another process")
    assert ask(revocations=edition(1), remembering=memory).allowed
    (tmp_path / "other.lock").symlink_to(tmp_path / "elsewhere")
    denied(revocations=edition(1), remembering=tmp_path / "other", said="can't be relied on")
    assert not (tmp_path / "elsewhere").exists()


# --- the entrance


def test_the_gate_with_facts_list_and_memory_still_answers_within_its_share_of_a_processor(tmp_path):
    files = {"confirmation": envelope_of(), "deployed": RELEASE.to_bytes(), "trust": KEYS.to_bytes(), "facts": bare()}
    command = [sys.executable, "-m", "seatrial.cli.main", "gate", "--remember", str(tmp_path / "seen.json")]
    for name, data in (files | {"revocations": edition(1)}).items():
        (tmp_path / name).write_bytes(data)
        command += [f"--{name}", str(tmp_path / name)]
    used = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert done.returncode == 1 and "older than 24 h" in done.stdout, done.stderr
    assert min(used) <= 0.4
