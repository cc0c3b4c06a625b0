"""The DASH manifest (ISO/IEC 23009-1, isoff-live profile, static), for the same segments as the HLS playlists.

Each adaptation set lists the times of its segments in a SegmentTimeline, in the timescale of the segments.
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
    """The MPD, as XML. `query` is appended to each URL: percent-encoded, without its question mark."""
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
    # The segments of the copied video have other boundaries. In a set of its own, they need not be aligned with the
    # others.
    for renditions, priority in ((ladder, 2), (copied, 1)):
        if renditions:
            _video(period, renditions, priority, query)
    for audio, name in zip(presentation.audio, names([one.stream for one in presentation.audio], "Audio"), strict=True):
        _audio(period, audio, name, query)
    texts = presentation.subtitles
    for text, name in zip(texts, names([one.stream for one in texts], "Subtitles"), strict=True):
        _subtitles(period, text, name, query)
    ET.indent(mpd)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(mpd, encoding="unicode") + "\n"


def _video(period: ET.Element, renditions: list[VideoRendition], priority: int, query: str) -> None:
    group = _set(period, "video", "video/mp4", None)
    group.set("selectionPriority", str(priority))
    group.set("maxWidth", str(max(one.width for one in renditions)))
    group.set("maxHeight", str(max(one.height for one in renditions)))
    _role(group, "main" if priority > 1 else "alternate")
    _template(group, renditions[0], query)
    for one in renditions:
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


def _audio(period: ET.Element, audio: AudioRendition, name: str, query: str) -> None:
    group = _set(period, "audio", "audio/mp4", language_tag(audio.stream.language))
    ET.SubElement(group, "Label").text = name
    _role(group, "main" if audio.default else "alternate")
    _template(group, audio, query)
    representation = ET.SubElement(
        group,
        "Representation",
        id=audio.id,
        codecs=audio.codecs,
        bandwidth=str(audio.peak),
        audioSamplingRate=str(audio.timeline.timescale),
    )
    ET.SubElement(representation, "AudioChannelConfiguration", schemeIdUri=_CHANNELS, value="2")


def _subtitles(period: ET.Element, text: SubtitleRendition, name: str, query: str) -> None:
    group = _set(period, "text", "text/vtt", language_tag(text.stream.language))
    ET.SubElement(group, "Label").text = name
    _role(group, "forced-subtitle" if text.stream.forced else "subtitle")
    # The bit rate of text is not known in advance, but the attribute is required.
    representation = ET.SubElement(group, "Representation", id=text.id, bandwidth="256")
    ET.SubElement(representation, "BaseURL").text = with_query(f"subtitles/{text.stream.position}.vtt", query)


def _set(period: ET.Element, kind: str, mime: str, language: str | None) -> ET.Element:
    """A new AdaptationSet. The schema fixes the order of its children: Label, Role, SegmentTemplate, Representation."""
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
    # A dollar sign begins an identifier of the template (section 5.3.9.4.4), and a query can contain one.
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
    renditions: list[Rendition] = [*presentation.video, *presentation.audio]
    return max(one.timeline.total for one in renditions)


def _duration(seconds: Fraction) -> str:
    milli = round_half_up(seconds * 1000)
    return f"PT{milli // 1000}.{milli % 1000:03d}S"
