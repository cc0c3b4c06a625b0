"""The DASH manifest: it is well-formed for any tags of a file, and has the same segments as the HLS playlists."""

from fractions import Fraction
from xml.etree import ElementTree as ET

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.cmaf import dash
from transcoded.plan.cmaf.ladder import present
from transcoded.plan.cmaf.renditions import AudioRendition, Presentation, VideoRendition
from transcoded.plan.cmaf.timeline import Timeline
from transcoded.plan.cmaf.uris import fill
from transcoded.plan.media.probe import AudioStream, DolbyVision, Media, SubtitleStream, VideoStream
from transcoded.plan.media.timeline.packets import PacketScan

NS = "{urn:mpeg:dash:schema:mpd:2011}"
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
AUDIO_STREAM = AudioStream(
    index=1, position=0, codec="aac", channels=2, sample_rate=48_000, language="eng", default=True
)
SUBTITLE_STREAM = SubtitleStream(index=2, position=0, codec="subrip", text=True, title="<b> & co")
MEDIA = Media(
    container="mov",
    duration=61.5,
    size=30_000_000,
    video=(VIDEO_STREAM,),
    audio=(AUDIO_STREAM,),
    subtitles=(SUBTITLE_STREAM,),
)
PRESENTATION = present(MEDIA, PacketScan(keyframes=[second * 1_000_000 for second in (0, 5, 10, 20, 30, 40, 50)]))


def manifest(presentation: Presentation, query: str = "") -> str:
    """As a client gets it."""
    return fill(dash.manifest(presentation).encode(), dash.fillings(query)).decode()


def sets(presentation: Presentation, query: str = "") -> list[ET.Element]:
    mpd = ET.fromstring(manifest(presentation, query))
    return mpd.findall(f"{NS}Period/{NS}AdaptationSet")


def times(group: ET.Element) -> Timeline:
    """The SegmentTimeline, expanded as a player does."""
    template = group.find(f"{NS}SegmentTemplate")
    assert template is not None
    at, starts = 0, []
    for entry in template.iterfind(f"{NS}SegmentTimeline/{NS}S"):
        at = int(entry.get("t", at))
        for _ in range(int(entry.get("r", "0")) + 1):
            starts.append(at)
            at += int(entry.attrib["d"])
    return Timeline(int(template.attrib["timescale"]), tuple(starts), at)


def test_the_attributes_of_the_mpd() -> None:
    mpd = ET.fromstring(manifest(PRESENTATION))
    assert mpd.tag == f"{NS}MPD"
    assert (mpd.get("type"), mpd.get("profiles")) == ("static", "urn:mpeg:dash:profile:isoff-live:2011")
    # The length of the longest rendition: 61.5 s of audio are 2,883 whole frames.
    assert mpd.get("mediaPresentationDuration") == "PT61.504S"


def test_every_segment_has_its_exact_time() -> None:
    copied, ladder, audio, _, trick = sets(PRESENTATION)
    for group, rendition in (
        (copied, PRESENTATION.video[0]),
        (ladder, PRESENTATION.video[1]),
        (audio, PRESENTATION.audio[0]),
        (trick, PRESENTATION.rendition("i240")),
    ):
        assert isinstance(rendition, VideoRendition | AudioRendition)
        assert times(group) == attrs.evolve(rendition.timeline, frame=0)


def test_representations_are_the_renditions() -> None:
    representations = [
        (group.get("contentType"), one.get("id"), one.get("codecs"), one.get("frameRate"), one.get("bandwidth"))
        for group in sets(PRESENTATION)
        for one in group.iterfind(f"{NS}Representation")
    ]
    assert representations == [
        ("video", "copy", "avc1.64001f", "30000/1001", str(PRESENTATION.video[0].peak)),
        ("video", "v720", "avc1.64001f", "30000/1001", "4080000"),
        ("video", "v480", "avc1.64001f", "30000/1001", "2220000"),
        ("video", "v360", "avc1.64001e", "30000/1001", "1440000"),
        ("audio", "a0", "mp4a.40.2", None, "160000"),
        ("text", "s0", None, None, "256"),
        ("video", "i240", "avc1.64001e", "1/2", "115020"),
    ]


def test_the_set_for_fast_play_names_the_sets_of_the_video() -> None:
    copied, ladder, *_, trick = sets(PRESENTATION)
    (told,) = trick.findall(f"{NS}EssentialProperty")
    assert told.get("schemeIdUri") == "http://dashif.org/guidelines/trickmode"
    assert told.attrib["value"].split() == [copied.get("id"), ladder.get("id")]
    (one,) = trick.findall(f"{NS}Representation")
    assert (one.get("maxPlayoutRate"), one.get("codingDependency")) == ("32", "false")
    assert int(trick.attrib["selectionPriority"]) < int(ladder.attrib["selectionPriority"])


def test_players_begin_with_the_original() -> None:
    copied, ladder, *_ = sets(PRESENTATION)
    assert int(copied.attrib["selectionPriority"]) > int(ladder.attrib["selectionPriority"])


def test_hdr_dolby_vision_and_pixels_that_are_not_square_are_told() -> None:
    stream = attrs.evolve(
        VIDEO_STREAM,
        codec="hevc",
        pix_fmt="yuv420p10le",
        transfer="smpte2084",
        sar=Fraction(4, 3),
        dolby_vision=DolbyVision(8, 6, 1),
    )
    scan = PacketScan(keyframes=range(0, 61_500_000, 2_000_000), leading=True)
    copied, ladder, *_ = sets(present(attrs.evolve(MEDIA, video=(stream,)), scan, codecs="hvc1.2.4.L93.B0"))
    properties = {one.get("schemeIdUri"): one.get("value") for one in copied.iterfind(f"{NS}SupplementalProperty")}
    assert properties["urn:mpeg:mpegB:cicp:TransferCharacteristics"] == "16"
    (one,) = copied.iterfind(f"{NS}Representation")
    assert (one.get("width"), one.get("height"), one.get("sar")) == ("1280", "720", "4:3")
    assert one.get("{urn:scte:dash:scte214-extensions}supplementalCodecs") == "dvh1.08.06"
    assert one.get("{urn:scte:dash:scte214-extensions}supplementalProfiles") == "db1p"
    assert (copied.get("startWithSAP"), ladder.get("startWithSAP")) == ("3", "1")
    assert ladder.find(f"{NS}SupplementalProperty") is None


def test_urls_have_the_query() -> None:
    """A dollar sign in the query does not begin an identifier of the template."""
    _, ladder, *_, text, _ = sets(PRESENTATION, "s=a$b&t=1")
    template = ladder.find(f"{NS}SegmentTemplate")
    assert template is not None
    assert template.get("initialization") == "cmaf/$RepresentationID$/init.mp4?s=a$$b&t=1"
    assert template.get("media") == "cmaf/$RepresentationID$/$Number$.m4s?s=a$$b&t=1"
    assert template.get("startNumber") == "0"
    assert text.findtext(f"{NS}Representation/{NS}BaseURL") == "subtitles/0.vtt?s=a$b&t=1"


def test_the_times_of_many_audio_streams_are_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else forty audio streams take forty times as long, and a long film minutes."""
    written: list[Timeline] = []
    times_of = dash._times

    def counted(timeline: Timeline) -> str:
        written.append(timeline)
        return times_of(timeline)

    monkeypatch.setattr(dash, "_times", counted)
    audio = tuple(attrs.evolve(AUDIO_STREAM, index=1 + n, position=n, title=str(n)) for n in range(40))
    presentation = present(attrs.evolve(MEDIA, audio=audio))
    _, *groups, _, _ = sets(presentation)
    assert len(groups) == 40
    assert all(times(group) == attrs.evolve(presentation.audio[0].timeline, frame=0) for group in groups)
    assert len(written) == 3, "one for the video, one for that for fast play, one for all audio"


def test_streams_have_languages_labels_and_roles() -> None:
    *_, audio, text, _ = sets(PRESENTATION)
    assert audio.get("lang") == "en"
    assert text.findtext(f"{NS}Label") == "<b> & co"
    assert [role.get("value") for role in audio.iterfind(f"{NS}Role")] == ["main"]


def test_audio_without_video() -> None:
    (audio,) = sets(present(attrs.evolve(MEDIA, video=(), subtitles=())))
    assert audio.get("contentType") == "audio"


@given(st.text())
def test_no_title_breaks_the_document(title: str) -> None:
    streams = (attrs.evolve(AUDIO_STREAM, title=title),)
    (label,) = ET.fromstring(manifest(present(attrs.evolve(MEDIA, audio=streams, subtitles=())))).iter(f"{NS}Label")
    assert label.text
