from __future__ import annotations

import base64
import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import EvidenceError
from seatrial.stats.hdr_log import Interval, decode, encode, read_log, tag_of, tag_parts, write_log
from seatrial.stats.histogram import TIMES, Histogram, Layout
from seatrial.units import SECOND

BASE_NS = 1_795_464_000 * SECOND + 125_000_000
LAYOUTS = st.sampled_from([TIMES, Layout(1, 10**10, 2), Layout(1000, 10**13, 3), Layout(1, 3_600_000_000, 4)])
VALUES = st.lists(st.one_of(st.integers(0, 3000), st.integers(0, 3_600_000_000)), max_size=80)


def of(*values: int) -> Histogram:
    return Histogram.of(np.array(values, dtype=np.int64))


def written(intervals: list[Interval]) -> str:
    file = io.StringIO()
    assert write_log(file, intervals, BASE_NS, ["made by a test"]) == len(intervals)
    return file.getvalue()


def plain(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text)[8:])


def packed(payload: bytes) -> str:
    body = zlib.compress(payload)
    return base64.b64encode(struct.pack(">II", 0x1C849314, len(body)) + body).decode()


def head(counts: bytes, **other: float) -> bytes:
    fields = {
        "magic": 0x1C849313,
        "length": len(counts),
        "offset": 0,
        "digits": 3,
        "low": 1,
        "high": 10**9,
        "factor": 1.0,
    }
    return struct.pack(">IIiiqqd", *(fields | other).values())


@given(VALUES, LAYOUTS)
def test_what_is_written_is_what_is_read(values, layout):
    histogram = Histogram.of(np.array(values, dtype=np.int64), layout)
    assert decode(encode(histogram)) == histogram


@given(VALUES, LAYOUTS)
def test_another_program_writes_the_same_bytes_and_reads_the_same_counts(values, layout):
    ours, theirs = (
        Histogram.of(np.array(values, dtype=np.int64), layout),
        HdrHistogram(layout.lowest, layout.highest, layout.digits),
    )
    for value in values:
        theirs.record_value(value)
    assert plain(encode(ours)) == plain(theirs.encode())
    assert decode(theirs.encode().decode()) == ours
    read = HdrHistogram.decode(encode(ours))
    assert read.get_total_count() == len(values)
    assert [read.get_count_at_index(int(index)) for index in ours.index] == ours.count.tolist()


@given(
    st.lists(st.tuples(st.integers(0, 41_983), st.integers(1, 2**55 - 1)), max_size=6, unique_by=lambda pair: pair[0])
)
def test_counts_of_any_size_come_back(pairs):
    pairs.sort()
    index, count = (np.array(list(part), dtype=np.int64) for part in (zip(*pairs, strict=True) if pairs else ((), ())))
    histogram = Histogram(TIMES, index, count)
    assert decode(encode(histogram)) == histogram


def test_a_count_beyond_the_format_is_refused():
    with pytest.raises(ValueError, match="beyond the format"):
        encode(Histogram(TIMES, np.array([4]), np.array([2**55])))


def test_a_log_comes_back_interval_by_interval():
    intervals = [
        Interval("load/visit/book/response", 0, SECOND, of(1_000_000, 2_000_000)),
        Interval("load/visit/book/service", 0, SECOND, of(900_000)),
        Interval("", SECOND, SECOND // 3, of(5)),
    ]
    text = written(intervals)
    assert list(read_log(text.splitlines(keepends=True))) == intervals
    assert text.startswith("#[Histogram log format version 1.3]\n#made by a test\n#[BaseTime: 1795464000.125 (seconds")
    assert "Tag=load/visit/book/response,0.000,1.000,2.001,HIST" in text


def test_hdrhistogram_s_own_reader_reads_the_log_with_its_tags_and_times(tmp_path):
    values = np.random.default_rng(2).lognormal(17, 1, 400).astype(np.int64)
    path = tmp_path / "made.hlog"
    path.write_text(written([Interval("預約/book", k * SECOND, SECOND, Histogram.of(values[k::4])) for k in range(4)]))
    reader, whole = HistogramLogReader(str(path), HdrHistogram(1, TIMES.highest, 3)), HdrHistogram(1, TIMES.highest, 3)
    for k in range(4):
        one = reader.get_next_interval_histogram()
        assert one.get_tag() == "預約/book"
        assert one.get_start_time_stamp() == (BASE_NS + k * SECOND) / 1e6
        assert one.get_total_count() == 100
        whole.add(one)
    assert reader.get_next_interval_histogram() is None
    reader.input_file.close()
    assert whole.get_value_at_percentile(99) == Histogram.of(values).quantile(0.99)


@given(
    st.lists(
        st.text(min_size=1, max_size=12).filter(lambda t: t.isascii() or t.encode("utf-8", "ignore").decode() == t),
        min_size=1,
        max_size=4,
    )
)
def test_any_name_fits_into_a_tag_and_comes_back(names):
    tag = tag_of(*names)
    assert tag_parts(tag) == tuple(names)
    assert not set(tag) & set(", \n\r\t")
    assert next(read_log(written([Interval(tag, 0, SECOND, of(1))]).splitlines())).tag == tag


@pytest.mark.parametrize("tag", ["a,b", "a b", "a\nb"])
def test_a_tag_that_would_break_its_line_is_not_written(tag):
    with pytest.raises(ValueError, match="not a tag"):
        written([Interval(tag, 0, SECOND, of(1))])


def test_intervals_out_of_order_and_comments_of_two_lines_are_not_written():
    with pytest.raises(ValueError, match="after one from"):
        written([Interval("", SECOND, SECOND, of(1)), Interval("", 0, SECOND, of(1))])
    with pytest.raises(ValueError, match="one line"):
        write_log(io.StringIO(), [], 0, ["a\nb"])


def test_one_index_without_any_may_also_be_written_as_a_count_of_zero():
    assert decode(packed(head(b"\0\x02") + b"\0\x02")) == decode(packed(head(b"\x01\x02") + b"\x01\x02"))


GOOD = plain(encode(of(1, 5, 5000)))[40:]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("%%%", "no base64"),
        (base64.b64encode(b"HIST").decode(), "encoding V2"),
        (encode(of(1, 2))[:-4], "encoding V2"),
        (base64.b64encode(struct.pack(">II", 0x1C849314, 5) + b"stuff").decode(), "compression is damaged"),
        (packed(b"\0" * 20), "head is cut off"),
        (packed(head(GOOD, magic=0x1C849301) + GOOD), "encoding V2"),
        (packed(head(GOOD, length=1) + GOOD), "encoding V2"),
        (packed(head(GOOD, offset=3) + GOOD), "encoding V2"),
        (packed(head(GOOD, factor=2.0) + GOOD), "encoding V2"),
        (packed(head(GOOD, digits=9) + GOOD), "significant digits"),
        (packed(head(GOOD, low=0) + GOOD), "no histogram"),
        (packed(head(GOOD, high=-1) + GOOD), "no histogram"),
        (packed(head(GOOD, high=600) + GOOD), "beyond its highest"),
        (packed(head(b"\x82") + b"\x82"), "cut off"),
        (packed(head(b"\xff" * 8 + b"\x01") + b"\xff" * 8 + b"\x01"), "2\\*\\*55"),
        (packed(head(b"\xff" * 7 + b"\x7f") + b"\xff" * 7 + b"\x7f"), "beyond its highest"),
        (packed(head(b"") + b"\0" * (1 << 26)), "too large"),
    ],
)
def test_a_hostile_histogram_is_refused_in_words(text, why):
    with pytest.raises(ValueError, match=why):
        decode(text)


@given(st.binary(max_size=60), st.integers(0, 80))
def test_a_histogram_with_changed_bytes_is_read_or_refused_and_nothing_else(noise, at):
    payload = head(GOOD) + GOOD
    with contextlib.suppress(ValueError):
        decode(packed(payload[:at] + noise + payload[at + len(noise) :]))


@pytest.mark.parametrize(
    "line", ["what is this", "0.0,1.0,HISTFAAAA", "-1.0,1.0,0.0,HIST", "Tag=a b,0.0,1.0,0.0,HIST", "1e9,1.0,0.0,AAAA"]
)
def test_a_line_of_something_else_is_named(line):
    with pytest.raises(EvidenceError, match=r"line 2: this is no HdrHistogram interval log"):
        list(read_log(["#comment", line]))


def test_a_damaged_histogram_in_a_log_is_named_by_its_line():
    with pytest.raises(EvidenceError, match="line 1: its histogram can't be read"):
        list(read_log(["0.0,1.0,0.0,AAAA"]))


def test_a_log_without_intervals_is_no_log():
    with pytest.raises(EvidenceError, match="no interval"):
        list(read_log(["#[StartTime: 5.0 (seconds since epoch)]", ""]))
