"""A generator that runs out of what its machine has to give: the run is INVALID and says of what."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.running import Done, seatrial, service, write_plan

PORTS, FILES = 24, 28
HOLD = (
    "[{get: /, name: front page}]",
    "[{get: /, name: front page}, {pause: 1500ms}]",
)  # a connection is kept meanwhile

ELSEWHERE = f"""
import fcntl, pathlib, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:  # bring up lo: SIOCSIFFLAGS, IFF_UP | IFF_RUNNING
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 0x41))
pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 {40000 + PORTS - 1}")
sys.path.insert(0, sys.argv[1])
from tests.cli.test_generator_health import without_means
done = without_means(pathlib.Path(sys.argv[2]))
print(done.out, end="")
print(done.err, end="", file=sys.stderr)
sys.exit(done.code)
"""


def without_means(folder: Path, *before: str) -> Done:
    with service() as server:
        write_plan(folder, server.url, HOLD, ("seatrial: 1", "seatrial: 1\narrivals: even"))
        arguments = ("run", "plan.yaml", "--policy", "policy.yaml", "--out", "bundle", "--json", "--workers", 1)
        return seatrial(*arguments, cwd=folder, before=before)


def reasons(done: Done) -> dict[str, dict[str, str]]:
    assert done.code == 4, done.err
    return {reason["code"]: reason["params"] for reason in done.json["trials"][0]["reasons"]}


def test_a_machine_that_runs_out_of_local_ports_makes_the_run_invalid(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    elsewhere = ("unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", ELSEWHERE, root, str(tmp_path))
    done = subprocess.run(elsewhere, capture_output=True, text=True, timeout=60, check=False)
    found = reasons(Done(done.returncode, done.stdout, done.stderr))
    assert int(found["validity.ports_refused"]["measured"]) >= 10
    held = int(found["validity.ports"]["measured"])
    assert PORTS - 1 <= held <= PORTS  # the connection that the run began with may still wait for its end
    assert found["validity.ports"]["limit"] == f"{PORTS}"


def test_a_worker_that_may_not_open_more_files_makes_the_run_invalid(tmp_path: Path) -> None:
    done = without_means(tmp_path, "sh", "-c", f'ulimit -n {FILES}; exec "$@"', "sh")
    found = reasons(done)
    assert int(found["validity.files_refused"]["measured"]) >= 1
    assert found["validity.files"]["limit"] == f"{FILES}"
