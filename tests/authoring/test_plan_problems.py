"""Every rule that refuses a plan, each with the plan that it refuses."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.authoring.problems import MOST_PROBLEMS
from seatrial.authoring.yaml_plan import load_plan
from seatrial.errors import PlanError, Problem
from seatrial.model.request import Condition

GOOD = """\
seatrial: 1
title: A good plan
target: http://127.0.0.1:8080
demand: {peak: 10/s}
journeys:
  book:
    feed: {patron: {csv: patrons.csv, order: cycle}}
    steps:
      - get: /sessions
        name: list
        extract: {slot: {json: "$.free[*].id", pick: random}}
      - post: /bookings
        name: book
        json: {slot: "${slot}", patron: "${patron.id}"}
trials:
  - kind: load
    at: 1 P
    for: 2s
    objectives: [errors <= 1%]
"""
CSV = "id,pin\nP1,1\nP2,2\n"


def problems_of(folder: Path, text: str, csv: str | bytes | None = CSV) -> tuple[Problem, ...]:
    (folder / "plan.yaml").write_text(text, encoding="utf-8")
    (folder / "go.py").write_text("async def go(session):\n    pass\n")
    if csv is not None:
        (folder / "patrons.csv").write_bytes(csv if isinstance(csv, bytes) else csv.encode())
    with pytest.raises(PlanError) as caught:
        load_plan(folder / "plan.yaml")
    return caught.value.problems


def where(problem: Problem) -> str:
    return problem.where.rpartition("/")[2]


def test_a_good_plan_loads_with_its_digest_and_base(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(GOOD)
    (tmp_path / "patrons.csv").write_text(CSV)
    loaded = load_plan(tmp_path / "plan.yaml")
    assert loaded.source == GOOD.encode()
    assert len(loaded.digest) == 64
    assert loaded.base == tmp_path
    assert loaded.plan.journeys["book"].labels == ("list", "book")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("kind: loaf", "kind is not a kind of trial: loaf. Write kind: load or "),
        ("at: 2 P", "a trial without its kind."),
    ],
)
def test_a_trial_s_kind_is_what_is_complained_of_and_not_all_trials(tmp_path: Path, written: str, said: str) -> None:
    text = GOOD[: GOOD.index("trials:")] + f"trials:\n  - {written}\n    objectives: [errors <= 1%]\n"
    (problem,) = problems_of(tmp_path, text)
    assert str(problem).partition("plan.yaml:16: ")[2].startswith(said)


TEN_MISTAKES = """\
seatrial: 1
title: Ten mistakes of ten kinds
target: ftp://booking.example.org
demand: {peak: 10}
dedlines: {response: 5s}
headers: {Content-Length: "3"}
journeys:
  book:
    steps:
      - get: /sessions
        extract: {slot: {json: "$.free[*.id"}}
      - post: /bookings
        json: {slot: "${slto}"}
        expect: {matches: "(unclosed"}
      - get: /sessions
  fed:
    feed: {patron: nowhere.csv}
    steps: [get: /]
trials:
  - kind: load
    at: 1 P
    for: 2s
    objectives: [errors <= 1%, p95 response time <= 2s for step pay]
"""


def test_ten_mistakes_of_ten_kinds_come_out_in_one_go_in_the_order_of_their_lines(tmp_path: Path) -> None:
    found = problems_of(tmp_path, TEN_MISTAKES)
    assert [(where(p), p.what, p.value) for p in found] == [
        ("plan.yaml:3", "not the address of a service", "ftp://booking.example.org"),
        ("plan.yaml:4", "not a rate such as 40/s", "10"),
        ("plan.yaml:5", "an unknown key", "dedlines"),
        ("plan.yaml:6", "a header that the engine sets itself", "Content-Length"),
        ("plan.yaml:11", "not a JSON path (expected comma, found dot)", "$.free[*.id"),
        ("plan.yaml:13", "an undefined variable", "${slto}"),
        ("plan.yaml:14", "not a regular expression (missing ), unterminated subpattern at position 0)", '"(unclosed"'),
        ("plan.yaml:15", "two steps of one journey with the same name", "GET /sessions"),
        ("nowhere.csv", "the feed can't be read (No such file or directory)", "nowhere.csv"),
        ("plan.yaml:23", "no step has this name", "pay"),
    ]
    assert found[2].remedy == "Did you mean deadlines?"
    assert found[5].remedy.endswith("Did you mean slot?")
    assert "http://host:port" in found[0].remedy


SWAPS = {
    "an unknown key": ("title:", "titel:", "an unknown key", 2),
    "a missing key": ("title: A good plan\n", "", "title is missing", 1),
    "a wrong version": ("seatrial: 1", "seatrial: 2", "seatrial is not one of the possible values", 1),
    "a number where text belongs": ("title: A good plan", "title: 7", "title is not text", 2),
    "text where a number belongs": ("seatrial: 1", "seatrial: 1\nseed: '7'", "seed is not a whole number", 2),
    "a fraction where a whole number belongs": (
        "seatrial: 1", "seatrial: 1\nmax_sessions: 1.5", "max_sessions is not a whole number", 2
    ),
    "a mapping where a list belongs": ("steps:\n", "steps: {}\n    x:\n", "steps is not a list", 8),
    "a list where a mapping belongs": (
        "demand: {peak: 10/s}", "demand: [10/s]", "demand is not a mapping of keys to values", 4
    ),
    "empty text": ("title: A good plan", "title: ''", "title is empty text", 2),
    "long text": ("A good plan", "x" * 81, "title is text of more than 80 characters", 2),
    "a name with a control character": ("name: book", 'name: "a\\tb"', "name is text with a control character", 13),
    "a variable with a bad name": (
        "extract: {slot:", "extract: {slot-id:", "slot-id is a name of other than letters, digits and _", 11
    ),
    "a weight of zero": ("    feed:", "    weight: 0\n    feed:", "weight is not above 0", 7),
    "a status out of range": (
        "name: book\n", "name: book\n        expect: {status: 99}\n", "status is below 100", 14
    ),
    "a status above range": (
        "name: book\n", "name: book\n        expect: {status: [201, 600]}\n", "status is above 599", 14
    ),
    "a seed too large": ("seatrial: 1", f"seatrial: 1\nseed: {2**63}", "seed is not below", 2),
    "an unknown kind of trial": ("kind: load", "kind: loaf", "kind is not a kind of trial", 16),
    "a trial without kind": ("kind: load\n    at", "at", "a trial without its kind", 16),
    "no trials": (GOOD[GOOD.index("trials:") :], "trials: []\n", "trials is an empty list or mapping", 15),
    "no objectives": ("[errors <= 1%]", "[]", "objectives is an empty list or mapping", 19),
    "a rate without unit": ("10/s", "ten", "not a rate", 4),
    "a rate of zero": ("10/s", "0/s", "peak is not above 0", 4),
    "a rate beyond reason": ("10/s", "99999999/s", "a rate of more than 10,000,000/s", 4),
    "a duration without unit": ("for: 2s", "for: 2", "not a duration such as 30s", 18),
    "an unreadable duration": ("for: 2s", "for: soon", "not a duration", 18),
    "a month and a day": ("for: 2s", "for: 768h", "a duration of more than 31 days", 18),
    "a duration of zero": ("for: 2s", "for: 0s", "for is not above 0", 18),
    "a bad load level": ("at: 1 P", "at: full", "not a load level", 17),
    "a load level of zero": ("at: 1 P", "at: 0 P", "a load level of zero", 17),
    "a load level beyond reason": ("at: 1 P", "at: 1001 P", "more than 1000 times the peak", 17),
    "an objective that is none": ("errors <= 1%", "it is fast", "not an objective", 19),
    "an objective the wrong way": ("errors <= 1%", "errors >= 1%", "errors is limited by <=", 19),
    "capacity in a load trial": ("[errors <= 1%]", "[capacity >= 1 P]", "a limit that a load trial can't show", 19),
    "an objective for no step": (
        "errors <= 1%", "errors <= 1%, errors <= 1% for step pay", "no step has this name", 19
    ),
    "an objective for no journey": (
        "errors <= 1%", "errors <= 1%, errors <= 1% for journey pay", "no journey has this name", 19
    ),
    "no limit on failing": (
        "errors <= 1%",
        "errors <= 1% for step book",
        "a trial that limits neither errors nor goodput, so that failing quickly would pass",
        19,
    ),
    "a path without slash": ("get: /sessions", "get: sessions", "a path without its leading slash", 9),
    "a path with a space": ("get: /sessions", "get: /two words", "a path with the character ' '", 9),
    "a path with a line break": ("get: /sessions", r'get: "/a\r\nX: y"', r"a path with the character '\r'", 9),
    "two methods": ("get: /sessions", "get: /sessions\n        put: /x", "a step with get and put of the methods", 9),
    "two bodies": ("json: {slot", "body: x\n        json: {slot", "a request with more than one body", 12),
    "a body of null": (
        "json: {slot: \"${slot}\", patron: \"${patron.id}\"}", "json: null", "json: null sends no body", 14
    ),
    "no request": (
        GOOD[GOOD.index("    steps:") : GOOD.index("trials:")], "    steps: [pause: 1s]\n",
        "a journey without a request", 6
    ),
    "two sources": ('{json: "$.free[*].id"', "{header: x, regex: y", "not exactly one source of a value", 11),
    "an unknown pick": ("pick: random", "pick: any", "pick is not one of the possible values", 11),
    "a bad JSON path": ("$.free[*].id", "free..", "not a JSON path", 11),
    "a JSON path of a dialect": ("$.free[*].id", "$.free[*].id | $.x", "not a JSON path", 11),
    "a bad JSON path in expect": (
        "name: book\n", 'name: book\n        expect: {json: {"$[": 1}}\n', "not a JSON path", 14
    ),
    "a bad regex": ('json: "$.free[*].id"', 'regex: "("', "not a regular expression", 11),
    "a bad regex in expect": (
        "name: book\n", 'name: book\n        expect: {matches: "["}\n', "not a regular expression", 14
    ),
    "an undefined variable": ("${slot}", "${place}", "an undefined variable", 14),
    "a variable of a later step": ("get: /sessions", "get: /${slot}", "an undefined variable", 9),
    "a feed without column": ("${patron.id}", "${patron}", "a feed without its column", 14),
    "an unknown column": ("${patron.id}", "${patron.nid}", "no such column in the feed", 14),
    "a member of a text": (
        'slot: {json: "$.free[*].id", pick: random}}', "slot: {header: x}}\n      - get: /${slot.x}",
        "a text has no columns", 12
    ),
    "a malformed template": ("${slot}", "${slot", "a ${ without its }", 14),
    "a variable in an expectation": (
        "name: book\n", 'name: book\n        expect: {contains: "${slot}"}\n', "a variable in an expectation", 14
    ),
    "a variable in a plan's header": (
        "seatrial: 1", 'seatrial: 1\nheaders: {X: "${slot}"}', "a variable in a header of the whole plan", 2
    ),
    "a variable named as a feed": ("extract: {slot:", "extract: {patron:", "a variable with the name of a feed", 11),
    "a condition on nothing": ("name: book", "name: book\n        when: hold", "a condition on a value that no", 14),
    "two steps of one name": ("name: book", "name: list", "two steps of one journey with the same name", 13),
    "a header that splits": (
        "name: book\n", 'name: book\n        headers: {X: "a\\r\\nY: b"}\n', "the header X has a character", 14
    ),
    "a header beyond ASCII": (
        "name: book\n", 'name: book\n        headers: {X: 體育}\n', "the header X has a character", 14
    ),
    "a header name that splits": (
        "name: book\n", 'name: book\n        headers: {"X:\\n": a}\n', "not the name of a header", 14
    ),
    "a framing header": (
        "name: book\n", "name: book\n        headers: {Transfer-Encoding: chunked}\n",
        "a header that the engine sets", 14
    ),
    "a connection header": ("seatrial: 1", "seatrial: 1\nheaders: {connection: close}", "a header that the engine", 2),
    "a query of a list": (
        "name: book\n", "name: book\n        query: {a: [1]}\n", "a is not text or a whole number or a number", 14
    ),
    "a query of true": ("name: book\n", "name: book\n        query: {a: true}\n", "a is not text or", 14),
    "a target of another scheme": ("http://127.0.0.1:8080", "ftp://127.0.0.1", "not the address of a service", 3),
    "a target with a password": ("127.0.0.1:8080", "u:p@127.0.0.1", "a target with a user, password", 3),
    "a target with a bad port": ("8080", "99999", "a port that is not a number below 65536", 3),
    "a target with a space": ("8080", "8080/a b", "an address with spaces", 3),
    "a target with half an IPv6": ("127.0.0.1:8080", "[::1", "not the address of a service", 3),
    "a missing CA": ("seatrial: 1", "seatrial: 1\ntls: {ca: no.pem}", "the CA file is missing", 2),
    "a CA without certificate": (
        "seatrial: 1", "seatrial: 1\ntls: {ca: patrons.csv}", "the CA file holds no certificate", 2
    ),
    "Python steps that are none": (
        GOOD[GOOD.index("    feed:") : GOOD.index("trials:")], "    python: go.py:go\n",
        "a journey in Python with steps or", 6
    ),
    "step names without Python": (
        "    steps:", "    step_names: [a]\n    steps:", "step_names is for journeys in Py", 6
    ),
    "a tag": ("A good plan", "!!python/object:os.system x", "a tag is not allowed", 2),
    "a duplicate key": ("title:", "title: x\ntitle:", "a key written twice", 3),
    "a merge key": ("demand: {peak: 10/s}", "demand: &d {peak: 10/s}\ntls: {<<: *d}", "a merge key is not allowed", 5),
    "a key that is a number": ("json: {slot:", "json: {3: 4, slot:", "a key that is not text", 14),
    "infinity": ("json: {slot:", "json: {a: .inf, slot:", "not a finite number", 14),
    "a long number": ("json: {slot:", f"json: {{a: {'9' * 41}, slot:", "a number of more than 40 digits", 14),
    "a name that turns round": ("name: list", r'name: "list\u202e"', "text with a control character", 10),
    "a name with nothing in it to see": ("name: list", r'name: "list\u200b"', "text with a control character", 10),
    "a trial too short for one session": ("for: 2s", "for: 1ns", "no session takes a journey", 16),
    "a limit that holds anyway": ("errors <= 1%", "errors <= 100%", "nothing can break", 19),
    "half a character": ("json: {slot:", r'json: {a: "\ud800", slot:', "half of a surrogate pair", 14),
}  # fmt: skip


@pytest.mark.parametrize("kind", SWAPS)
def test_one_mistake_gives_one_problem_at_its_line(kind: str, tmp_path: Path) -> None:
    old, new, what, line = SWAPS[kind]
    assert GOOD.count(old) >= 1
    found = problems_of(tmp_path, GOOD.replace(old, new, 1))
    named = [p for p in found if p.what.startswith(what) or what in p.what]
    assert [where(p) for p in named] == [f"plan.yaml:{line}"], found
    assert all(p.remedy.endswith((".", "?")) and "Input should" not in str(p) for p in found)


ALONE = set(SWAPS) - {
    # These break something else as well, which is said as well.
    "an unknown key", "a mapping where a list belongs", "a variable with a bad name", "capacity in a load trial",
    "a path with a line break", "two sources", "a variable named as a feed", "two steps of one name", "a duplicate key",
    "a merge key", "a member of a text", "an unknown kind of trial", "step names without Python", "a tag",
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(ALONE))
def test_one_mistake_gives_nothing_else(kind: str, tmp_path: Path) -> None:
    old, new, _, _ = SWAPS[kind]
    assert len(problems_of(tmp_path, GOOD.replace(old, new, 1))) == 1


STRESS = "kind: stress\n    from: 1 P\n    to: 2 P\n    step: 0.3 P\n    hold: 1s\n    objectives: [errors <= 1%, {}]"
STRESS_CASES = {
    "capacity above the last step": (
        ("capacity >= 2 P",),
        "a capacity that can't be shown by steps that end at 1.9 P",
        21,
    ),
    "capacity in another unit": (("capacity >= 20/s",), "a capacity in another unit than the steps", 21),
    "mixed units": (("errors <= 2%", "0.3 P", "3/s"), "from, to and step mix multiples of P and rates", 19),
    "downwards": (("errors <= 2%", "to: 2 P", "to: 0.5 P"), "'to' lies below 'from'", 18),
    "too many steps": (("errors <= 2%", "0.3 P", "0.001 P"), "more than 200 steps", 19),
    "capacity alone": (("capacity >= 1 P", "errors <= 1%, ", ""), "capacity alone can't be broken", 21),
}


@pytest.mark.parametrize("kind", STRESS_CASES)
def test_a_stress_trial_that_can_show_nothing_is_refused_at_its_line(kind: str, tmp_path: Path) -> None:
    (objective, *swap), what, line = STRESS_CASES[kind]
    trial = STRESS.format(objective)
    if swap:
        trial = trial.replace(*swap)
    (problem,) = problems_of(tmp_path, GOOD[: GOOD.index("kind: load")] + trial + "\n")
    assert problem.what.startswith(what)
    assert where(problem) == f"plan.yaml:{line}"


SHAPE_CASES = {
    "steps as plain load": ("shape: {steps: [{at: 1 P}]}", "for is missing", 17),
    "a step below zero": ("shape:\n      steps:\n        - {at: -1 P, for: 1s}", "not a load level", 19),
    "a step of zero": ("shape:\n      steps:\n        - {at: 0 P, for: 1s}", "a load level of zero", 19),
    "a step of no time": ("shape:\n      steps:\n        - at: 1 P\n          for: 0s", "for is not above 0", 20),
    "steps in two units": (
        "shape:\n      steps:\n        - {at: 1 P, for: 1s}\n        - {at: 2/s, for: 1s}",
        "multiples of P and rates", 20,
    ),
    "no steps": ("shape:\n      steps: []", "0 steps", 18),
    "a spike downwards": ("shape:\n      spike:\n        base: 2 P\n        peak: 1 P\n        hold: 1s",
                          "a peak that is not above its base, 2 P", 20),
    "a flat sine": ("shape:\n      sine: {low: 1 P, high: 1 P, period: 1s, for: 1s}",
                    "a high that is not above its low", 18),
    "too many periods": ("shape:\n      sine:\n        period: 1s\n        for: 32s\n        low: 1 P\n"
                         "        high: 2 P",
                         "more than 31 periods", 19),
    "a curve in a file": ("shape:\n      curve:\n        scale: 1 P\n        csv: patrons.csv",
                          "a curve in another file", 20),
    "times that descend": ("shape:\n      curve:\n        points:\n          - [0s, 9/s]\n          - [2s, 9/s]\n"
                           "          - [1s, 9/s]", "a time that is not after the one before", 22),
    "a curve in two units": ("shape:\n      curve:\n        points:\n          - [0s, 9/s]\n          - [2s, 1 P]",
                             "multiples of P and rates in one curve", 21),
    "a bare point": ("shape:\n      curve:\n        points:\n          - [0s, 9/s]\n          - 2s", "not a point", 21),
    "too many points": (f"shape:\n      curve:\n        points: [{', '.join(f'[{i}s, 9/s]' for i in range(1002))}]",
                        "a curve of 1002 points", 19),
    "a burst of none": ("shape: {burst: {count: 0, within: 1s, then: 1 P, for: 1s}}", "count is below 1", 17),
    "a burst of half a citizen": ("shape: {burst: {count: 1.5, within: 1s, then: 1 P, for: 1s}}",
                                  "count is not a whole number", 17),
    "an unknown shape": ("shape: {spikes: {}}", "an unknown key", 17),
    "an empty shape": ("shape: {}", "a shape of no kind", 17),
    "two shapes": (
        "shape:\n      steps: [{at: 1 P, for: 1s}]\n      burst: {count: 9, within: 1s, then: 1 P, for: 1s}",
        "a shape of 2 kinds", 19,
    ),
    "a level beside a shape": ("shape: {steps: [{at: 1 P, for: 1s}]}\n    at: 1 P", "'at' beside a shape", 18),
    "a time beside a shape": ("shape: {steps: [{at: 1 P, for: 1s}]}\n    for: 1s", "'for' beside a shape", 18),
    "a warm-up beside a shape": (
        "shape: {steps: [{at: 1 P, for: 1s}]}\n    warmup: 1s", "'warmup' beside a shape", 18
    ),
    "nothing judged": ("shape: {steps: [{at: 1 P, for: 1s}]}\n    judge_from: 1s", "a shape of 1 s of which", 18),
    "judge_from below zero": ("shape: {steps: [{at: 1 P, for: 1s}]}\n    judge_from: -1s", "not a duration", 18),
    "judge_from alone": ("at: 1 P\n    for: 2s\n    judge_from: 1s", "judge_from belongs to a shape", 19),
    "a level for ever": ("at: 1 P", "a load trial without 'for'", 16),
    "no level": ("for: 2s", "a load trial without 'at'", 16),
}  # fmt: skip


@pytest.mark.parametrize("kind", SHAPE_CASES)
def test_a_wrong_shape_is_one_problem_at_its_line(kind: str, tmp_path: Path) -> None:
    written, what, line = SHAPE_CASES[kind]
    (problem,) = problems_of(tmp_path, GOOD.replace("at: 1 P\n    for: 2s", written))
    assert problem.what.startswith(what), problem
    assert where(problem) == f"plan.yaml:{line}", problem
    assert problem.remedy.endswith((".", "?"))


def test_a_misspelt_key_of_a_curve_is_not_sent_to_the_one_that_is_refused(tmp_path: Path) -> None:
    curve = "shape: {curve: {cvs: patrons.csv, points: [[0s, 1/s], [9s, 7/s]]}}"
    (problem,) = problems_of(tmp_path, GOOD.replace("at: 1 P\n    for: 2s", curve))
    assert (problem.what, problem.remedy) == ("an unknown key", "Known here: source, scale, points.")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.255.0.9", "[::1]", "localhost", "LOCALHOST"])
def test_loopback_is_not_noted(host: str, tmp_path: Path) -> None:
    assert reach_notes(tmp_path, GOOD.replace("127.0.0.1", host)) == []


def reach_notes(folder: Path, text: str) -> list[tuple[str, str, str]]:
    """Return what of the plan's addresses is noted, where, and for what a run will need leave."""
    (folder / "plan.yaml").write_text(text, encoding="utf-8")
    (folder / "patrons.csv").write_text(CSV)
    notes = [note for note in load_plan(folder / "plan.yaml").notes if "beyond loopback" in note.what]
    assert all("A run will need --order or --consent with " in note.remedy for note in notes)
    return [(note.what, where(note), note.remedy.split()[8]) for note in notes]


@pytest.mark.parametrize("host", ["0.0.0.0", "127.1", "[::ffff:10.0.0.1]", "localhost.example.org", "2130706433"])
def test_what_only_resembles_loopback_is_noted_and_no_fault(host: str, tmp_path: Path) -> None:
    found = reach_notes(tmp_path, GOOD.replace("127.0.0.1", host))
    assert found == [("a target beyond loopback", "plan.yaml:3", f"{host}:8080")]


def test_a_target_beyond_this_machine_is_noted_with_the_port_of_its_scheme(tmp_path: Path) -> None:
    found = reach_notes(tmp_path, GOOD.replace("http://127.0.0.1:8080", "https://booking.EXAMPLE.org"))
    assert [place for *_, place in found] == ["booking.example.org:443"]


def test_a_proxy_elsewhere_is_noted_and_so_is_loopback_behind_it(tmp_path: Path) -> None:
    text = GOOD.replace("seatrial: 1", "seatrial: 1\nproxy: http://10.0.0.1:3128")
    assert reach_notes(tmp_path, text) == [
        ("a proxy beyond loopback", "plan.yaml:2", "10.0.0.1:3128"),
        ("a target beyond loopback", "plan.yaml:4", "127.0.0.1:8080"),
    ]
    assert reach_notes(tmp_path, text.replace("10.0.0.1", "127.0.0.1")) == []


def test_a_plan_can_not_permit_its_own_load(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, GOOD + "authorisation: {targets: ['a:1']}\n")
    assert (problem.what, problem.value) == ("an unknown key", "authorisation")


def test_a_unique_feed_with_too_few_rows_says_how_many_the_trial_needs(tmp_path: Path) -> None:
    text = GOOD.replace("order: cycle", "order: unique").replace("seatrial: 1", "seatrial: 1\narrivals: even")
    (problem,) = problems_of(tmp_path, text)
    assert problem.what == "2 rows, each to be used once, for 20 sessions of book"
    assert problem.remedy.startswith("Give the file 20 rows")
    (tmp_path / "patrons.csv").write_text("id,pin\n" + "P,1\n" * 20)
    load_plan(tmp_path / "plan.yaml")
    (tmp_path / "patrons.csv").write_text("id,pin\n" + "P,1\n" * 19)
    with pytest.raises(PlanError):
        load_plan(tmp_path / "plan.yaml")


def test_json_lines_last_for_a_trial_as_csv_does(tmp_path: Path) -> None:
    text = GOOD.replace("{csv: patrons.csv, order: cycle}", "patrons.jsonl")
    text = text.replace("seatrial: 1", "seatrial: 1\narrivals: even")
    (tmp_path / "patrons.jsonl").write_text('{"id": 1}\n' * 19)
    (problem,) = problems_of(tmp_path, text)
    assert problem.what == "19 rows, each to be used once, for 20 sessions of book"
    (tmp_path / "patrons.jsonl").write_text('{"id": 1}\n' * 20)
    load_plan(tmp_path / "plan.yaml")


def test_a_unique_feed_must_last_for_the_largest_trial_with_all_its_steps(tmp_path: Path) -> None:
    text = GOOD.replace("order: cycle", "order: unique").replace("seatrial: 1", "seatrial: 1\narrivals: even")
    stress = "kind: stress, from: 1 P, to: 2 P, step: 1 P, hold: 2s, objectives: [errors <= 1%]"
    small = "kind: load, at: 1 P, for: 1s, objectives: [errors <= 1%]"
    (problem,) = problems_of(tmp_path, f"{text}  - {{{stress}}}\n  - {{{small}}}\n")
    assert problem.remedy.startswith("Give the file 60 rows")  # 10/s and then 20/s, for two seconds each


def test_journeys_share_the_sessions_by_their_weights(tmp_path: Path) -> None:
    text = GOOD.replace("order: cycle", "order: unique").replace("at: 1 P", "at: 50 P")
    text = text.replace("trials:", "  look:\n    weight: 3\n    steps: [get: /]\ntrials:")
    (problem,) = problems_of(tmp_path, text)
    needed = int(problem.remedy.split()[3])
    assert abs(needed - 250) < 6 * 250**0.5


def test_the_rows_that_a_poisson_trial_needs_are_counted_on_its_own_schedule(tmp_path: Path) -> None:
    text = GOOD.replace("order: cycle", "order: unique")
    (problem,) = problems_of(tmp_path, text)
    needed = int(problem.remedy.split()[3])
    (tmp_path / "patrons.csv").write_text("id,pin\n" + "P,1\n" * needed)
    load_plan(tmp_path / "plan.yaml")
    (tmp_path / "patrons.csv").write_text("id,pin\n" + "P,1\n" * (needed - 1))
    with pytest.raises(PlanError, match=f"for {needed} sessions"):
        load_plan(tmp_path / "plan.yaml")


def test_problems_of_a_feed_stand_at_the_plans_line_in_the_order_but_name_the_feed(tmp_path: Path) -> None:
    text = GOOD.replace("title: A good plan", "titel: x").replace("errors <= 1%", "errors")
    found = problems_of(tmp_path, text, "id,pin\nP1\n")
    assert [where(p) for p in found] == ["plan.yaml:1", "plan.yaml:2", "patrons.csv:2", "plan.yaml:19"]


def test_thousands_of_mistakes_are_listed_up_to_a_limit_and_quickly(tmp_path: Path) -> None:
    steps = "".join(f"      - {{get: '/{i}', body: '${{w{i}}}'}}\n" for i in range(1500))
    started = time.monotonic()
    found = problems_of(tmp_path, GOOD.replace("    steps:\n", f"    steps:\n{steps}"))
    assert time.monotonic() - started < 10
    assert len(found) == MOST_PROBLEMS + 1
    assert found[-1].what == "there may be more problems than are listed"


def test_patterns_nested_beyond_reason_are_refused_as_such(tmp_path: Path) -> None:
    found = problems_of(tmp_path, GOOD.replace("$.free[*].id", "$[?" + "(" * 5000))
    assert found[0].what == "not a JSON path (nested too deeply)"
    found = problems_of(tmp_path, GOOD.replace('json: "$.free[*].id"', f'regex: "{"(" * 5000}{")" * 5000}"'))
    assert found[0].what == "not a regular expression (nested too deeply)"


def test_the_host_may_be_named_because_the_engine_leaves_it_to_the_plan(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(
        GOOD.replace("seatrial: 1", "seatrial: 1\nheaders: {Host: booking.example.org}")
    )
    (tmp_path / "patrons.csv").write_text(CSV)
    assert load_plan(tmp_path / "plan.yaml").plan.headers == {"Host": "booking.example.org"}


def test_a_member_of_an_extracted_object_is_a_variable_too(tmp_path: Path) -> None:
    text = GOOD.replace("${slot}", "${slot.id}").replace("        name: book", "        when: slot\n        name: book")
    (tmp_path / "plan.yaml").write_text(text)
    (tmp_path / "patrons.csv").write_text(CSV)
    assert load_plan(tmp_path / "plan.yaml").plan.journeys["book"].requests[1].when == Condition(value="slot")


PATTERN = st.text(st.sampled_from("$.[]*'\"?@&|()!=<>:,-\\0a "), max_size=12)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(path=PATTERN, regex=PATTERN)
def test_any_pattern_compiles_or_is_a_problem_at_its_line(path: str, regex: str, tmp_path: Path) -> None:
    source = {"a": {"json": path}, "b": {"regex": regex}}
    text = GOOD.replace('extract: {slot: {json: "$.free[*].id", pick: random}}', f"extract: {json.dumps(source)}")
    (tmp_path / "plan.yaml").write_text(text.replace("${slot}", "${a}"))
    (tmp_path / "patrons.csv").write_text(CSV)
    try:
        load_plan(tmp_path / "plan.yaml")
    except PlanError as error:
        assert {where(p) for p in error.problems} == {"plan.yaml:11"}


def test_a_plan_that_is_missing_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="No such file"):
        load_plan(tmp_path / "none.yaml")
    with pytest.raises(PlanError, match="this is not a file"):
        load_plan(tmp_path)
    with pytest.raises(PlanError, match="no such name is possible"):
        load_plan(Path("a\0b"))
