"""Burn-in: what can be drawn, and where it stands; what cannot is refused, and not left out."""

from fractions import Fraction
from typing import Any

import attrs
import pytest

from tests.plan.examples import MEDIA, VIDEO_STREAM
from transcoded.plan.cmaf.argv import segment_argv
from transcoded.plan.cmaf.ladder import present
from transcoded.plan.errors import BadParameter
from transcoded.plan.media.argv import stream_argv
from transcoded.plan.media.burn_in import SUBTITLES_PATH, images_argv, images_filters, subtitles_to_burn_in, text_filter
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.choose import EncodeVideo, choose
from transcoded.plan.media.formats import FORMATS
from transcoded.plan.media.params import StreamParams
from transcoded.plan.media.probe import EXTERNAL, SubtitleStream, VideoStream

TEXT = SubtitleStream(2, 0, "subrip", text=True)
PGS = SubtitleStream(3, 1, "hdmv_pgs_subtitle", text=False, width=1920, height=1080)
TELETEXT = SubtitleStream(4, 2, "dvb_teletext", text=False)
BESIDE = SubtitleStream(EXTERNAL, 3, "ass", text=True)
FILM = attrs.evolve(MEDIA, subtitles=(TEXT, PGS, TELETEXT, BESIDE))
ALL = Capabilities.everything()


@pytest.mark.parametrize("position", [0, 1, 3])
def test_text_and_images_are_drawn_from_the_film_and_from_beside_it(position: int) -> None:
    assert subtitles_to_burn_in(FILM, position, "subtitle", ALL) is FILM.subtitles[position]


@pytest.mark.parametrize(
    ("media", "position", "capabilities", "why"),
    [
        (FILM, 4, ALL, "4 is not allowed; allowed for this file: 0 to 3"),
        (MEDIA, 0, ALL, "this file has no subtitles"),
        (attrs.evolve(FILM, video=()), 0, ALL, "no video"),
        (FILM, 2, ALL, "dvb_teletext.*only text and hdmv_pgs_subtitle"),
        (FILM, 0, attrs.evolve(ALL, burns_in_text=False), "needs libass and a font"),
        (FILM, 1, attrs.evolve(ALL, burns_in_bitmap=False), "cannot draw images"),
        (FILM, 1, attrs.evolve(ALL, decoders=frozenset({"h264"})), "cannot decode"),
    ],
)
def test_what_cannot_be_drawn_is_refused(media: Any, position: int, capabilities: Capabilities, why: str) -> None:
    with pytest.raises(BadParameter, match=why) as caught:
        subtitles_to_burn_in(media, position, "burn", capabilities)
    assert caught.value.name == "burn"


@pytest.mark.parametrize(
    ("requested", "name", "parameter", "why"),
    [
        ({"burn": True}, "mp4", "burn", "needs the parameter subtitle"),
        ({"subtitle": 0}, "mp4", "subtitle", "burn=1"),
        ({"subtitle": 0, "burn": True}, "mp3", "burn", "mp3 has no video"),
        ({"subtitle": 0, "burn": True, "mode": "copy"}, "mp4", "burn", "needs a transcode"),
        ({"subtitle": 9, "burn": True}, "mp4", "subtitle", "0 to 3"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    requested: dict[str, Any], name: str, parameter: str, why: str
) -> None:
    with pytest.raises(BadParameter, match=why) as caught:
        choose(FILM, FORMATS[name], StreamParams(**requested))
    assert caught.value.name == parameter


def test_video_into_which_something_is_drawn_is_transcoded() -> None:
    plan = choose(FILM, FORMATS["mp4"], StreamParams(subtitle=0, burn=True))
    assert isinstance(plan.video_action, EncodeVideo)
    assert plan.burn is TEXT
    assert "subtitles 0 are drawn into it" in plan.why


def argv(position: int, **requested: Any) -> list[str]:
    params = StreamParams(subtitle=position, burn=True, **requested)
    return stream_argv(choose(FILM, FORMATS["mp4"], params), "/a.mkv")


def test_text_is_drawn_by_a_filter_and_images_are_an_input() -> None:
    text = argv(0)
    assert text.count("-i") == 1
    assert (
        f",ass=filename={SUBTITLES_PATH}:original_size=1920x1080,setsar=1," in text[text.index("-filter_complex") + 1]
    )
    images = argv(1, start=10.0)
    assert images.count("-i") == 2
    second = images[images.index("-i") + 2 :]
    assert second[second.index("-i") + 1] == f"file:{SUBTITLES_PATH}"
    # Time 0 of the frames is where reading began. A moment earlier, or the image comes one frame late.
    assert second[second.index("-itsoffset") + 1] == "-10.002000"
    assert second[second.index("-canvas_size") + 1] == "1920x1080"
    graph = images[images.index("-filter_complex") + 1]
    assert "settb=1/1000000[picture];[1:0]scale=w=1920:h=1080:out_color_matrix=bt709" in graph
    assert "[picture][images]overlay=x=0:y=0:eof_action=pass:repeatlast=0,format=yuv420p,setsar=1" in graph


def test_what_is_drawn_may_open_nothing_else() -> None:
    found = list(images_argv(PGS, 0.0))
    for flag, allowed in (("-protocol_whitelist", "file"), ("-format_whitelist", "sup,matroska")):
        assert found[found.index(flag) + 1] == allowed
    assert found.index("-codec_whitelist") < found.index("-i")


def video(width: int, height: int, **more: Any) -> VideoStream:
    return attrs.evolve(VIDEO_STREAM, width=width, height=height, **more)


DVD = SubtitleStream(2, 0, "dvd_subtitle", text=False, width=720, height=576)
DVB = SubtitleStream(2, 0, "dvb_subtitle", text=False)


@pytest.mark.parametrize(
    ("stream", "source", "size", "scaled", "place"),
    [
        pytest.param(PGS, video(1920, 1080), (1280, 720), "w=1280:h=720", "x=0:y=0", id="one shape"),
        pytest.param(PGS, video(1920, 800), (1920, 800), "w=1422:h=800", "x=248:y=0", id="the bars were cut off"),
        pytest.param(PGS, video(1440, 1080), (1440, 1080), "w=1440:h=810", "x=0:y=134", id="4:3"),
        pytest.param(
            attrs.evolve(PGS, width=0, height=0),
            video(1920, 1080),
            (640, 360),
            "w=640:h=360",
            "x=0:y=0",
            id="of unknown size",
        ),
        pytest.param(
            DVD,
            video(720, 576, sar=Fraction(64, 45)),
            (1024, 576),
            "w=1024:h=576",
            "x=0:y=0",
            id="the pixels of the video",
        ),
        pytest.param(DVD, video(1024, 576), (1024, 576), "w=1024:h=576", "x=0:y=0", id="a disc in square pixels"),
        pytest.param(
            DVD, video(1024, 436), (1024, 436), "w=774:h=436", "x=124:y=0", id="a disc whose bars were cut off"
        ),
        pytest.param(DVD, video(640, 480), (640, 480), "w=640:h=480", "x=0:y=0", id="a disc in 4:3"),
        pytest.param(
            DVB, video(1920, 1080), (1920, 1080), "w=1920:h=1080", "x=0:y=0", id="DVB is for all of the picture"
        ),
    ],
)
def test_where_images_stand(
    stream: SubtitleStream, source: VideoStream, size: tuple[int, int], scaled: str, place: str
) -> None:
    filters, left, top = images_filters(stream, source, *size, "bt709")
    assert filters.startswith(f"scale={scaled}:")
    assert f"x={left}:y={top}" == place


def test_text_has_the_size_that_it_has_in_the_whole_picture() -> None:
    assert text_filter(video(720, 576, sar=Fraction(64, 45))).endswith(":original_size=1024x576")


def test_renditions_with_something_drawn_have_names_of_their_own() -> None:
    """Else a cache gives the segments of one to the viewers of the other."""
    shown = present(FILM, burn=1)
    assert [one.id for one in shown.video] == ["v1080-b1", "v720-b1", "v480-b1"]
    assert all(one.burn is PGS for one in shown.video)
    assert not shown.subtitles
    assert [one.id for one in shown.audio] == [one.id for one in present(FILM).audio]
    assert not any(one.burn for one in present(FILM).video)
    found = segment_argv(shown.video[0], 0, FILM, "/a.mkv")
    assert found[found.index("-canvas_size") + 1] == "1920x1080"
    with pytest.raises(BadParameter) as caught:
        present(FILM, burn=7)
    assert caught.value.name == "burn"
