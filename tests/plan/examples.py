"""Media for tests: simple examples, and Hypothesis strategies for all that `decode` can return."""

from fractions import Fraction

from hypothesis import strategies as st

from transcoded.plan.media.formats import FORMATS, Format
from transcoded.plan.media.params import StreamParams
from transcoded.plan.media.probe import AudioStream, Media, VideoStream

VIDEO_STREAM = VideoStream(
    0, "h264", 1920, 1080, profile="High", pix_fmt="yuv420p", fps=Fraction(25), bit_rate=4_000_000
)
AUDIO_STREAM = AudioStream(1, 0, "aac", 2, 48000, bit_rate=128_000, duration=60.0)
MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
MEDIA = Media(MP4, 60.0, 1_000_000, (VIDEO_STREAM,), (AUDIO_STREAM,))

VIDEO_CODECS = sorted({codec for one in FORMATS.values() for codec in one.holds_video} | {"wmv2", "dvvideo"})
AUDIO_CODECS = sorted({codec for one in FORMATS.values() for codec in one.holds_audio} | {"cook", "amr_nb"})

formats: st.SearchStrategy[Format] = st.sampled_from(list(FORMATS.values()))
_bit_rates = st.none() | st.integers(1, 10**9)
_fps = st.none() | st.fractions(Fraction(1, 100), 100_000, max_denominator=1001)

video_streams = st.builds(
    VideoStream,
    index=st.integers(0, 40),
    codec=st.sampled_from(VIDEO_CODECS),
    width=st.integers(1, 16384),
    height=st.integers(1, 16384),
    pix_fmt=st.sampled_from([None, "yuv420p", "yuvj420p", "yuv420p10le", "yuv444p"]),
    fps=_fps,
    bit_rate=_bit_rates,
    rotation=st.sampled_from([0, 90, 180, 270]),
    mirrored=st.booleans(),
    field_order=st.sampled_from([None, "progressive", "tt", "bb"]),
    sar=st.fractions(Fraction(1, 100), 100, max_denominator=100),
    transfer=st.sampled_from([None, "bt709", "smpte2084", "arib-std-b67"]),
    default=st.booleans(),
)


@st.composite
def media(draw: st.DrawFn) -> Media:
    """Any file that can be played: it has at least one video or audio stream."""
    video = draw(st.lists(video_streams, max_size=2))
    count = draw(st.integers(0 if video else 1, 3))
    audio = [
        AudioStream(
            index=50 + position,
            position=position,
            codec=draw(st.sampled_from(AUDIO_CODECS)),
            channels=draw(st.integers(1, 24)),
            sample_rate=draw(st.integers(1, 768_000)),
            bit_rate=draw(_bit_rates),
            bits_per_sample=draw(st.none() | st.integers(1, 64)),
            default=draw(st.booleans()),
            profile=draw(st.sampled_from([None, "LC", "HE-AAC", "ELD", "xHE-AAC", "DTS-HD MA"])),
            described=draw(st.booleans()),
            channel_layout=draw(st.sampled_from([None, "stereo", "5.1", "5.1(side)", "7.1", "22.2", "ambisonic 1"])),
            start_time=draw(st.none() | st.floats(0, 100)),
        )
        for position in range(count)
    ]
    container = draw(st.sampled_from([MP4, "matroska,webm", "mpegts", "avi", "ogg", "h264"]))
    duration = draw(st.none() | st.floats(0.001, 864_000))
    return Media(container, duration, draw(st.integers(0, 2**50)), tuple(video), tuple(audio))


params = st.builds(
    StreamParams,
    start=st.just(0.0) | st.floats(0, 864_000),
    duration=st.none() | st.floats(0.001, 864_000),
    height=st.none() | st.integers(16, 8640),
    video_bitrate=st.none() | st.integers(10_000, 500_000_000),
    audio_bitrate=st.none() | st.integers(6_000, 2_000_000),
    audio=st.none() | st.integers(0, 3),
    mode=st.sampled_from(["auto", "copy", "transcode"]),
    channels=st.sampled_from([None, 2, 6]),
    downmix=st.sampled_from(["standard", "dialogue", "night"]),
)
