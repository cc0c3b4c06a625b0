"""Progress: a wrong report makes the dashboard lie, and has a transcoder that works ended as hung."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.media.progress import Progress, ProgressParser

REPORT = (
    b"frame=50\nfps=24.97\nstream_0_0_q=28.0\nbitrate=1234.5kbits/s\ntotal_size=65536\nout_time_us=2040000\n"
    b"out_time_ms=2040000\nout_time=00:00:02.040000\ndup_frames=0\ndrop_frames=0\nspeed=1.98x\nprogress=continue\n"
)
PARSED = Progress(position_s=2.04, speed=1.98, fps=24.97, frame=50)


@pytest.mark.parametrize(
    ("data", "latest"),
    [
        pytest.param(b"", Progress(), id="nothing yet"),
        pytest.param(REPORT, PARSED, id="a report of ffmpeg"),
        pytest.param(REPORT.removesuffix(b"progress=continue\n"), Progress(), id="not complete yet"),
        pytest.param(REPORT.replace(b"\n", b"\r\n"), PARSED, id="with carriage returns"),
        pytest.param(REPORT + b"frame=51\nfps=", PARSED, id="the next one is on its way"),
        pytest.param(REPORT + b"frame=9\nprogress=end\n", Progress(frame=9, done=True), id="nothing of the one before"),
        pytest.param(b"out_time_us=N/A\nspeed=N/A\nprogress=continue\n", Progress(), id="not known yet"),
        pytest.param(b"speed=   0.5x\nprogress=continue\n", Progress(speed=0.5), id="padded"),
        pytest.param(b"speed=inf\nfps=nan\nframe=1e999\nprogress=end\n", Progress(done=True), id="no finite numbers"),
        pytest.param(b"\xff=\xfe\n=\n\nfps\nprogress=continue\n", Progress(), id="garbage"),
        pytest.param(b"fps=1\n" + b"x" * 10**6 + b"\nprogress=end\n", Progress(fps=1, done=True), id="an endless line"),
    ],
)
def test_reports(data: bytes, latest: Progress) -> None:
    parser = ProgressParser()
    assert parser.feed(data) == (b"progress=" in data)
    assert parser.latest == latest


lines = st.lists(
    st.sampled_from(
        [b"frame=1", b"fps=2.5", b"out_time_us=3000000", b"speed=4x", b"progress=continue", b"progress=end"]
    )
    | st.binary(max_size=30),
    max_size=30,
)


@given(lines, st.lists(st.integers(0, 400), max_size=20))
def test_however_the_pipe_cuts_it_the_report_is_the_same(said: list[bytes], cuts: list[int]) -> None:
    data = b"\n".join(said)
    whole, parts = ProgressParser(), ProgressParser()
    completed = whole.feed(data)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    told = [parts.feed(data[first:last]) for first, last in pairwise(edges)]
    assert parts.latest == whole.latest
    assert any(told) == completed


@given(st.binary(max_size=500))
def test_no_bytes_break_it(data: bytes) -> None:
    parser = ProgressParser()
    parser.feed(data)
    parser.feed(b"\n" + REPORT)
    assert parser.latest.position_s == PARSED.position_s


def test_an_endless_line_does_not_fill_the_memory() -> None:
    parser = ProgressParser()
    for _ in range(200):
        assert not parser.feed(b"x" * 10_000)
    assert len(parser._pending) < 100_000
    parser.feed(b"".join(b"%d=\n" % number for number in range(10_000)))
    assert len(parser._values) < 1_000
    assert parser.feed(b"\nprogress=continue\n" + REPORT)
    assert parser.latest == PARSED
