"""Progress: with a wrong report, the dashboard is wrong, and a transcoder that works is ended as hung."""

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
        pytest.param(REPORT + b"frame=51\nfps=", PARSED, id="the next report has begun"),
        pytest.param(
            REPORT + b"frame=9\nprogress=end\n", Progress(frame=9, done=True), id="no values of the report before"
        ),
        pytest.param(b"out_time_us=N/A\nspeed=N/A\nprogress=continue\n", Progress(), id="not known yet"),
        pytest.param(b"speed=   0.5x\nprogress=continue\n", Progress(speed=0.5), id="padded"),
        pytest.param(b"speed=inf\nfps=nan\nframe=1e999\nprogress=end\n", Progress(done=True), id="no finite numbers"),
        pytest.param(b"\xff=\xfe\n=\n\nfps\nprogress=continue\n", Progress(), id="garbage"),
        pytest.param(b"fps=1\n" + b"x" * 10**6 + b"\nprogress=end\n", Progress(fps=1, done=True), id="an endless line"),
    ],
)
def test_the_last_complete_report_is_kept(data: bytes, latest: Progress) -> None:
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
def test_a_report_does_not_depend_on_the_chunks(said: list[bytes], cuts: list[int]) -> None:
    data = b"\n".join(said)
    whole, parts = ProgressParser(), ProgressParser()
    completed = whole.feed(data)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    completions = [parts.feed(data[first:last]) for first, last in pairwise(edges)]
    assert parts.latest == whole.latest
    assert any(completions) == completed


@given(st.binary(max_size=500))
def test_a_report_after_any_bytes_is_read(data: bytes) -> None:
    parser = ProgressParser()
    parser.feed(data)
    parser.feed(b"\n" + REPORT)
    assert parser.latest.position_s == PARSED.position_s


def test_lines_and_keys_without_end_do_not_fill_the_memory() -> None:
    parser = ProgressParser()
    for _ in range(200):
        assert not parser.feed(b"x" * 10_000)
    assert len(parser._pending) < 100_000
    parser.feed(b"".join(b"%d=\n" % number for number in range(10_000)))
    assert len(parser._values) < 1_000
    assert parser.feed(b"\nprogress=continue\n" + REPORT)
    assert parser.latest == PARSED
