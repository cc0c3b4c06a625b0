"""ffmpeg's arguments: if a file name is taken for an option or a protocol, ffmpeg opens other files."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plan.examples import AUDIO_STREAM, MEDIA, VIDEO_STREAM, formats, media, params
from transcoded.plan.errors import TranscodedError
from transcoded.plan.media.argv import PROGRESS_FD, Options, probe_argv, stream_argv
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.choose import EncodeVideo, choose
from transcoded.plan.media.formats import FORMATS, Format
from transcoded.plan.media.params import StreamParams
from transcoded.plan.media.probe import Media
from transcoded.plan.media.whitelist import FORMAT_WHITELIST, PROTOCOL_WHITELIST

PATH = "/srv/media/a.mkv"


def argv(media: Media = MEDIA, name: str = "mp4", options: Options | None = None, **requested: Any) -> list[str]:
    return stream_argv(choose(media, FORMATS[name], StreamParams(**requested)), PATH, options)


def after(arguments: Sequence[str], flag: str) -> str:
    """The value of an option that must be present exactly once."""
    assert arguments.count(flag) == 1, (flag, arguments)
    return arguments[arguments.index(flag) + 1]


def assert_safe_inputs(arguments: Sequence[str], path: str, most: int = 1) -> None:
    places = [index for index, argument in enumerate(arguments) if argument == "-i" and index and arguments[index - 1]]
    opened = [index for index in places if arguments[index + 1] == f"file:{path}"]
    assert 1 <= len(opened) <= most
    for flag, allowed in (("-protocol_whitelist", PROTOCOL_WHITELIST), ("-format_whitelist", FORMAT_WHITELIST)):
        # An option of ffmpeg applies to the next file. After the input, these would have no effect.
        for begin, end in pairwise([0, *opened]):
            assert after(arguments[begin:end], flag) == allowed


paths = st.text(min_size=1, max_size=60).map(lambda name: "/" + name.replace("\0", "")) | st.sampled_from(
    ["/-i", "/a b", "/a'b\"c", "/%03d.mkv", "/a\nb", "/concat:a|b", "/http://x", "/é\udcff", "/$(id);`id`", "-f", "|"]
)
options = st.builds(
    Options,
    threads=st.none() | st.integers(1, 256),
    capabilities=st.sampled_from([Capabilities(), Capabilities.everything()]),
    output_args=st.just(("-metadata", "a=b c")),
)


@given(paths)
def test_a_probe_opens_only_its_file(path: str) -> None:
    arguments = probe_argv(path)
    assert_safe_inputs(arguments, path)
    assert arguments[-1] == f"file:{path}"


@given(media(), formats, params, paths, options)
def test_a_stream_reads_only_its_file_and_writes_to_its_pipe(
    media: Media, output: Format, params: StreamParams, path: str, options: Options
) -> None:
    try:
        plan = choose(media, output, params)
    except TranscodedError:
        return
    arguments = stream_argv(plan, path, options)
    assert all(isinstance(argument, str) for argument in arguments)
    assert_safe_inputs(arguments, path, 2)
    assert "-nostdin" in arguments
    assert after(arguments, "-progress") == f"pipe:{PROGRESS_FD}"
    assert arguments[-3:] == ["-f", output.muxer, "pipe:1"]
    assert "-y" not in arguments
    maps = [arguments[index + 1] for index, argument in enumerate(arguments) if argument == "-map"]
    if isinstance(plan.video_action, EncodeVideo):
        assert plan.video is not None
        assert after(arguments, "-filter_complex").startswith(f"[0:{plan.video.index}]")
        assert maps.pop(0) == "[v]"
        wanted: list[Any] = [plan.audio]
    else:
        wanted = [plan.video, plan.audio]
    assert [one.partition(":")[2] for one in maps] == [str(stream.index) for stream in wanted if stream is not None]
    assert ("-vn" in arguments) == (plan.video is None)
    assert ("-an" in arguments) == (plan.audio is None)
    # The operator's options come last, so that they have precedence. Only the output follows them.
    assert arguments[-5:-3] == ["-metadata", "a=b c"]


@given(media(), formats, params)
def test_a_copy_has_no_encoder_and_no_filter(media: Media, output: Format, params: StreamParams) -> None:
    try:
        plan = choose(media, output, attrs.evolve(params, mode="copy"))
    except TranscodedError:
        return
    arguments = stream_argv(plan, PATH)
    codecs = {arguments[index + 1] for index, argument in enumerate(arguments) if argument in {"-c:v", "-c:a"}}
    assert codecs == {"copy"}
    assert not [argument for argument in arguments if argument.startswith(("-filter", "-b:", "-crf", "-force_key"))]


def test_the_start_is_an_input_option_and_the_duration_an_output_option() -> None:
    arguments = argv(start=12.5, duration=3.25)
    assert after(arguments, "-ss") == "12.500000"
    assert after(arguments, "-t") == "3.250000"
    assert arguments.index("-ss") < arguments.index("-i") < arguments.index("-t")
    assert not {"-ss", "-t"} & set(argv())


@given(st.floats(0.0, 59.9))
def test_times_have_no_exponent(start: float) -> None:
    arguments = argv(start=start)
    given_times = [arguments[index + 1] for index, argument in enumerate(arguments) if argument == "-ss"]
    assert given_times or not start
    for time in given_times:
        assert float(time) == pytest.approx(start, abs=1e-6)
        assert "e" not in time


def test_without_an_index_reading_begins_at_a_keyframe() -> None:
    """What is before the start is decoded and left out; a copy begins with it."""
    plan = choose(MEDIA, FORMATS["mp4"], StreamParams(start=30.0))
    found = stream_argv(plan, PATH, read_from=19.5)
    assert [found[index + 1] for index, one in enumerate(found) if one == "-ss"] == ["19.500000", "10.500000"]
    copied = stream_argv(choose(MEDIA, FORMATS["mp4"], StreamParams(start=30.0, mode="copy")), PATH, read_from=19.5)
    assert after(copied, "-ss") == "19.500000"


def test_a_file_whose_clock_begins_anew_is_read_from_its_beginning() -> None:
    """No seek finds a time that comes twice."""
    media = attrs.evolve(MEDIA, container="mpegts", restarts=True)
    found = stream_argv(choose(media, FORMATS["mp4"], StreamParams(start=30.0)), PATH)
    assert after(found, "-ss") == "30.000000"
    assert found.index("-ss") > found.index("-i")
    assert found.count("-i") == 2, "each stream has a clock of its own"


@pytest.mark.parametrize(
    ("audio", "start", "inputs"),
    [
        ({"duration": 60.0}, 0.0, 1),
        ({"duration": 60.0, "seen": False}, 0.0, 2),
        ({"duration": 60.0}, 10.0, 1),
        ({"duration": 5.0}, 10.0, 2),
        ({"duration": None}, 10.0, 2),
        ({"duration": None}, 0.0, 1),
    ],
    ids=["there", "late", "there behind a seek", "over by then", "not known behind a seek", "not known"],
)
def test_audio_that_may_be_far_away_is_read_apart(audio: dict[str, Any], start: float, inputs: int) -> None:
    """The muxer waits for it, and would wait for minutes of video to be encoded first."""
    media = attrs.evolve(MEDIA, audio=(attrs.evolve(AUDIO_STREAM, **audio),))
    found = stream_argv(choose(media, FORMATS["mp4"], StreamParams(start=start)), PATH)
    assert found.count("-i") == inputs
    assert f"{inputs - 1}:1" in found


@pytest.mark.parametrize(
    ("video", "start", "held"),
    [
        ({"fps": Fraction(25), "timing_rate": Fraction(25)}, 3.45, None),
        ({"fps": Fraction(1), "timing_rate": Fraction(1)}, 0.0, None),
        ({"fps": Fraction(1), "timing_rate": Fraction(1)}, 3.45, "25"),
        ({"fps": Fraction(1, 10), "timing_rate": Fraction(1, 10)}, 45.0, "25"),
        ({"fps": Fraction(29, 5), "timing_rate": Fraction(30)}, 3.45, "30"),
        ({"fps": None, "timing_rate": None}, 3.45, "25"),
    ],
)
def test_a_start_between_two_frames_shows_the_one_that_is_on_display(
    video: dict[str, Any], start: float, held: str | None
) -> None:
    """Else slides, or a recording of a screen, begin with nothing, and what comes is early by as much."""
    media = attrs.evolve(MEDIA, video=(attrs.evolve(VIDEO_STREAM, **video),))
    found = stream_argv(choose(media, FORMATS["mp4"], StreamParams(start=start, mode="transcode")), PATH)
    filters = after(found, "-filter_complex")
    assert (f"tpad=stop=-1:stop_mode=clone,fps=fps={held}:start_time=0.000000" in filters) is (held is not None)
    assert ("-noaccurate_seek" in found) is (held is not None)
    assert after(found, "-filter:a").startswith("atrim=start=0,") is (held is not None)


def test_times_of_frames_are_not_rounded_to_the_frame_rate() -> None:
    assert after(argv(mode="transcode"), "-enc_time_base:v") == "1:90000"


def test_a_requested_bit_rate_replaces_quality() -> None:
    arguments = argv(video_bitrate=2_000_000, audio_bitrate=96_000)
    assert after(arguments, "-b:v") == after(arguments, "-maxrate:v") == "2000000"
    assert after(arguments, "-bufsize:v") == "4000000"
    assert after(arguments, "-b:a") == "96000"
    assert "-crf" not in arguments
    assert after(argv(mode="transcode"), "-crf") == "22"
    webm = argv(name="webm", video_bitrate=2_000_000)
    assert after(webm, "-b:v") == "2000000"


@pytest.mark.parametrize(
    ("video", "way", "expected"),
    [
        ({}, "scale", "]setparams="),
        ({"fps": 120}, "scale", "]fps=60,setparams="),
        ({"transfer": "smpte2084"}, "scale", "intent=perceptual"),
        ({"transfer": "smpte2084"}, "zscale", "tonemap="),
        ({"width": 720, "height": 576}, "scale", "scale=w=720:h=576:out_range=tv"),
    ],
)
def test_the_filter_graph_of_encoded_video(video: dict[str, Any], way: Any, expected: str) -> None:
    media = attrs.evolve(MEDIA, video=(attrs.evolve(VIDEO_STREAM, **video),))
    options = Options(capabilities=Capabilities.everything(way))
    arguments = argv(media, options=options, mode="transcode")
    assert expected in after(arguments, "-filter_complex")
    assert arguments.index("-reinit_filter:v") < arguments.index("-i")


def test_copied_hevc_in_mp4_has_apples_tag() -> None:
    media = attrs.evolve(MEDIA, video=(attrs.evolve(VIDEO_STREAM, codec="hevc"),))
    assert after(argv(media, mode="copy"), "-tag:v") == "hvc1"
    assert "-tag:v" not in argv(media, name="mkv", mode="copy")
    assert "-tag:v" not in argv()


def test_encoded_audio_has_the_encoders_format_and_stays_in_sync() -> None:
    media = attrs.evolve(MEDIA, audio=(attrs.evolve(AUDIO_STREAM, channels=6, sample_rate=96_000),))
    graph = after(argv(media, mode="transcode"), "-filter:a")
    assert graph.startswith("aresample=48000:async=1")
    assert "pan=stereo|" in graph


def test_the_operators_arguments_are_before_the_input_and_the_output() -> None:
    arguments = argv(options=Options(threads=3, input_args=("-hwaccel", "auto"), output_args=("-preset", "slow")))
    assert arguments.index("-hwaccel") < arguments.index("-i") < arguments.index("-preset")
    assert after(arguments, "-threads") == "3"
    assert "-threads" not in argv()


def test_mp4_is_fragmented() -> None:
    """Without these flags, ffmpeg refuses to write MP4 to a pipe, or writes the moov box at the end."""
    flags = after(argv(), "-movflags").split("+")
    assert {"frag_keyframe", "empty_moov", "default_base_moof"} <= set(flags)
    assert after(argv(mode="transcode"), "-force_key_frames") == "expr:gte(t,n_forced*2)"


def test_no_frame_is_doubled_to_fill_up_a_constant_rate() -> None:
    """As ffmpeg 5.1 does of itself for MP4, which has room for a variable one."""
    assert after(argv(mode="transcode"), "-fps_mode") == "vfr"
    assert "-fps_mode" not in argv(mode="copy")
