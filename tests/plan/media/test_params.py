"""Parameters: a value that is misread plays the wrong part of the film, one that slips through reaches ffmpeg."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transcoded.plan.errors import BadParameter
from transcoded.plan.http.parameters import printable, read_query
from transcoded.plan.media import params as module
from transcoded.plan.media.params import MAX_SECONDS, STREAM_PARAMETERS, StreamParams


def stream_params(query: Mapping[str, Sequence[str]]) -> StreamParams:
    return module.stream_params(read_query(query, STREAM_PARAMETERS))


GOOD = [
    ({}, StreamParams()),
    ({"start": "83.5"}, StreamParams(start=83.5)),
    ({"start": "8.450000000000001"}, StreamParams(start=8.450000000000001)),
    ({"start": "0"}, StreamParams()),
    ({"start": ".5"}, StreamParams(start=0.5)),
    ({"start": "7."}, StreamParams(start=7)),
    ({"start": "1:23.5"}, StreamParams(start=83.5)),
    ({"start": "00:01:23.500"}, StreamParams(start=83.5)),
    ({"start": "100:00:00"}, StreamParams(start=360_000)),
    ({"start": "864000"}, StreamParams(start=864_000)),
    ({"duration": "0.001"}, StreamParams(duration=0.001)),
    ({"duration": "1:00:00"}, StreamParams(duration=3600)),
    ({"height": "16"}, StreamParams(height=16)),
    ({"height": "0720"}, StreamParams(height=720)),
    ({"video_bitrate": "2M"}, StreamParams(video_bitrate=2_000_000)),
    ({"video_bitrate": "1.5m"}, StreamParams(video_bitrate=1_500_000)),
    ({"audio_bitrate": "128k"}, StreamParams(audio_bitrate=128_000)),
    ({"audio_bitrate": "96000"}, StreamParams(audio_bitrate=96_000)),
    ({"audio": "0", "mode": "copy"}, StreamParams(audio=0, mode="copy")),
    ({"mode": "transcode"}, StreamParams(mode="transcode")),
]

BAD = {
    "start": "nan inf -inf -1 +1 1e3 864001 9999999999 0x10 1_0 ١٢ 1:60 60:00:00:00 1:2:3:4 : 1: :1 1,5 1/2 1;2 $(id)",
    "duration": "0 0.0001 0:00 -0 nan infinity",
    "height": "15 8641 -720 720.0 7e2 720p ٧٢٠ 99999999999999999999 1_000",
    "video_bitrate": "0 9999 501M 2G 2MB -2M M .5M 2.M nan 1e6 ²M 99999999999999999999",
    "audio_bitrate": "5999 3M 128kb -1",
    "audio": "-1 1000 eng 0:1 a",
    "mode": "Copy COPY auto,copy remux",
}


@pytest.mark.parametrize(("query", "params"), GOOD, ids=["&".join(map("=".join, q.items())) or "none" for q, _ in GOOD])
def test_what_is_allowed(query: dict[str, str], params: StreamParams) -> None:
    assert stream_params({name: [value] for name, value in query.items()}) == params


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_refused_and_its_parameter_named(name: str) -> None:
    for value in [*BAD[name].split(), "", " ", "1 ", " 1", "1\n", "\n1", "1\0", "x" * 10_000]:
        with pytest.raises(BadParameter) as caught:
            stream_params({name: [value]})
        assert caught.value.name == name, value
        assert caught.value.detail.startswith(f"{name}: "), value
        assert len(caught.value.detail) < 300, value
        assert caught.value.detail.isprintable(), value


def test_twice_is_once_too_often_and_so_is_never() -> None:
    for values in (["1", "1"], ["1", "2", "3"], []):
        with pytest.raises(BadParameter, match=f"start: given {len(values)} times"):
            stream_params({"start": values})


def test_a_misspelt_parameter_is_named_together_with_what_there_is() -> None:
    with pytest.raises(
        BadParameter, match=r"heigth: unknown parameter; allowed here: start, start_at, duration, height"
    ) as caught:
        stream_params({"heigth": ["720"]})
    assert caught.value.name == "heigth"
    with pytest.raises(BadParameter, match="no parameters are allowed here"):
        read_query({"x": ["1"]}, [])


NAMES = ["start", "duration", "height", "video_bitrate", "audio_bitrate", "audio", "mode"]
VALUES = (
    st.text(max_size=20)
    | st.text("0123456789.:kM-+e_ naif", max_size=12)
    | st.floats().map(str)
    | st.integers().map(str)
    | st.sampled_from(["auto", "copy", "transcode"])
)


@given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), st.lists(VALUES, max_size=2)))
@example({"\ud800": ["\udfff"]})
def test_any_query_gives_sane_parameters_or_names_the_bad_one(query: dict[str, list[str]]) -> None:
    refused = None
    try:
        params = stream_params(query)
    except BadParameter as error:
        refused = error
    if refused is not None:
        assert refused.name in {printable(name) for name in query}
        assert refused.detail.encode()
        return
    assert 0 <= params.start <= MAX_SECONDS
    assert params.duration is None or 0.001 <= params.duration <= MAX_SECONDS
    assert params.height is None or 16 <= params.height <= 8640
    assert params.video_bitrate is None or params.video_bitrate >= 10_000
    assert params.audio_bitrate is None or params.audio_bitrate >= 6_000
    assert params.audio is None or params.audio >= 0
    assert params.mode in {"auto", "copy", "transcode"}


@given(st.integers(0, int(MAX_SECONDS) * 1000))
def test_seconds_and_clock_time_mean_the_same_place(millis: int) -> None:
    seconds, rest = divmod(millis, 1000)
    clock = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"
    for text in (f"{seconds}.{rest:03}", clock):
        assert stream_params({"start": [text]}).start == pytest.approx(millis / 1000, abs=1e-9)


@given(st.text())
def test_a_clients_text_in_a_message_is_short_and_visible(text: str) -> None:
    assert printable(text).isprintable()
    assert len(printable(text)) <= 61
