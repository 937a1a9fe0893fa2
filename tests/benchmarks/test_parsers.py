"""Each tool's own report, as it prints it, in one form."""

from __future__ import annotations

import json

import pytest
from benchmarks.parsers import PARSERS, Said, UnreadableReportError
from benchmarks.tools import TOOLS

WRK = """Running 4s test @ http://127.0.0.1:44319/small
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    11.63ms   42.82ms 322.21ms   94.39%
  Latency Distribution
     50%  327.00us
     75%    2.92ms
     99%    1.20s
  254581 requests in 4.05s, 64.82MB read
  Socket errors: connect 0, read 1, write 0, timeout 2
  Non-2xx or 3xx responses: 4
Requests/sec:  62905.84
"""
H2LOAD = """finished in 3.00s, 56508.00 req/s, 13.37MB/s
requests: 169524 total, 169588 started, 169524 done, 169521 succeeded, 3 failed, 3 errored, 0 timeout
status codes: 169521 2xx, 0 3xx, 2 4xx, 1 5xx
"""
HEY = """Summary:
  Total:	3.0022 secs
Latency distribution:
  10% in 0.0009 secs
  50% in 0.0021 secs
  95% in 0.0102 secs
  99% in 0.0204 secs

Status code distribution:
  [200]	35145 responses
  [503]	5 responses

Error distribution:
  [4]	Get "http://127.0.0.1:1/small": dial tcp 127.0.0.1:1: connect: connection refused
"""
AB = """Complete requests:      285999
Failed requests:        2
   (Connect: 0, Receive: 0, Length: 2, Exceptions: 0)
Non-2xx responses:      1
  50%      1
  95%      3
  99%      7
 100%     30 (longest request)
"""
LOCUST = """Type,Name,Request Count,Failure Count,Median Response Time,50%,95%,99%
GET,/small,300,2,22,22,24,30
,Aggregated,300,2,22,22,24,30
"""
GATLING = """---- Global Information -------------------------------------------------- | --Total- | ---OK--- | ---KO---
> request count                                                                      |     2,361 |     2,360 |         1
> response time 50th percentile (ms)                                                 |        45 |        45 |         -
> response time 95th percentile (ms)                                                 |       124 |       124 |         -
> response time 99th percentile (ms)                                                 |     1,248 |     1,248 |         -
"""
AUTOCANNON = json.dumps(
    {"latency": {"p50": 2, "p97_5": 5, "p99": 9}, "requests": {"total": 100}, "errors": 1, "non2xx": 2, "timeouts": 0}
)
ARTILLERY = json.dumps(
    {
        "aggregate": {
            "counters": {"http.requests": 60, "http.codes.200": 57, "http.codes.401": 2, "errors.ECONNREFUSED": 1},
            "summaries": {"http.response_time": {"median": 20.1, "p95": 22.0, "p99": 25.0}},
        }
    }
)
K6 = json.dumps(
    {
        "http_reqs": {"values": {"count": 500}},
        "http_req_failed": {"values": {"passes": 3}},
        "checks": {"values": {"fails": 4}},
        "dropped_iterations": {"values": {"count": 10}},
        "http_req_duration": {"values": {"med": 1.5, "p(95)": 2.5, "p(99)": 3.5}},
    }
)
VEGETA = json.dumps(
    {
        "requests": 100,
        "status_codes": {"200": 97, "0": 2, "500": 1},
        "latencies": {"50th": 2_000_000, "95th": 3_000_000, "99th": 4_500_000},
    }
)
OHA = json.dumps(
    {
        "statusCodeDistribution": {"200": 900, "503": 1},
        "errorDistribution": {"aborted due to deadline": 64, "connection refused": 2},
        "latencyPercentiles": {"p50": 0.001, "p95": 0.002, "p99": None},
    }
)
OURS = json.dumps(
    {
        "requests": 1000,
        "outcomes": {"ok": 1000, "unsent": 40, "timeout": 2, "aborted": 4},
        "response_p50_ms": 1.0,
        "response_p95_ms": 2.0,
        "response_p99_ms": 3.0,
    }
)
REPORTS = {
    "ours": (OURS, Said(1000, 6, 1.0, 2.0, 3.0)),
    "wrk": (WRK, Said(254_581, 7, 0.327, None, 1200.0)),
    "h2load": (H2LOAD, Said(169_524, 6)),
    "hey": (HEY, Said(35_154, 9, 2.1, 10.2, 20.4)),
    "ab": (AB, Said(285_999, 3, 1.0, 3.0, 7.0)),
    "locust": (LOCUST, Said(300, 2, 22.0, 24.0, 30.0)),
    "autocannon": (AUTOCANNON, Said(100, 3, 2.0, None, 9.0)),
    "artillery": (ARTILLERY, Said(60, 3, 20.1, 22.0, 25.0)),
    "k6": (K6, Said(500, 14, 1.5, 2.5, 3.5)),
    "vegeta": (VEGETA, Said(100, 3, 2.0, 3.0, 4.5)),
    "oha": (OHA, Said(903, 3, 1.0, 2.0, None)),
    "gatling": (GATLING, Said(2361, 1, 45.0, 124.0, 1248.0)),
}


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_a_report_is_read_as_the_tool_means_it(name: str):
    report, meant = REPORTS[name]
    said = PARSERS[name](report)
    assert (said.requests, said.errors) == (meant.requests, meant.errors)
    for value, expected in ((said.p50_ms, meant.p50_ms), (said.p95_ms, meant.p95_ms), (said.p99_ms, meant.p99_ms)):
        assert value == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_an_empty_report_is_no_report(name: str):
    with pytest.raises(UnreadableReportError):
        PARSERS[name]("")


def test_every_tool_has_a_parser_and_no_parser_is_without_a_tool():
    assert set(PARSERS) == set(TOOLS)
