"""Transports that there are, and those that there are not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from seatrial.model.plan import Plan

PLAN: dict[str, Any] = {
    "seatrial": 1,
    "title": "A visit",
    "target": "https://127.0.0.1:8443",
    "demand": {"peak": "10/s"},
    "journeys": {"visit": {"steps": [{"get": "/"}]}},
    "trials": [{"kind": "load", "at": "1 P", "for": "10s", "objectives": ["errors <= 1%"]}],
}


@pytest.mark.parametrize("transport", ["http/1.1", "http/2", "http/3"])
def test_every_version_of_http_goes_to_a_target_with_tls(transport: str) -> None:
    assert Plan.model_validate(PLAN | {"transport": transport}).transport == transport


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"transport": "http/3", "target": "http://127.0.0.1:8080"}, "HTTP/3 without TLS"),
        ({"transport": "http/3", "proxy": "http://127.0.0.1:3128"}, "HTTP/3 through a proxy"),
        ({"transport": "http/4"}, "http/2"),
    ],
)
def test_a_transport_that_is_not_to_be_had_is_refused(change: dict[str, str], detail: str) -> None:
    with pytest.raises(ValidationError, match=detail):
        Plan.model_validate(PLAN | change)


def test_http2_goes_without_tls_and_through_a_proxy() -> None:
    plain = {"transport": "http/2", "target": "http://127.0.0.1:8080", "proxy": "http://127.0.0.1:3128"}
    assert Plan.model_validate(PLAN | plain).transport == "http/2"
