"""The playlists that the benchmark's player reads: this daemon's, and those of go-vod."""

import pytest

from benchmarks.hls_playlists import Segment, attributes, read_master, read_media
from benchmarks.workshop import CannotMeasure

URL = "/media/m/a%20film.mp4/master.m3u8"
MASTER = """#EXTM3U
#EXT-X-VERSION:7
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="German, dubbed",DEFAULT=NO,URI="cmaf/a1/index.m3u8?v=1"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="English",DEFAULT=YES,URI="cmaf/a0/index.m3u8?v=1"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="French",DEFAULT=NO,URI="cmaf/a2/index.m3u8?v=1"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subtitles",NAME="English",URI="cmaf/s0/index.m3u8?v=1"
#EXT-X-STREAM-INF:BANDWIDTH=14000000,CODECS="avc1.640028,mp4a.40.2",RESOLUTION=1920x1080,AUDIO="aac"
cmaf/v/index.m3u8?v=1
#EXT-X-STREAM-INF:BANDWIDTH=8000000,CODECS="avc1.640028,mp4a.40.2",RESOLUTION=1920x1080,AUDIO="aac"
cmaf/v1080/index.m3u8?v=1
#EXT-X-STREAM-INF:BANDWIDTH=4000000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,AUDIO="aac"
cmaf/v720/index.m3u8?v=1
"""
GO_VOD = """#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=4200000,RESOLUTION=1280x720,FRAME-RATE=24
720p.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=6000000,RESOLUTION=1920x1080,FRAME-RATE=24
max.m3u8
"""
MEDIA = """#EXTM3U
#EXT-X-TARGETDURATION:2
#EXT-X-MAP:URI="init.mp4?v=1"
#EXTINF:2.000000,
0.m4s?v=1

#EXTINF:2.000000,
1.m4s?v=1
#EXTINF:0.500000,
2.m4s?v=1
#EXT-X-ENDLIST
"""


def test_a_quoted_value_may_contain_commas() -> None:
    found = attributes('#EXT-X-STREAM-INF:BANDWIDTH=5,CODECS="avc1.640028,mp4a.40.2",RESOLUTION=16x9')
    assert found == {"BANDWIDTH": "5", "CODECS": "avc1.640028,mp4a.40.2", "RESOLUTION": "16x9"}


def test_the_largest_variant_is_the_first_one_with_most_rows() -> None:
    master = read_master(MASTER, URL)
    assert master.variant(None).url == "/media/m/a%20film.mp4/cmaf/v/index.m3u8?v=1"
    assert master.variant(1080) == master.variant(None)
    assert master.variant(720).bandwidth == 4_000_000


def test_the_default_audio_of_a_group_is_played() -> None:
    master = read_master(MASTER, URL)
    assert master.audio == {"aac": "/media/m/a%20film.mp4/cmaf/a0/index.m3u8?v=1"}
    assert master.variant(720).group == "aac"


def test_audio_can_be_in_the_video() -> None:
    master = read_master(GO_VOD, "/viewer/films/a.mp4/index.m3u8")
    assert master.audio == {}
    assert master.variant(None).url == "/viewer/films/a.mp4/max.m3u8"
    assert master.variant(720).group is None


def test_a_height_that_is_not_offered_says_which_are() -> None:
    with pytest.raises(CannotMeasure, match=r"no variant has 480 rows, only \[720, 1080\]"):
        read_master(GO_VOD, URL).variant(480)


def test_segments_have_their_times() -> None:
    media = read_media(MEDIA, "/f/cmaf/v720/index.m3u8?v=1")
    assert media.init == "/f/cmaf/v720/init.mp4?v=1"
    assert media.segments[1] == Segment("/f/cmaf/v720/1.m4s?v=1", 2.0, 2.0)
    assert [one.start for one in media.segments] == [0.0, 2.0, 4.0]


@pytest.mark.parametrize(("place", "number"), [(0.0, 0), (1.999, 0), (2.0, 1), (4.4, 2), (99.0, 2)])
def test_the_segment_with_a_time(place: float, number: int) -> None:
    assert read_media(MEDIA, "/f/index.m3u8").at(place) == number


@pytest.mark.parametrize("text", ["", "#EXTM3U\n", "<html>no</html>"])
def test_what_is_no_playlist_cannot_be_measured(text: str) -> None:
    with pytest.raises(CannotMeasure, match="no variants"):
        read_master(text, URL)
    with pytest.raises(CannotMeasure, match="no segments"):
        read_media(text, URL)
