"""The part ``verify``: what ``seatrial verify`` takes for a sealed, packed bundle of a gigabyte, and of a tenth of it.

The bundles are made in virtual time (:mod:`benchmarks.made_bundles`), judged, sealed with a key of their own and
packed, by a process of its own (``python -m benchmarks.verifying FOLDER BYTES``). The command then runs on all cores;
its time, its processor time and the most memory it held are the kernel's figures.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.assessing import timed
from benchmarks.made_bundles import make_bundle
from benchmarks.servers import ROOT, BenchError

__all__ = ["make_sealed", "verify"]

_BYTES_A_RECORD = 17.8
_LIMIT_S = 900.0
Row = dict[str, Any]


def verify(source: Path, most_bytes: int, cores: Sequence[int], say: Callable[[str], None]) -> list[Row]:
    """Return one row for a bundle of a tenth of the size, and one for the size.

    Args:
        source: Ours.
        most_bytes: Of the larger packed bundle, about.
        cores: On which the command may run.
        say: Told of each row.

    Raises:
        BenchError: there is no room for the bundle, or it is not verified.
    """
    return [_of_size(source, size, cores, say) for size in (most_bytes // 10, most_bytes)]


def _of_size(source: Path, size: int, cores: Sequence[int], say: Callable[[str], None]) -> Row:
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as name:
        if shutil.disk_usage(name).free < 3 * size:
            raise BenchError(f"no room for a bundle of {size:,} bytes, its folder and its unpacked copy")
        command = [sys.executable, "-m", "benchmarks.verifying", name, str(size)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
        if done.returncode or not done.stdout.strip().isdecimal():
            raise BenchError(f"no sealed bundle of {size:,} bytes: {done.stderr[-200:]}")
        packed = Path(name) / "bundle.seatrial"
        row = measure(source, packed, Path(name) / "trust.json", cores)
        row |= {"records": int(done.stdout), "bundle_bytes": packed.stat().st_size}
    say(
        f"{row['bundle_bytes'] / 1e6:,.0f} MB: {row['wall_s']:.1f} s, {row['cpu_s']:.1f} s of CPU, "
        f"{row['peak_bytes'] / 1e6:,.0f} MB"
    )
    return row


def measure(source: Path, packed: Path, trust: Path, cores: Sequence[int]) -> Row:
    """Return what the command took for one bundle.

    Raises:
        BenchError: it did not verify it.
    """
    row, output = timed(source, ["verify", str(packed), "--trust", str(trust), "--json"], cores)
    try:
        document = json.loads(output)
    except ValueError as error:
        raise BenchError(f"verify said nothing and ended with {row['exit_code']}") from error
    if not document["ok"]:
        failed = [step["sentence"] for step in document["steps"] if step["status"] == "failed"]
        raise BenchError(f"the bundle is not verified: {failed[0][:150]}")
    return row | {
        "steps": len(document["steps"]),
        "command": ["seatrial", "verify", "bundle.seatrial", "--trust", "trust.json", "--json"],
    }


def make_sealed(folder: Path, size: int) -> int:
    """Write ``bundle.seatrial``, sealed, of about so many bytes, and ``trust.json``; return how many records it has."""
    from seatrial.clock import SystemClock
    from seatrial.evidence.archive import pack
    from seatrial.evidence.bundle import REPORT, VERDICT
    from seatrial.evidence.chain import ChainWriter
    from seatrial.evidence.keys import TESTER, Trust, load_signer, new_key
    from seatrial.evidence.recompute import recompute_verdict
    from seatrial.evidence.seal import seal

    now = SystemClock().now()
    period = {"valid_from": now - timedelta(minutes=1), "valid_until": now + timedelta(days=1)}
    key = new_key(folder / "tester.pem", role=TESTER, name="Benchmark", passphrase=None, **period)
    (folder / "trust.json").write_bytes(Trust((key,)).to_bytes())
    bundle = folder / "bundle"
    records = make_bundle(bundle, round(size / _BYTES_A_RECORD))
    ChainWriter(bundle).close()
    (bundle / REPORT).write_text("<!doctype html><title>made</title>")
    (bundle / VERDICT).write_bytes(recompute_verdict(bundle))
    seal(bundle, [load_signer(folder / "tester.pem", None)], now)
    pack(bundle, folder / "bundle.seatrial")
    shutil.rmtree(bundle)
    return records


if __name__ == "__main__":
    sys.stdout.write(f"{make_sealed(Path(sys.argv[1]), int(sys.argv[2]))}\n")
