"""The demonstration's story, told with a short plan: one release is refused, one is confirmed, the gate obeys."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.cli.running import Done, seatrial

pytestmark = pytest.mark.real

PLAN = """\
seatrial: 1
title: Court booking in short
target: http://127.0.0.1:8080
demand: {peak: PEAK}
deadlines: {connect: 1s, response: 2s}
journeys:
  book:
    feed: {patron: patrons.csv}
    steps:
      - post: /sign-in
        name: sign in
        json: {patron: "${patron.id}", pin: "${patron.pin}"}
        expect: {status: 200}
        extract: {token: {json: "$.token"}}
      - get: /sessions?day=3
        name: list sessions
        headers: {Authorization: "Bearer ${token}"}
        expect: {status: 200}
        extract: {slot: {json: "$.free[*].id"}}  # everybody wants the first one
      - pause: 100ms
      - post: /holds
        name: hold
        headers: {Authorization: "Bearer ${token}"}
        json: {slot: "${slot}"}
        expect: {status: [201, 409]}
        extract: {hold: {json: "$.hold", optional: true}}
      - post: /bookings
        name: book
        when: hold
        headers: {Authorization: "Bearer ${token}"}
        json: {hold: "${hold}"}
        expect: {status: [201, 409]}
trials:
  - kind: load
    at: 1 P
    for: 1500ms
    objectives: [p90 response time <= 400ms, errors <= 20%]
"""
STRESS = """\
  - kind: stress
    from: 1 P
    to: 1 P
    step: 1 P
    hold: 1s
    objectives: [p90 response time <= 400ms, errors <= 20%, capacity >= 1 P]
"""
POLICY = """\
policy: 1
title: Of the tests
validity: {min_samples: 10, generator_cpu: 1, steal: 1, unsent: 0.5, send_lag_floor: 2s}
acceptance:
  mandatory:
    - {kind: load, at_least: 1 P, hold: 1s, objectives: [p90 response time <= 400ms, errors <= 20%]}
    - {kind: stress, at_least: 1 P, hold: 1s, objectives: [p90 response time <= 400ms, errors <= 20%, capacity >= 1 P]}
"""


def demo(folder: Path, plan: str) -> Done:
    folder.mkdir()
    (folder / "short.yaml").write_text(plan)
    (folder / "policy.yaml").write_text(POLICY)
    return seatrial("demo", "--plan", "short.yaml", "--policy", "policy.yaml", "--out", "demo", cwd=folder)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Done, Path]]:
    """The story as it should end, and one in which so few people come that release A sells no court twice."""
    root = tmp_path_factory.mktemp("demo")
    # Even arrivals: the port is part of the plan and so of its draw, and at 1/s a draw may hold nobody at all.
    few = PLAN.replace("PEAK", "1/s").replace("journeys:", "arrivals: even\njourneys:")
    plans = {"crowd": PLAN.replace("PEAK", "60/s") + STRESS, "few": few}
    with ThreadPoolExecutor(2) as pool:
        ended = {name: pool.submit(demo, root / name, plan) for name, plan in plans.items()}
        return {name: (done.result(), root / name / "demo") for name, done in ended.items()}


def test_release_a_is_refused_and_denied_release_b_is_confirmed_and_allowed(told):
    done, folder = told["crowd"]
    assert done.code == 0, done.out + done.err
    assert "release A: FAIL, REFUSED, gate DENY" in done.out
    assert "release B: PASS, CONFIRMED, gate ALLOW" in done.out
    for release in ("a", "b"):
        assert f"report    demo/release-{release}/report.html" in done.out
        assert (folder / f"release-{release}" / "report.html").exists()


def test_both_trials_are_sealed_before_they_are_run_and_say_that_they_are_first_attempts(told):
    done, folder = told["crowd"]
    assert done.out.count("sealed by the test arranger") == 2
    assert done.out.count("Attempt 1 of this seal") == 2
    for release in ("a", "b"):
        bundle = folder / f"release-{release}"
        assert (bundle / "seal.json").read_bytes() == (folder / f"seal-{release}.json").read_bytes()
        ended = [json.loads(line) for line in (folder / f"attempts-{release}.jsonl").read_bytes().splitlines()]
        assert [line["event"] for line in ended] == ["started", "ended"]
    verified = seatrial("verify", folder / "release-b", "--trust", folder / "trust.json")
    assert "the plan was sealed before the trial: passed" in verified.out, verified.out


def test_a_confirmation_that_is_revoked_no_longer_opens_the_gate(told):
    done, folder = told["crowd"]
    assert "the rollout gate, with the revocation list: DENY" in done.out
    assert "the confirmation was revoked at" in done.out
    assert (folder / "revocations.json").exists()


def test_the_service_s_own_books_say_that_only_release_a_sold_courts_twice(told):
    done, _ = told["crowd"]
    books = [line for line in done.out.splitlines() if line.startswith("the service's own books")]
    sold_twice = [int(line.split(", ")[1].split()[0].replace(",", "")) for line in books]
    assert len(sold_twice) == 2
    assert sold_twice[0] > 0
    assert sold_twice[1] == 0


def test_a_refusal_names_what_speaks_against_the_release_and_nothing_else(told):
    done, _ = told["crowd"]
    refused = [line for line in done.out.splitlines() if "the authority refused: " in line]
    assert any("the limit, at most 400 ms, is broken" in line for line in refused)
    assert not [line for line in refused if line.endswith(" is kept.")]


def test_the_commands_that_the_story_ends_with_say_the_same(told):
    done, folder = told["crowd"]
    commands = [line.split()[1:] for line in done.out.splitlines()[-4:]]
    assert [command[0] for command in commands] == ["assess", "verify", "gate", "gate"]
    codes = [seatrial(*command, cwd=folder.parent).code for command in commands]
    assert codes == [1, 0, 0, 1]
    refused = [part.replace("-b.json", "-a.json") for part in commands[2]]
    answer = seatrial(*refused, "--json", cwd=folder.parent)
    assert (answer.code, json.loads(answer.out)["decision"]) == (1, "DENY"), answer.out
    assert (folder / "trust.json").exists()


def test_a_story_that_ends_otherwise_exits_with_one_and_says_so(told):
    done, _ = told["few"]
    assert done.code == 1, done.out + done.err
    assert "This is not what the demonstration is to show" in done.err


def test_a_plan_that_is_not_there_is_bad_usage(tmp_path):
    done = seatrial("demo", "--plan", "nowhere.yaml", "--out", "demo", cwd=tmp_path)
    assert (done.code, len(done.complaints)) == (2, 1)
    assert "nowhere.yaml" in done.complaints[0]
    assert not (tmp_path / "demo").exists()
