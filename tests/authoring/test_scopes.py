"""Variables are known where every session has them, whatever groups, loops and choices stand around them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from seatrial.authoring.yaml_plan import load_plan
from seatrial.errors import PlanError, Problem

HEAD = """\
seatrial: 1
title: Scopes
target: http://127.0.0.1:8080
demand: {peak: 10/s}
trials: [{kind: load, at: 1 P, for: 2s, objectives: [errors <= 1%]}]
"""
UNSURE = "a variable that some sessions don't have here"
UNDEFINED = "an undefined variable"
UNKNOWN = "a condition on a value that no earlier step extracts"


def problems_of(folder: Path, steps: str, more: str = "", head: str = HEAD) -> list[Problem]:
    indented = "\n".join(f"      {line}" for line in steps.strip("\n").split("\n"))
    text = f"{head}journeys:\n  a:\n{more}    steps:\n{indented}\n"
    yaml_like = folder / "plan.yaml"
    yaml_like.write_text(text, encoding="utf-8")
    (folder / "f.csv").write_text("id,kind\n1,x\n" * 1 + "2,y\n" * 60)
    try:
        load_plan(yaml_like)
    except PlanError as error:
        return list(error.problems)
    return []


GOOD = {
    "both branches": """
- {get: /1, extract: {k: {json: $.k}}}
- when: {value: k, equals: 1}
  steps: [{get: /2, extract: {x: {json: $.x}}}]
  otherwise: [{get: /3, extract: {x: {json: $.x}}}]
- get: /4/${x}
""",
    "every option": """
- choose:
    - steps: [{get: /1, extract: {x: {regex: x}}}]
    - steps: [{get: /2, extract: {x: {regex: x}}}]
- get: /3/${x}
""",
    "inside the branch": """
- {get: /1, extract: {k: {json: $.k, optional: true}}}
- when: k
  steps: [{get: "/${k}", extract: {x: {json: $.x}}}, {get: "/2/${x}/${x.member}"}]
""",
    "the step's own condition": """
- {get: /1, extract: {x: {header: x, optional: true}}}
- {get: "/2/${x}", when: x}
- {get: "/3/${x}", when: {value: x, matches: "^a"}}
""",
    "the other side of a negation": """
- {get: /1, extract: {x: {header: x, optional: true}}}
- when: {value: x, not: true}
  steps: [{get: /2}]
  otherwise: [{get: "/3/${x}"}]
""",
    "the same condition twice": """
- {get: /1, extract: {k: {json: $.k}}}
- when: {value: k, above: 3}
  steps: [{get: /2, extract: {x: {json: $.x}}}]
- {get: /3, when: {value: k, above: 3}, body: "${x}"}
""",
    "a loop that runs": """
- repeat: [1, 3]
  as: round
  steps: [{get: "/1/${round}", extract: {x: {json: $.x}}}]
- get: /2/${x}/${round}
""",
    "a loop while there is more": """
- {get: /1, extract: {next: {json: $.next, optional: true}}}
- repeat: 20
  while: next
  steps: [{get: "${next}", extract: {next: {json: $.next, optional: true}}}]
""",
    "a value of the round before": """
- repeat: 5
  while: {value: done, not: true}
  steps:
    - {get: /1, when: {value: seen, not: true}}
    - {get: /2, extract: {seen: {json: $.a, optional: true}, done: {json: $.d, optional: true}}}
""",
    "a loop within a choice within a group": """
- {get: /1, extract: {k: {json: $.k}}}
- when: k
  steps:
    - choose:
        - weight: 2
          steps:
            - repeat: 2
              steps: [{get: /2, extract: {x: {json: $.x}}}, {get: "/3/${x}"}]
        - steps: []
""",
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_variable_that_every_session_has_there_is_taken(kind: str, tmp_path: Path) -> None:
    assert problems_of(tmp_path, GOOD[kind]) == []


BAD = {
    "one branch": (
        """
- {get: /1, extract: {k: {json: $.k}}}
- when: {value: k, equals: 1}
  steps: [{get: /2, extract: {x: {json: $.x}}}]
  otherwise: [{get: /3}]
- get: /4/${x}
""",
        UNSURE, "${x}", 5,
    ),
    "one option": (
        """
- choose:
    - steps: [{get: /1, extract: {x: {regex: x}}}]
    - steps: []
- get: /3/${x}
""",
        UNSURE, "${x}", 4,
    ),
    "another option": (
        """
- choose:
    - steps: [{get: /1, extract: {x: {regex: x}}}]
    - steps:
        - get: /3/${x}
""",
        UNSURE, "${x}", 4,
    ),
    "a loop of maybe no round": (
        """
- repeat: [0, 3]
  steps: [{get: /1, extract: {x: {json: $.x}}}]
- get: /2/${x}
""",
        UNSURE, "${x}", 3,
    ),
    "a loop that may not begin": (
        """
- {get: /1, extract: {k: {json: $.k}}}
- repeat: 3
  while: {value: k, below: 3}
  as: round
  steps: [{get: /2, extract: {k: {json: $.k}}}]
- get: /3/${round}
""",
        UNSURE, "${round}", 6,
    ),
    "the first round": (
        """
- repeat: 3
  steps:
    - get: /1/${x}
    - {get: /2, extract: {x: {json: $.x}}}
""",
        UNSURE, "${x}", 3,
    ),
    "an optional extract": (
        """
- {get: /1, extract: {x: {json: $.x, optional: true}}}
- get: /2/${x}
""",
        UNSURE, "${x}", 2,
    ),
    "a step that may fail": (
        """
- {get: /1, extract: {x: {json: $.x}}, on_failure: continue}
- get: /2/${x}
""",
        UNSURE, "${x}", 2,
    ),
    "a conditional step": (
        """
- {get: /1, extract: {k: {json: $.k}}}
- {get: /2, when: {value: k, equals: 1}, extract: {x: {json: $.x}}}
- get: /3/${x}
""",
        UNSURE, "${x}", 3,
    ),
    "another condition": (
        """
- {get: /1, extract: {k: {json: $.k}}}
- {get: /2, when: {value: k, equals: 1}, extract: {x: {json: $.x}}}
- {get: "/3/${x}", when: {value: k, equals: 2}}
""",
        UNSURE, "${x}", 3,
    ),
    "nowhere": ("- repeat: 2\n  steps: [{get: /1}]\n- get: /${x}\n", UNDEFINED, "${x}", 3),
    "a condition on nothing": (
        "- {get: /1}\n- when: {value: x, equals: 1}\n  steps: [{get: /2}]\n", UNKNOWN, "x", 2,
    ),
    "a loop while nothing": ("- {get: /1}\n- repeat: 2\n  while: x\n  steps: [{get: /2}]\n", UNKNOWN, "x", 3),
    "a condition that matches nothing": (
        "- {get: /1, extract: {x: {json: $.x}}}\n- get: /2\n  when:\n    value: x\n    matches: \"(\"\n",
        "not a regular expression (missing ), unterminated subpattern at position 0)", '"("', 5,
    ),
    "a condition on a member of a text": (
        "- {get: /1, extract: {x: {header: x}}}\n- get: /2\n  when: {value: x.y, above: 1}\n",
        "a text has no columns", "x.y", 3,
    ),
    "a counter in its loop": (
        "- repeat: 2\n  as: i\n  steps:\n    - get: /1\n      extract:\n        i: {json: $.i}\n",
        "a variable with the name of a counter", "i", 6,
    ),
    "two counters": (
        "- repeat: 2\n  as: i\n  steps:\n    - repeat: 2\n      as: i\n      steps: [{get: /1}]\n",
        "a counter with the name of a counter", "i", 5,
    ),
    "a choice of one": ("- choose:\n    - steps: [{get: /1}]\n", "choose is a list of fewer than 2", None, 1),
    "a loop that turns round": (
        "- repeat: [3, 1]\n  steps: [{get: /1}]\n", "the largest number lies below the smallest", "[3, 1]", 1,
    ),
    "a loop of three numbers": (
        "- repeat: [1, 2, 3]\n  steps: [{get: /1}]\n", "repeat is a list of more than 2 values", "[1, 2, 3]", 1,
    ),
    "a pause of one bound": (
        "- get: /1\n- pause: {uniform: [1s]}\n", "a list of too few values", "[1s]", 2,
    ),
    "a loop of more requests than a session may send": (
        "- repeat: 101\n  steps: [{repeat: 100, steps: [{get: /1}]}]\n",
        "a session of more than 10000 requests", None, 0,
    ),
    "loops that send nothing": (
        "- get: /1\n- repeat: 9000\n  steps: [{repeat: 9000, steps: [{pause: 0s}]}]\n",
        "a session of more than 100000 steps", None, 0,
    ),
    "two requests of one name": (
        "- {get: /1}\n- choose:\n    - steps: [{get: /2}]\n    - steps:\n        - get: /1\n",
        "two steps of one journey with the same name", "GET /1", 5,
    ),
    "a request named as another's resources": (
        "- {get: /, name: home, resources: true}\n- get: /2\n  name: home (resources)\n",
        "two steps of one journey with the same name", "home (resources)", 3,
    ),
    "a bad selector deep inside": (
        "- choose:\n    - steps: []\n    - steps:\n        - repeat: 2\n          steps:\n            - get: /1\n"
        "              extract:\n                x: {css: 'p['}\n",
        "not a CSS selector", "'p['", 8,
    ),
    "an attribute of nothing": (
        "- get: /\n  extract:\n    x:\n      regex: x\n      attribute: href\n",
        "an attribute without a CSS selector", "href", 5,
    ),
}  # fmt: skip
FIRST = 8  # the line of the first step


@pytest.mark.parametrize("kind", BAD)
def test_a_variable_that_some_sessions_lack_is_a_problem_at_its_line(kind: str, tmp_path: Path) -> None:
    steps, what, value, line = BAD[kind]
    (found,) = problems_of(tmp_path, steps)
    assert (found.what, found.value) == (what, value)
    assert found.where.endswith(f"plan.yaml:{FIRST + line}")
    assert found.remedy.endswith((".", "?"))


def test_the_steps_of_the_tests_are_yaml() -> None:
    for steps in [*GOOD.values(), *(case[0] for case in BAD.values())]:
        assert isinstance(yaml.safe_load(steps), list)


def test_names_of_feeds_synthetic_data_and_set_up_are_kept_apart(tmp_path: Path) -> None:
    head = HEAD + "set_up: {steps: [{get: /key, extract: {key: {json: $.key}}}]}\n"
    more = "    feed: {p: {csv: f.csv, order: cycle}, key: {csv: f.csv, order: cycle}}\n"
    more += "    synthetic: {p: uuid, who: uuid}\n"
    found = problems_of(tmp_path, "- get: /${key.id}/${who}\n  extract: {who: {json: $.w}}\n", more, head)
    assert [(p.what, p.value) for p in found] == [
        ("a variable with the name of one that set-up extracts", "key"),
        ("a variable with the name of a feed", "p"),
        ("a variable with the name of synthetic data", "who"),
    ]


def test_what_set_up_extracts_every_journey_and_tear_down_have(tmp_path: Path) -> None:
    set_up = "set_up: {steps: [{get: /key, extract: {key: {json: $.key}, maybe: {json: $.m, optional: true}}}]}\n"
    tear_down = "tear_down: {auth: {bearer: '${key}'}, steps: [{delete: '/${key.id}'}]}\n"
    steps = "- get: /${key}\n- {get: '/${maybe}', when: maybe}\n"
    assert problems_of(tmp_path, steps, head=HEAD + set_up + tear_down) == []
    found = problems_of(
        tmp_path, steps + "- get: /x/${maybe}\n", head=HEAD + set_up + tear_down.replace("key.id", "no")
    )
    assert [(p.what, p.value) for p in found] == [(UNDEFINED, "${no}"), (UNSURE, "${maybe}")]


def test_a_condition_may_ask_a_column_of_a_feed(tmp_path: Path) -> None:
    more = "    feed: {p: {csv: f.csv, order: cycle}}\n"
    good = "- {get: /1, when: {value: p.kind, equals: x}}\n"
    assert problems_of(tmp_path, good, more) == []
    for wrong, what in (("p", "a feed without its column"), ("p.kin", "no such column in the feed")):
        (found,) = problems_of(tmp_path, good.replace("p.kind", wrong), more)
        assert (found.what, found.value) == (what, wrong)
        assert found.remedy in {"Write p.id.", "Did you mean kind?"}


AUTH = """
- {post: /in, extract: {token: {json: $.token}}}
- get: /1
"""


def test_a_journeys_auth_may_use_what_its_first_step_extracts(tmp_path: Path) -> None:
    assert problems_of(tmp_path, AUTH, "    auth: {bearer: '${token}'}\n") == []
    (found,) = problems_of(tmp_path, AUTH, "    auth: {bearer: '${tokn}'}\n")
    assert (found.what, found.value) == (UNDEFINED, "${tokn}")
    assert found.remedy.endswith("Did you mean token?")
    (found,) = problems_of(
        tmp_path, AUTH.replace("$.token", "$.token, optional: true"), "    auth: {bearer: '${token}'}\n"
    )
    assert found.what.startswith("a request as whom only some sessions can say")
    assert found.where.endswith(":11")


@pytest.mark.parametrize(
    ("step", "what"),
    [
        ("get: /\n  auth: {bearer: secret}", "a secret in the plan, which is sealed into the evidence"),
        ("get: /\n  auth: {basic: {user: u, password: '$${x}'}}", "a secret in the plan, which is sealed into"),
        ("get: /\n  auth: {basic: {user: 'a:b', password: '${p.id}'}}", "a user name with a colon"),
        ("get: /\n  auth: {bearer: '${p}'}", "a feed without its column"),
        ("get: /\n  auth: {bearer: '${p.id'}", "a ${ without its }"),
        ("get: /\n  auth: {bearer: '${p.id}'}\n  headers: {authorization: x}", "an Authorization header beside auth"),
        ("get: /\n  auth: {}", "not exactly one kind of authentication"),
    ],
)
def test_authentication_that_can_not_be_sent_is_refused(step: str, what: str, tmp_path: Path) -> None:
    found = problems_of(tmp_path, f"- {step}\n", "    feed: {p: {csv: f.csv, order: cycle}}\n")
    assert any(p.what.startswith(what) for p in found), found
    assert len(found) == 1 or what.startswith("a ${")


def test_limits_may_be_of_a_pages_resources_and_of_steps_within_steps(tmp_path: Path) -> None:
    steps = "- choose:\n    - steps: [{get: /, name: home, resources: true}]\n    - steps: []\n"
    limits = "errors <= 1%, errors <= 1% for step home (resources), errors <= 2% for step home"
    head = HEAD.replace("errors <= 1%", limits)
    assert problems_of(tmp_path, steps, head=head) == []
    (found,) = problems_of(tmp_path, steps.replace("resources: true", "resources: false"), head=head)
    assert (found.what, found.value) == ("no step has this name", "home (resources)")


def test_a_journey_in_python_takes_no_auth_of_the_plan(tmp_path: Path) -> None:
    (tmp_path / "j.py").write_text("async def go(session):\n    await session.get('/', name='s')\n")
    plan = f"{HEAD}journeys:\n  a: {{python: 'j.py:go', step_names: [s], auth: {{bearer: '${{t}}'}}}}\n"
    (tmp_path / "plan.yaml").write_text(plan)
    with pytest.raises(PlanError) as caught:
        load_plan(tmp_path / "plan.yaml")
    assert [p.what for p in caught.value.problems] == ["auth of a journey in Python"]


def test_many_mistakes_in_many_depths_come_out_in_one_go_in_the_order_of_their_lines(tmp_path: Path) -> None:
    steps = """
- repeat: [3, 1]
  steps:
    - when: {value: nothing, equals: 1, matches: x}
      steps:
        - get: relative
        - choose:
            - steps: [{get: /1, expect: {size: {at_least: 9, at_most: 1}}}]
    - pause: {uniform: [2s, 1s]}
    - pause: {lognormal: 1s, exponential: 1s}
- get: /2
  retry: {after: 0s, most: 0}
  resources: maybe
- post: /3
  resources: true
"""
    found = [(int(p.where.rpartition(":")[2]) - FIRST, p.what) for p in problems_of(tmp_path, steps)]
    assert found == [
        (3, "a condition with more than one comparison"),
        (3, "a condition on a value that no earlier step extracts"),
        (5, "a path without its leading slash"),
        (6, "choose is a list of fewer than 2"),
        (7, "at_most lies below at_least"),
        (8, "the longest lies below the shortest"),
        (9, "not exactly one distribution"),
        (11, "after is not above 0"),
        (11, "most is below 1"),
        (12, "resources is not true or false"),
        (14, "resources of an answer that is no page"),
    ]
