"""The DASH manifest (ISO/IEC 23009-1, isoff-live profile, static) over the very same segments as the HLS playlists.

Every representation states its segments' times in a SegmentTimeline, in the ticks that the segments themselves have.
"""

from fractions import Fraction
from itertools import groupby
from xml.etree import ElementTree as ET

from transcoded.plan.cmaf.ladder import AudioRendition, Presentation, Rendition, SubtitleRendition, VideoRendition
from transcoded.plan.cmaf.timeline import round_half_up
from transcoded.plan.cmaf.track_names import language_tag, names
from transcoded.plan.cmaf.uris import with_query

CONTENT_TYPE = "application/dash+xml"

_ROLE = "urn:mpeg:dash:role:2011"
_CHANNELS = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011"


def manifest(presentation: Presentation, query: str = "") -> str:
    """The MPD. `query` is put behind each URL as it is, without a question mark: already percent-encoded."""
    mpd = ET.Element(
        "MPD",
        {
            "xmlns": "urn:mpeg:dash:schema:mpd:2011",
            "profiles": "urn:mpeg:dash:profile:isoff-live:2011",
            "type": "static",
            "mediaPresentationDuration": _duration(_total(presentation)),
            "minBufferTime": "PT4S",
        },
    )
    period = ET.SubElement(mpd, "Period", id="0", start="PT0S")
    ladder = [one for one in presentation.video if not one.copied]
    copied = [one for one in presentation.video if one.copied]
    # The copied picture is cut elsewhere: in a set of its own nobody expects its segments to be aligned.
    for pictures, priority in ((ladder, 2), (copied, 1)):
        if pictures:
            _video(period, pictures, priority, query)
    for sound, name in zip(presentation.audio, names([one.stream for one in presentation.audio], "Audio"), strict=True):
        _audio(period, sound, name, query)
    tracks = presentation.subtitles
    for track, name in zip(tracks, names([one.stream for one in tracks], "Subtitles"), strict=True):
        _subtitles(period, track, name, query)
    ET.indent(mpd)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(mpd, encoding="unicode") + "\n"


def _video(period: ET.Element, pictures: list[VideoRendition], priority: int, query: str) -> None:
    group = _set(period, "video", "video/mp4", None)
    group.set("selectionPriority", str(priority))
    group.set("maxWidth", str(max(one.width for one in pictures)))
    group.set("maxHeight", str(max(one.height for one in pictures)))
    _role(group, "main" if priority > 1 else "alternate")
    _template(group, pictures[0], query)
    for one in pictures:
        rate = f"{one.rate.numerator}/{one.rate.denominator}" if one.rate.denominator > 1 else str(one.rate.numerator)
        ET.SubElement(
            group,
            "Representation",
            id=one.id,
            codecs=one.codecs,
            bandwidth=str(one.peak),
            width=str(one.width),
            height=str(one.height),
            frameRate=rate,
            sar="1:1",
        )


def _audio(period: ET.Element, sound: AudioRendition, name: str, query: str) -> None:
    group = _set(period, "audio", "audio/mp4", language_tag(sound.stream.language))
    ET.SubElement(group, "Label").text = name
    _role(group, "main" if sound.default else "alternate")
    _template(group, sound, query)
    shown = ET.SubElement(
        group,
        "Representation",
        id=sound.id,
        codecs=sound.codecs,
        bandwidth=str(sound.peak),
        audioSamplingRate=str(sound.timeline.timescale),
    )
    ET.SubElement(shown, "AudioChannelConfiguration", schemeIdUri=_CHANNELS, value="2")


def _subtitles(period: ET.Element, track: SubtitleRendition, name: str, query: str) -> None:
    group = _set(period, "text", "text/vtt", language_tag(track.stream.language))
    ET.SubElement(group, "Label").text = name
    _role(group, "forced-subtitle" if track.stream.forced else "subtitle")
    # A size of text is not known before it is made; the attribute must be there.
    shown = ET.SubElement(group, "Representation", id=track.id, bandwidth="256")
    ET.SubElement(shown, "BaseURL").text = with_query(f"subtitles/{track.stream.position}.vtt", query)


def _set(period: ET.Element, kind: str, mime: str, language: str | None) -> ET.Element:
    """An AdaptationSet; its parts must be added in the order of the schema: Label, Role, template, representations."""
    group = ET.SubElement(period, "AdaptationSet", id=str(len(period)), contentType=kind, mimeType=mime)
    if language:
        group.set("lang", language)
    if kind != "text":
        group.set("segmentAlignment", "true")
        group.set("startWithSAP", "1")
    return group


def _role(group: ET.Element, value: str) -> None:
    ET.SubElement(group, "Role", schemeIdUri=_ROLE, value=value)


def _template(group: ET.Element, rendition: Rendition, query: str) -> None:
    timeline = rendition.timeline
    # In a template a dollar sign begins an identifier (section 5.3.9.4.4); a query can hold one.
    suffix = query.replace("$", "$$")
    template = ET.SubElement(
        group,
        "SegmentTemplate",
        timescale=str(timeline.timescale),
        startNumber="0",
        initialization=with_query("cmaf/$RepresentationID$/init.mp4", suffix),
        media=with_query("cmaf/$RepresentationID$/$Number$.m4s", suffix),
    )
    times = ET.SubElement(template, "SegmentTimeline")
    for duration, run in groupby(map(timeline.duration, range(len(timeline)))):
        repeats = sum(1 for _ in run) - 1
        first = {} if len(times) else {"t": str(timeline.starts[0])}
        more = {"r": str(repeats)} if repeats else {}
        ET.SubElement(times, "S", {**first, "d": str(duration), **more})


def _total(presentation: Presentation) -> Fraction:
    everything: list[Rendition] = [*presentation.video, *presentation.audio]
    return max(one.timeline.total for one in everything)


def _duration(seconds: Fraction) -> str:
    milli = round_half_up(seconds * 1000)
    return f"PT{milli // 1000}.{milli % 1000:03d}S"
