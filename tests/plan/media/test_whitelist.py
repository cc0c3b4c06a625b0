"""The whitelist: with a wrong entry, a file can make ffmpeg read other files of the server."""

from transcoded.plan.media.whitelist import CONTAINERS, FORMAT_WHITELIST, PROTOCOL_WHITELIST

# Playlists, scripts, devices, images, subtitles and text, as `ffmpeg -demuxers` names them.
FORBIDDEN = "hls dash concat concatf sdp rtsp imf image2 image2pipe tedcaptions webvtt srt ass lavfi v4l2 applehttp txt"


def test_no_demuxer_is_allowed_that_opens_other_files() -> None:
    demuxers = {name for container in CONTAINERS for name in container.split(",")}
    assert not demuxers & set(FORBIDDEN.split())
    assert set(FORMAT_WHITELIST.split(",")) == demuxers


def test_no_protocol_is_allowed_that_opens_a_connection() -> None:
    assert set(PROTOCOL_WHITELIST.split(",")) == {"file", "pipe"}
