"""The part ``assess``: what ``seatrial assess`` takes for one, ten and, when asked, a hundred million records.

The bundles are made in virtual time (:mod:`benchmarks.made_bundles`); the command is a process of its own on all cores,
and its time, its processor time and the most memory it held are the kernel's figures (``wait4``).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.servers import ROOT, BenchError
from benchmarks.tools import ours_command

__all__ = ["SIZES", "assess", "measure", "timed"]

SIZES = (1_000_000, 10_000_000)
"""Records of the bundles that are always assessed."""

_BYTES_EACH = 40
_LIMIT_S = 900.0
Row = dict[str, Any]


def assess(source: Path, most: int, cores: Sequence[int], say: Callable[[str], None]) -> list[Row]:
    """Return one row for each size of bundle.

    Args:
        source: Ours.
        most: Records of the largest bundle; below the last of :data:`SIZES` there is no further one.
        cores: On which the command may run.
        say: Told of each row.

    Raises:
        BenchError: there is no room for the bundle, or the command does not give a verdict.
    """
    sizes = [*SIZES, *([most] if most > SIZES[-1] else [])]
    return [_of_size(source, size, cores, say) for size in sizes]


def _of_size(source: Path, size: int, cores: Sequence[int], say: Callable[[str], None]) -> Row:
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as name:
        if shutil.disk_usage(name).free < size * _BYTES_EACH:
            raise BenchError(f"no room for {size:,} records: {size * _BYTES_EACH / 1e9:.0f} GB are needed")
        bundle = Path(name) / "bundle"
        records = _made(bundle, size)
        held = sum(path.stat().st_size for path in bundle.rglob("*.parquet"))
        row = measure(source, bundle, cores) | {"records": records, "bundle_bytes": held}
    say(f"{records:,} records: {row['wall_s']:.1f} s, {row['cpu_s']:.1f} s of CPU, {row['peak_bytes'] / 1e6:,.0f} MB")
    return row


def _made(folder: Path, size: int) -> int:
    """Make a bundle in a process of its own: a child's peak begins with what its parent held when it was started."""
    command = [sys.executable, "-m", "benchmarks.made_bundles", str(folder), str(size)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    if done.returncode or not done.stdout.strip().isdecimal():
        raise BenchError(f"no bundle of {size:,} records: {done.stderr[-200:]}")
    return int(done.stdout)


def measure(source: Path, bundle: Path, cores: Sequence[int]) -> Row:
    """Return what the command took for one bundle, and its verdict.

    Raises:
        BenchError: it gave none, or not in 15 minutes.
    """
    row, output = timed(source, ["assess", str(bundle), "--json"], cores)
    try:
        document = json.loads(output)
    except ValueError as error:
        raise BenchError(f"assess gave no verdict and ended with {row['exit_code']}") from error
    intended = sum(stage["intended"] for trial in document["trials"] for stage in trial["stages"])
    return row | {
        "verdict": document["verdict"],
        "judged": intended,
        "command": ["seatrial", "assess", "bundle", "--json"],
    }


def timed(source: Path, words: Sequence[str], cores: Sequence[int]) -> tuple[Row, bytes]:
    """Run a command of ours in a process of its own; return what it took, by the kernel's figures, and what it said."""
    command, environment = ours_command("seatrial.cli.main", source)
    pinned = [shutil.which("taskset") or "taskset", "-c", ",".join(map(str, cores)), *command, *words]
    with tempfile.TemporaryFile() as output:
        began_s = time.monotonic()
        process = subprocess.Popen(
            pinned, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() - began_s > _LIMIT_S:
                process.kill()
            time.sleep(0.01)
        wall_s = time.monotonic() - began_s
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        row = {
            "wall_s": wall_s,
            "cpu_s": used.ru_utime + used.ru_stime,
            "peak_bytes": used.ru_maxrss * 1024,
            "exit_code": process.returncode,
        }
        return row, output.read()
