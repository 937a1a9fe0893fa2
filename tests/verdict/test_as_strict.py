"""Which limit of a plan is as strict as one that the policy asks for."""

from __future__ import annotations

import pytest
from tests.verdict.made import POLICY, load, plan_of

from seatrial.model.policy import Policy
from seatrial.verdict.acceptance import shortfalls


def lacks(own: str, wanted: str) -> bool:
    required = {"kind": "load", "at_least": "1 P", "hold": "1m", "objectives": [wanted]}
    policy = Policy.model_validate(POLICY.as_document() | {"acceptance": {"mandatory": [required]}})
    return shortfalls(plan_of(load(own)), policy) != ()


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ("p99 response time <= 2s", "p95 response time <= 2s"),
        ("errors <= 0.1%", "errors <= 1%"),
        ("errors <= 0.1%", "timeouts <= 0.1%"),
        ("errors <= 1%", "errors <= 1% of admitted"),
        ("errors <= 1% for every 10s", "errors <= 1% for every 30s"),
        ("goodput >= 41/s", "goodput >= 40/s"),
    ],
)
def test_a_limit_that_implies_another_is_as_strict(own: str, wanted: str) -> None:
    assert not lacks(own, wanted)
    assert not lacks(wanted, wanted)


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ("p95 response time <= 2s", "p99 response time <= 2s"),
        ("p95 response time <= 2s", "p95 response time <= 2s of admitted"),
        ("p95 response time <= 2s of admitted", "p95 response time <= 2s"),
        ("errors <= 1% of admitted", "errors <= 1%"),
        ("timeouts <= 0.1%", "errors <= 1%"),
        ("timeouts <= 0.1%", "refusals <= 1%"),
        ("timeouts <= 0.1%", "timeouts <= 0.1% of admitted"),
        ("errors <= 1%", "errors <= 1% for every 30s"),
        ("errors <= 1% for every 30s", "errors <= 1%"),
        ("errors <= 1% for every 20s", "errors <= 1% for every 30s"),
        ("errors <= 1% for step book", "errors <= 1%"),
        ("goodput >= 39/s", "goodput >= 40/s"),
        ("goodput >= 99% of offered", "goodput >= 40/s"),
    ],
)
def test_a_limit_that_leaves_something_out_is_not_as_strict(own: str, wanted: str) -> None:
    assert lacks(own, wanted)
