"""What a worker counts against the limits is what the records say against them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seatrial.engine.tally import Tally
from seatrial.model.plan import Plan
from seatrial.model.sample import NEVER, Outcome
from seatrial.samples.codec import ROW_DTYPE
from seatrial.units import MS, SECOND

LIMITS = (
    "errors <= 1%",
    "goodput >= 99% of offered",
    "achieved >= 99% of offered",
    "p95 response time <= 50ms",
    "p95 service time <= 50ms",
    "mean response time <= 50ms",
    "timeouts <= 1%",
    "refusals <= 1%",
    "http errors <= 1%",
    "failed checks <= 1%",
    "connection errors <= 1%",
    "errors <= 1% of admitted",
    "p95 response time <= 50ms of admitted",
    "goodput >= 40/s",
    "errors <= 1% for step book",
    "errors <= 1% for journey visit",
)
START_NS = 10 * SECOND


def tally() -> Tally:
    steps: dict[str, Any] = {"steps": [{"get": "/a", "name": "list"}, {"get": "/b", "name": "book"}]}
    plan = Plan.model_validate(
        {
            "seatrial": 1,
            "title": "counts",
            "target": "http://127.0.0.1:1",
            "demand": {"peak": "1/s"},
            "journeys": {"visit": steps, "look": {"steps": [{"get": "/a", "name": "list"}]}},
            "trials": [
                {"kind": "load", "at": "1 P", "warmup": "1s", "for": "1s", "objectives": LIMITS},
            ],
        }
    )
    return Tally(plan, plan.trials[0].stages(0, plan)[0], START_NS)


ROWS = st.lists(
    st.tuples(
        st.sampled_from([(0, 0), (0, 1), (1, 0)]),
        st.integers(0, 2 * SECOND),
        st.integers(0, 20 * MS),
        st.integers(0, 200 * MS),
        st.sampled_from(
            [(outcome, 0) for outcome in Outcome]
            + [(Outcome.HTTP_ERROR, 500), (Outcome.HTTP_ERROR, 503), (Outcome.OK, 429)]
        ),
    )
)


@given(ROWS)
def test_every_limit_is_counted_over_judged_steps_in_its_scope(made):
    rows = np.zeros(len(made), ROW_DTYPE)
    want = [0] * len(LIMITS)
    for place, ((journey, step), at_ns, lag_ns, took_ns, (outcome, status)) in enumerate(made):
        intended = START_NS + at_ns
        sent = NEVER if outcome is Outcome.UNSENT else intended + lag_ns
        done = intended + lag_ns + took_ns
        row = rows[place]
        row["journey"], row["step"], row["outcome"] = journey, step, outcome
        row["status"] = status
        row["intended_ns"], row["sent_ns"], row["done_ns"] = intended, sent, done
        if at_ns < SECOND or outcome is Outcome.RETRIED:
            continue
        bad = outcome is not Outcome.OK
        want[0] += bad
        want[1] += bad
        want[2] += sent == NEVER
        want[3] += done - intended > 50 * MS
        want[4] += sent != NEVER and done - sent > 50 * MS
        want[5] += done - intended
        refused = outcome is Outcome.HTTP_ERROR and status == 503
        want[6] += outcome in (Outcome.TIMEOUT, Outcome.IN_FLIGHT)
        want[7] += refused
        want[8] += outcome is Outcome.HTTP_ERROR
        want[9] += outcome is Outcome.CHECK_FAILED
        want[10] += outcome in (Outcome.CONNECT_FAILED, Outcome.TLS_FAILED, Outcome.PROTOCOL_ERROR)
        want[11] += bad and not refused
        want[12] += done - intended > 50 * MS and not refused
        want[13] += bad
        want[14] += bad and (journey, step) == (0, 1)
        want[15] += bad and journey == 0
    assert tally().count(rows) == tuple(want)
