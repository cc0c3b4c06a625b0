"""HLS playlists: they are complete, correctly quoted, and their URIs exist."""

import re
from fractions import Fraction

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.cmaf import hls
from transcoded.plan.cmaf.ladder import present
from transcoded.plan.cmaf.renditions import Presentation, Rendition, SubtitleRendition
from transcoded.plan.cmaf.uris import fill
from transcoded.plan.media.probe import AudioStream, DolbyVision, Media, SubtitleStream, VideoStream
from transcoded.plan.media.timeline.packets import PacketScan

VIDEO_STREAM = VideoStream(
    index=0,
    codec="h264",
    width=1280,
    height=720,
    profile="High",
    level=31,
    pix_fmt="yuv420p",
    fps=Fraction(30000, 1001),
)
ENGLISH = AudioStream(index=1, position=0, codec="aac", channels=2, sample_rate=48_000, language="eng", default=True)
GERMAN = AudioStream(index=2, position=1, codec="aac", channels=2, sample_rate=48_000, title='Der "Chef"\nspricht')
SUBTITLE_STREAM = SubtitleStream(index=3, position=2, codec="subrip", text=True, language="fre", forced=True)
MEDIA = Media(
    container="mov",
    duration=10.0,
    size=5_000_000,
    video=(VIDEO_STREAM,),
    audio=(ENGLISH, GERMAN),
    subtitles=(SUBTITLE_STREAM,),
)

MASTER = """\
#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="en",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",\
URI="cmaf/a0/index.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="Der 'Chef' spricht",DEFAULT=NO,AUTOSELECT=NO,CHANNELS="2",\
URI="cmaf/a1/index.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subtitles",NAME="fr (forced)",LANGUAGE="fr",DEFAULT=NO,AUTOSELECT=YES,FORCED=YES,\
URI="cmaf/s2/index.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=4240000,AVERAGE-BANDWIDTH=2848000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,\
FRAME-RATE=29.970,AUDIO="aac",SUBTITLES="subtitles",CLOSED-CAPTIONS=NONE
cmaf/v720/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2380000,AVERAGE-BANDWIDTH=1608000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=852x480,\
FRAME-RATE=29.970,AUDIO="aac",SUBTITLES="subtitles",CLOSED-CAPTIONS=NONE
cmaf/v480/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=1600000,AVERAGE-BANDWIDTH=1088000,CODECS="avc1.64001e,mp4a.40.2",RESOLUTION=640x360,\
FRAME-RATE=29.970,AUDIO="aac",SUBTITLES="subtitles",CLOSED-CAPTIONS=NONE
cmaf/v360/index.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=115020,AVERAGE-BANDWIDTH=102240,CODECS="avc1.64001e",RESOLUTION=426x240,\
URI="cmaf/i240/index.m3u8"
"""

PICTURES = """\
#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-I-FRAMES-ONLY
#EXT-X-MAP:URI="init.mp4?s=1"
#EXTINF:2.000000,
0.m4s?s=1
#EXTINF:2.000000,
1.m4s?s=1
#EXTINF:1.500000,
2.m4s?s=1
#EXT-X-ENDLIST
"""

MEDIA_LIST = """\
#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="init.mp4?sig=a%22b&x=1"
#EXTINF:2.002000,
0.m4s?sig=a%22b&x=1
#EXTINF:2.002000,
1.m4s?sig=a%22b&x=1
#EXTINF:2.002000,
2.m4s?sig=a%22b&x=1
#EXTINF:2.002000,
3.m4s?sig=a%22b&x=1
#EXTINF:2.002000,
4.m4s?sig=a%22b&x=1
#EXT-X-ENDLIST
"""


def master_playlist(presentation: Presentation, query: str = "") -> str:
    """As a client gets it."""
    return fill(hls.master_playlist(presentation).encode(), hls.fillings(query)).decode()


def media_playlist(rendition: Rendition | SubtitleRendition, query: str = "") -> str:
    """As a client gets it."""
    return fill(hls.media_playlist(rendition).encode(), hls.fillings(query)).decode()


def test_the_master_playlist() -> None:
    assert master_playlist(present(MEDIA)) == MASTER


def test_a_media_playlist() -> None:
    """The query is on every URI and cannot end a quoted string or a line."""
    assert media_playlist(present(MEDIA).video[0], 'sig=a"b&x=1') == MEDIA_LIST


def test_the_playlist_for_fast_play() -> None:
    found = present(attrs.evolve(MEDIA, duration=5.5)).rendition("i240")
    assert found is not None
    assert media_playlist(found, "s=1") == PICTURES


def test_every_uri_of_the_master_playlist_has_the_query() -> None:
    uris = re.findall(r'(?:URI="|^)(cmaf/[^"\n]*)', master_playlist(present(MEDIA), "s=1"), re.MULTILINE)
    assert len(uris) == 7
    assert all(uri.endswith(".m3u8?s=1") for uri in uris)


def test_subtitles_are_windows_of_a_minute() -> None:
    (subtitles,) = present(attrs.evolve(MEDIA, duration=130.5)).subtitles
    assert isinstance(subtitles, SubtitleRendition)
    lines = media_playlist(subtitles, "s=1").splitlines()
    assert "#EXT-X-TARGETDURATION:60" in lines
    assert lines[lines.index("0.vtt?s=1") - 1 :] == [
        *("#EXTINF:60.000000,", "0.vtt?s=1", "#EXTINF:60.000000,", "1.vtt?s=1", "#EXTINF:10.500000,", "2.vtt?s=1"),
        "#EXT-X-ENDLIST",
    ]


@pytest.mark.parametrize(("audio", "media_lines"), [((ENGLISH,), 0), ((ENGLISH, GERMAN), 2)])
def test_audio_without_video(audio: tuple[AudioStream, ...], media_lines: int) -> None:
    master = master_playlist(present(attrs.evolve(MEDIA, video=(), audio=audio, subtitles=())))
    assert master.count("#EXT-X-MEDIA:") == media_lines
    assert 'CODECS="mp4a.40.2"' in master
    assert master.splitlines()[-1] == "cmaf/a0/index.m3u8"
    assert ("AUDIO=" in master) is (media_lines > 0)


def test_video_without_audio() -> None:
    master = master_playlist(present(attrs.evolve(MEDIA, audio=(), subtitles=())))
    assert "EXT-X-MEDIA:" not in master
    assert 'CODECS="avc1.64001f",' in master


def test_copied_video_is_the_first_variant() -> None:
    scan = PacketScan(keyframes=[second * 1_000_000 for second in (0, 3, 5, 9)])
    presentation = present(MEDIA, scan)
    variants = [line for line in master_playlist(presentation).splitlines() if line.startswith("cmaf/")]
    assert variants == ["cmaf/copy/index.m3u8", "cmaf/v720/index.m3u8", "cmaf/v480/index.m3u8", "cmaf/v360/index.m3u8"]
    assert "#EXT-X-TARGETDURATION:4\n" in media_playlist(presentation.video[0])


def test_what_players_must_know_of_video_as_it_is() -> None:
    scan = PacketScan(keyframes=[second * 1_000_000 for second in (0, 3, 5, 9)], leading=True)
    stream = attrs.evolve(
        VIDEO_STREAM,
        codec="hevc",
        pix_fmt="yuv420p10le",
        transfer="arib-std-b67",
        sar=Fraction(4, 3),
        dolby_vision=DolbyVision(8, 6, 4),
    )
    presentation = present(attrs.evolve(MEDIA, video=(stream,)), scan, codecs="hvc1.2.4.L93.B0")
    master = master_playlist(presentation)
    first, *others = [line for line in master.splitlines() if line.startswith("#EXT-X-STREAM-INF")]
    assert 'CODECS="hvc1.2.4.L93.B0,mp4a.40.2",SUPPLEMENTAL-CODECS="dvh1.08.06/db4h",VIDEO-RANGE=HLG,' in first
    assert "RESOLUTION=1707x720" in first
    assert others
    assert all("VIDEO-RANGE=SDR" in line and "SUPPLEMENTAL" not in line for line in others)
    # Its segments begin with frames that only those can show who have the segment before.
    assert "INDEPENDENT" not in master
    assert "INDEPENDENT" not in media_playlist(presentation.video[0])
    assert "#EXT-X-INDEPENDENT-SEGMENTS" in media_playlist(presentation.video[1])


@given(st.floats(0.05, 2_000))
def test_durations_add_up_and_none_is_above_the_target(duration: float) -> None:
    """If each duration were rounded for itself, the end of a long file would be wrong."""
    presentation = present(attrs.evolve(MEDIA, duration=duration))
    for rendition in (presentation.video[0], presentation.audio[0]):
        text = media_playlist(rendition)
        lengths = [Fraction(length) for length in re.findall(r"#EXTINF:([0-9.]+),", text)]
        (target,) = re.findall(r"TARGETDURATION:(\d+)", text)
        assert len(lengths) == len(rendition.timeline)
        assert abs(sum(lengths) - rendition.timeline.total) <= Fraction(1, 1_000_000)
        assert max(lengths) < int(target) + Fraction(1, 2)


@given(st.text())
def test_no_title_breaks_a_line(title: str) -> None:
    master = master_playlist(present(attrs.evolve(MEDIA, audio=(ENGLISH, attrs.evolve(GERMAN, title=title)))))
    (line,) = (line for line in master.splitlines() if "a1/index" in line)
    assert re.fullmatch(r'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="[^"]+",DEFAULT=NO,.*', line)
