"""The whitelists: with a wrong entry, a file can make ffmpeg read other files, or run code that nobody tests."""

import pytest

from transcoded.plan.media.codec_whitelist import (
    CODEC_WHITELIST,
    DECODERS,
    OPENED_BY_FFPROBE,
    PICTURES_THAT_ARE_NOT_DECODED,
)
from transcoded.plan.media.whitelist import CONTAINERS, FORMAT_WHITELIST, PROTOCOL_WHITELIST

# Playlists, scripts, devices, images, subtitles and text, as `ffmpeg -demuxers` names them; and those that open their siblings.
FORBIDDEN = (
    "hls dash concat concatf sdp rtsp imf image2 image2pipe tedcaptions webvtt srt ass lavfi v4l2 applehttp txt "
    "mlv vobsub tty idf bin xbin adf sbg ffmetadata libgme libopenmpt avisynth vapoursynth cdg webm_dash_manifest rtp sap"
)


def test_no_demuxer_is_allowed_that_opens_other_files_or_draws_text() -> None:
    demuxers = {name for container in CONTAINERS for name in container.split(",")}
    assert not demuxers & set(FORBIDDEN.split())
    assert set(FORMAT_WHITELIST.split(",")) == demuxers


def test_no_protocol_is_allowed_that_opens_a_connection_or_reads_a_descriptor() -> None:
    assert PROTOCOL_WHITELIST == "file"


def test_decoders_are_named_once() -> None:
    assert len(set(DECODERS)) == len(DECODERS)
    assert CODEC_WHITELIST.split(",") == list(DECODERS)


def test_what_ffprobe_opens_beside_them_is_not_decoded() -> None:
    assert not PICTURES_THAT_ARE_NOT_DECODED & set(DECODERS)
    assert set(OPENED_BY_FFPROBE.split(",")) == PICTURES_THAT_ARE_NOT_DECODED | set(DECODERS)


@pytest.mark.parametrize("name", "ansi bintext idf xbin psd exr dds smackvid binkvideo roqvideo sanm wavesynth".split())
def test_text_that_is_drawn_and_oddities_are_not_decoded(name: str) -> None:
    """Each is C code for one old program, and files that attack it are published."""
    assert name not in DECODERS


@pytest.mark.parametrize(
    "name",
    "h264 hevc av1 libdav1d vp8 vp9 mpeg2video mpeg4 vc1 wmv3 prores dnxhd dvvideo mjpeg ffv1 cinepak rv40 theora "
    "aac ac3 eac3 dca truehd flac alac mp3float opus vorbis wavpack wmapro cook pcm_s16le pcm_bluray dst "
    "ass subrip webvtt mov_text pgssub dvdsub dvbsub h264_cuvid hevc_qsv png".split(),
)
def test_what_people_have_is_decoded(name: str) -> None:
    assert name in DECODERS
