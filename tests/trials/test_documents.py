"""What the evidence keeps of files that are not in it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from seatrial.authoring.yaml_plan import load_plan
from seatrial.engine.arrivals import FeedRows
from seatrial.errors import EngineError
from seatrial.trials.documents import _digest_of, read_feeds, upload_facts

EVERYTHING = Path(__file__).parents[1] / "engine" / "everything" / "plan.yaml"


def digest(*rows: tuple[object, ...], columns: tuple[str, ...] = ("a", "b")) -> str:
    return _digest_of(FeedRows(columns, rows, "unique"))


def test_the_digest_of_a_feed_tells_types_values_columns_and_order_apart() -> None:
    tables = [
        digest(("1", "2")), digest((1, "2")), digest(("1", 2)), digest((1, 2)), digest((1.0, 2)), digest((True, 2)),
        digest(("1", None)), digest((["1"], "2")), digest(("1", {"x": 2})), digest(("2", "1")),
        digest(("1", "2"), columns=("b", "a")), digest(("1", "2"), ("1", "2")), digest((1, 2), columns=("b", "a")),
    ]  # fmt: skip
    assert len(set(tables)) == len(tables)
    assert digest(("1", "2")) == hashlib.sha256(b"a\x1fb\n1\x1f2").hexdigest()


def test_feeds_of_both_kinds_are_read_with_their_types_and_orders() -> None:
    apply, look = read_feeds(load_plan(EVERYTHING))
    assert (apply["patron"].order, apply["branch"].order, look["patron"].order) == ("unique", "random", "cycle")
    assert apply["patron"].columns == ("id", "pin", "adult", "party")
    assert apply["patron"].rows[1][2:] == (True, {"adults": 1, "children": [{"age": 1}]})
    assert apply["branch"].rows[0] == ("01", "沙田")


def test_uploads_are_known_by_their_size_and_digest() -> None:
    content = (EVERYTHING.parent / "scan.bin").read_bytes()
    wanted = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert upload_facts(load_plan(EVERYTHING)) == {"scan.bin": wanted}


def test_an_upload_that_is_gone_since_the_check_ends_the_run_before_it_begins(tmp_path: Path) -> None:
    for file in EVERYTHING.parent.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    loaded = load_plan(tmp_path / "plan.yaml")
    (tmp_path / "scan.bin").unlink()
    with pytest.raises(EngineError, match="a file to upload can't be used any more"):
        upload_facts(loaded)
