"""The DASH manifest (ISO/IEC 23009-1, isoff-live profile, static), for the same segments as the HLS playlists.

Each adaptation set lists the times of its segments in a SegmentTimeline, in the timescale of the segments. Sets with the same
times have the same text, which is written once. They cannot share one element: only a SegmentTemplate of the Period would be
common to them, and the sets of subtitles, which have no segments, would inherit it, too (section 5.3.9.1).
"""

from collections.abc import Mapping
from fractions import Fraction
from itertools import groupby, pairwise
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from transcoded.plan.cmaf.renditions import (
    AudioRendition,
    Presentation,
    Rendition,
    SubtitleRendition,
    VideoRange,
    VideoRendition,
)
from transcoded.plan.cmaf.tiles import add_images
from transcoded.plan.cmaf.timeline import Timeline, round_half_up
from transcoded.plan.cmaf.track_names import language_tag, names
from transcoded.plan.cmaf.trick import FASTEST
from transcoded.plan.cmaf.uris import QUERY, TEMPLATE_QUERY, Fillings, encoded
from transcoded.plan.media.storyboard import Storyboard

CONTENT_TYPE = "application/dash+xml"

_ROLE = "urn:mpeg:dash:role:2011"
_CICP = "urn:mpeg:mpegB:cicp:"
"""Coding-independent code points (ISO/IEC 23091-2). The values are those of HDR: BT.2020, and PQ or HLG."""
_TRANSFERS: Mapping[VideoRange, int] = {"PQ": 16, "HLG": 18}
_TRICK = "http://dashif.org/guidelines/trickmode"
_SCTE = "urn:scte:dash:scte214-extensions"
_CHANNEL_VALUES: Mapping[int, int] = {7: 11, 8: 12}
"""The ChannelConfiguration of more channels than six (ISO/IEC 23091-3); for fewer it is their number."""
_CHANNELS = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011"


def fillings(query: str) -> Fillings:
    """What replaces the marks in a manifest. `query` is percent-encoded, without its question mark."""
    text = escape(encoded(query))
    # A dollar sign begins an identifier of a template (section 5.3.9.4.4), and a query can contain one.
    return {QUERY.encode(): text.encode(), TEMPLATE_QUERY.encode(): text.replace("$", "$$").encode()}


def manifest(presentation: Presentation, images: Storyboard | None = None) -> str:
    """The MPD, as XML. `images` are for scrubbing. Each URL has a mark for the query; `fillings` says what replaces it."""
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
    # others. It is the one that players begin with.
    for group, priority in ((copied, 2), (ladder, 1)):
        if group:
            _video(period, group, priority)
    streams = list({one.stream.position: one.stream for one in presentation.audio}.values())
    labels = {one.position: name for one, name in zip(streams, names(streams, "Audio"), strict=True)}
    first = presentation.groups[0].renditions if presentation.groups else ()
    for audio in presentation.audio:
        _audio(period, audio, labels[audio.stream.position], 2 if audio in first else 1)
    texts = presentation.subtitles
    for text, name in zip(texts, names([one.stream for one in texts], "Subtitles"), strict=True):
        _subtitles(period, text, name)
    if presentation.trick is not None:
        _trick(period, presentation.trick)
    if images is not None:
        add_images(period, images)
    ET.register_namespace("scte214", _SCTE)
    ET.indent(mpd)
    written = ET.tostring(mpd, encoding="unicode")
    for timeline in {id(one.timeline): one.timeline for one in presentation.everything}.values():
        written = written.replace(_mark(timeline), _times(timeline))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{written}\n'


def _video(period: ET.Element, renditions: list[VideoRendition], priority: int) -> None:
    group = _set(period, "video", "video/mp4", None, sap=3 if any(one.open_gop for one in renditions) else 1)
    group.set("selectionPriority", str(priority))
    sizes = [_grid(one) for one in renditions]
    group.set("maxWidth", str(max(width for width, _ in sizes)))
    group.set("maxHeight", str(max(height for _, height in sizes)))
    transfer = _TRANSFERS.get(renditions[0].range)
    if transfer is not None:
        for name, value in (("ColourPrimaries", 9), ("TransferCharacteristics", transfer), ("MatrixCoefficients", 9)):
            ET.SubElement(group, "SupplementalProperty", schemeIdUri=f"{_CICP}{name}", value=str(value))
    # Both sets show the same.
    _role(group, "main")
    _template(group, renditions[0])
    for one, (width, height) in zip(renditions, sizes, strict=True):
        rate = f"{one.rate.numerator}/{one.rate.denominator}" if one.rate.denominator > 1 else str(one.rate.numerator)
        representation = ET.SubElement(
            group,
            "Representation",
            id=one.id,
            codecs=one.codecs,
            bandwidth=str(one.peak),
            width=str(width),
            height=str(height),
            frameRate=rate,
            sar=f"{one.sar.numerator}:{one.sar.denominator}",
        )
        if one.supplemental is not None:
            for name, text in zip(("supplementalCodecs", "supplementalProfiles"), one.supplemental, strict=True):
                representation.set(f"{{{_SCTE}}}{name}", text)


def _trick(period: ET.Element, video: VideoRendition) -> None:
    """The set for fast play (DASH-IF IOP 4.3, section 3.2.9): its property names the sets that it belongs to."""
    mains = [one.get("id", "") for one in period.iter("AdaptationSet") if one.get("contentType") == "video"]
    group = _set(period, "video", "video/mp4", None)
    # Players that know nothing of it choose the others.
    group.set("selectionPriority", "0")
    ET.SubElement(group, "EssentialProperty", schemeIdUri=_TRICK, value=" ".join(mains))
    _template(group, video)
    ET.SubElement(
        group,
        "Representation",
        id=video.id,
        codecs=video.codecs,
        bandwidth=str(video.peak),
        width=str(video.width),
        height=str(video.height),
        frameRate=f"{video.rate.numerator}/{video.rate.denominator}",
        sar="1:1",
        maxPlayoutRate=str(FASTEST),
        codingDependency="false",
    )


def _grid(video: VideoRendition) -> tuple[int, int]:
    """Width and height in pixels of the shape that `sar` tells (section 5.3.7.2)."""
    return (video.width, video.height) if not video.copied else (video.stream.width, video.stream.height)


def _audio(period: ET.Element, audio: AudioRendition, name: str, priority: int) -> None:
    group = _set(period, "audio", "audio/mp4", language_tag(audio.stream.language))
    group.set("selectionPriority", str(priority))
    ET.SubElement(group, "Label").text = name
    _role(group, "main" if audio.default else "alternate")
    _template(group, audio)
    representation = ET.SubElement(
        group,
        "Representation",
        id=audio.id,
        codecs=audio.codecs,
        bandwidth=str(audio.peak),
        audioSamplingRate=str(audio.timeline.timescale),
    )
    ET.SubElement(
        representation,
        "AudioChannelConfiguration",
        schemeIdUri=_CHANNELS,
        value=str(_CHANNEL_VALUES.get(audio.channels, audio.channels)),
    )


def _subtitles(period: ET.Element, text: SubtitleRendition, name: str) -> None:
    group = _set(period, "text", "text/vtt", language_tag(text.stream.language))
    ET.SubElement(group, "Label").text = name
    _role(group, "forced-subtitle" if text.stream.forced else "caption" if text.stream.hearing_impaired else "subtitle")
    # The bit rate of text is not known in advance, but the attribute is required.
    representation = ET.SubElement(group, "Representation", id=text.id, bandwidth="256")
    ET.SubElement(representation, "BaseURL").text = f"subtitles/{text.stream.position}.vtt{QUERY}"


def _set(period: ET.Element, kind: str, mime: str, language: str | None, sap: int = 1) -> ET.Element:
    """A new AdaptationSet, whose segments begin with a stream access point of type `sap` (ISO/IEC 14496-12, annex I). 3: open groups of pictures.

    The schema fixes the order of its children: SupplementalProperty, Label, Role, SegmentTemplate, Representation.
    """
    group = ET.SubElement(period, "AdaptationSet", id=str(len(period)), contentType=kind, mimeType=mime)
    if language:
        group.set("lang", language)
    if kind != "text":
        group.set("segmentAlignment", "true")
        group.set("startWithSAP", str(sap))
    return group


def _role(group: ET.Element, value: str) -> None:
    ET.SubElement(group, "Role", schemeIdUri=_ROLE, value=value)


def _template(group: ET.Element, rendition: Rendition) -> None:
    timeline = rendition.timeline
    template = ET.SubElement(
        group,
        "SegmentTemplate",
        timescale=str(timeline.timescale),
        startNumber="0",
        initialization=f"cmaf/$RepresentationID$/init.mp4{TEMPLATE_QUERY}",
        media=f"cmaf/$RepresentationID$/$Number$.m4s{TEMPLATE_QUERY}",
    )
    ET.SubElement(template, "SegmentTimeline").text = _mark(timeline)


def _mark(timeline: Timeline) -> str:
    """What stands for the times of this timeline until they are written, once for all sets that have them."""
    return f"\2{id(timeline)}\2"


def _times(timeline: Timeline) -> str:
    """The S elements of a timeline (section 5.3.9.6), without white space: a long film has thousands."""
    elements: list[str] = []
    lengths = (end - start for start, end in pairwise((*timeline.starts, timeline.end)))
    for duration, run in groupby(lengths):
        repeats = sum(1 for _ in run) - 1
        first = "" if elements else f' t="{timeline.starts[0]}"'
        elements.append(f'<S{first} d="{duration}" r="{repeats}"/>' if repeats else f'<S{first} d="{duration}"/>')
    return "".join(elements)


def _total(presentation: Presentation) -> Fraction:
    renditions: list[Rendition] = [*presentation.video, *presentation.audio]
    return max(one.timeline.total for one in renditions)


def _duration(seconds: Fraction) -> str:
    milli = round_half_up(seconds * 1000)
    return f"PT{milli // 1000}.{milli % 1000:03d}S"
