"""How codecs are tried. A codec that is never tried is never played."""

from collections.abc import Sequence

from transcoded.plan.media.attempts import MAX_ARGUMENT, Attempt, Opening
from transcoded.plan.media.capabilities import AUDIO_CODECS, CODECS, SUBTITLE_CODECS
from transcoded.plan.media.codec_trials import (
    ENCODERS,
    Claims,
    Kind,
    Sample,
    decoder_attempts,
    encoder_attempts,
    read_claims,
)
from transcoded.plan.media.codec_whitelist import DECODERS
from transcoded.plan.media.formats import FORMATS
from transcoded.run.host.capabilities import load_samples

CODECS_TEXT = """Codecs:
 D..... = Decoding supported
 -------
 DEV.L. h264                 H.264 / AVC (decoders: h264 h264_v4l2m2m) (encoders: libx264 h264_nvenc)
 D.V.L. cook                 Cook
 DEA.L. aac                  AAC (Advanced Audio Coding) (decoders: aac aac_fixed)
 ..V.L. vvc                  H.266 / VVC
 .EA.L. sonicls              Sonic lossless
 DES... webvtt               WebVTT subtitle
"""
FILTERS_TEXT = """Filters:
  T.. = Timeline support
  . = Unknown
 TSC bwdif             V->V       Deinterlace the input image.
 ..C overlay           VV->V      Overlay a video source on top of the input.
 ... aresample         A->A       Resample audio data.
 .. nullsrc            |->V       Null video source.
"""


def sample(
    codec: str, kind: Kind = "video", *, size: int = 100, decoder: str | None = None, opens: bool = False
) -> Sample:
    return Sample(codec, kind, "matroska", b"x" * size, decoder, opens)


def claims(*codecs: str) -> Claims:
    return Claims({codec: [codec] for codec in codecs}, frozenset(), frozenset())


def subjects(attempts: Sequence[Attempt]) -> list[str]:
    return sorted(subject for one in attempts for subject in one.subjects)


def test_what_an_ffmpeg_says_that_it_has() -> None:
    found = read_claims(CODECS_TEXT, FILTERS_TEXT)
    assert found.decoders == {
        "h264": ["h264", "h264_v4l2m2m"],
        "cook": ["cook"],
        "aac": ["aac", "aac_fixed"],
        "webvtt": ["webvtt"],
    }
    assert found.encoders == {"libx264", "h264_nvenc", "aac", "sonicls", "webvtt"}
    assert found.filters == {"bwdif", "overlay", "aresample", "nullsrc"}


def test_what_is_not_there_at_all_is_not_tried() -> None:
    """ffmpeg would refuse the whole run."""
    attempts = decoder_attempts(claims("h264", "cook"), [sample("h264"), sample("hevc"), sample("cook")])
    assert subjects(attempts) == ["decoders/cook", "decoders/h264"]
    assert subjects(decoder_attempts(claims("avs2"), [sample("avs2", decoder="libdavs2")])) == []
    assert subjects(encoder_attempts(Claims({}, frozenset({"aac", "libx264"}), frozenset()))) == [
        "encoders/aac",
        "encoders/libx264",
    ]
    assert encoder_attempts(claims()) == []


def test_a_codec_that_may_not_be_decoded_is_not_tried() -> None:
    """Else it would be promised, and refused by the whitelist."""
    assert decoder_attempts(claims("smackvideo"), [sample("smackvideo")]) == []


def test_many_are_tried_in_few_runs_and_those_that_break_runs_alone() -> None:
    names = sorted(CODECS)
    found = decoder_attempts(claims(*names), [sample(name) for name in names])
    assert len(found) < len(names) / 15
    assert subjects(found) == sorted(f"decoders/{name}" for name in names)
    (av1,) = [one for one in found if "decoders/av1" in one.subjects]
    assert av1.subjects == {"decoders/av1"}


def test_decoders_that_are_only_opened_are_not_in_one_run_with_others() -> None:
    found = decoder_attempts(claims("vc1", "h264"), [sample("vc1", decoder="vc1", opens=True), sample("h264")])
    kinds = {next(iter(one.subjects)): type(one) for one in found}
    assert kinds == {"decoders/vc1": Opening, "decoders/h264": Attempt}


def test_the_decoder_is_left_to_ffmpeg_where_a_file_says_the_codec() -> None:
    """As for the files that are played; with a packet of zeros nothing says it."""
    (alone,) = decoder_attempts(claims("h264"), [sample("h264")])
    assert "-c:v" not in alone.arguments
    (forced,) = decoder_attempts(claims("ra_288"), [sample("ra_288", "audio", decoder="ra_288")])
    assert forced.arguments[forced.arguments.index("-c:a") + 1] == "ra_288"


def test_one_of_a_run_at_the_most_is_read_from_stdin() -> None:
    long = [sample(name, size=MAX_ARGUMENT + 1) for name in ("dvvideo", "prores", "dnxhd")]
    short = [sample(name) for name in sorted(CODECS - {"dvvideo", "prores", "dnxhd", "av1"})]
    found = decoder_attempts(claims(*CODECS), [*long, *short])
    assert all(sum(len(part.data) > MAX_ARGUMENT for part in one.parts) <= 1 for one in found)


# The samples of the package.


def test_every_codec_that_may_be_decoded_has_a_small_sample() -> None:
    samples = load_samples()
    assert {one.codec for one in samples} == CODECS | {"av1-10", "hevc-10", "vp9-10"}
    assert sum(len(one.data) for one in samples) < 2_000_000
    for one in samples:
        # In base64, in one argument of a command; or read from stdin, which only a few can be.
        assert 0 < len(one.data) <= 131_000
        assert one.decoder is None or one.decoder in DECODERS, f"{one.decoder} may not decode"
        kind = "audio" if one.codec in AUDIO_CODECS else "video"
        assert one.kind == kind or one.codec in SUBTITLE_CODECS
    assert sum(len(one.data) > MAX_ARGUMENT for one in samples) <= 1


def test_what_people_have_is_tried_by_decoding_a_frame() -> None:
    """To open a decoder proves less: that of AV1 opens in every ffmpeg, and in some it makes no frame without a graphics card."""
    opened = {one.codec for one in load_samples() if one.opens}
    common = "h264 hevc av1 vp8 vp9 mpeg2video mpeg4 mjpeg png prores dnxhd dvvideo theora ffv1 aac ac3 eac3 dts truehd flac alac"
    more = "mp2 mp3 opus vorbis wmav2 pcm_s16le pcm_bluray dsd_lsbf subrip ass webvtt mov_text hdmv_pgs_subtitle dvd_subtitle"
    assert not opened & {*common.split(), *more.split()}


def test_every_encoder_of_a_format_is_tried() -> None:
    """Else the format would be refused on every machine."""
    wanted = {encoder.name for one in FORMATS.values() for encoder in (one.video, one.audio) if encoder is not None}
    assert wanted | {"mjpeg", "webvtt"} <= set(ENCODERS)
