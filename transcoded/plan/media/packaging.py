"""How copied packets are wrapped: what a container needs of a codec beyond its name, and how it gets it.

One codec comes in several framings, and containers want one of them. AAC, for example, is described once in the header of MP4, and in each
packet of a transport stream (ADTS). ffmpeg converts with bitstream filters. What a filter finds out from packets, and what the muxer
itself reads from them (AC-3), comes too late for a header that is written first. MP4 can be written later (`late_header`); Matroska on
a pipe cannot be completed, so such a stream is not copied into it.
"""

from typing import Literal

import attrs

from transcoded.plan.media.channel_layouts import kind_of
from transcoded.plan.media.formats import Format
from transcoded.plan.media.probe import AudioStream, Media, VideoStream

_AAC_OF_PLAYERS = frozenset({"LC", "HE-AAC", "HE-AACv2"})
_AAC_OF_ADTS = _AAC_OF_PLAYERS | {"Main", "SSR", "LTP"}
"""Profiles whose object type has a place in the two bits of ADTS (ISO/IEC 14496-3, section 1.A.2.2); SBR and PS are found in the packets."""


@attrs.frozen
class Packaging:
    """What is done to packets that are copied.

    `filters` are ffmpeg's bitstream filters. `tag` is the code of the codec in the container. `late_header`: the container's header
    needs what only the first packets say.
    """

    filters: tuple[str, ...] = ()
    tag: str | None = None
    late_header: bool = False


@attrs.frozen
class Copy:
    """The packets of the stream are copied. `why` is the reason, for people. `packaging` is how they are wrapped."""

    why: str
    packaging: Packaging = Packaging()
    action: Literal["copy"] = "copy"


def audio_packaging(media: Media, stream: AudioStream, output: Format, *, cut: bool, explicit: bool) -> Packaging | str:
    """How this audio is wrapped for the format; a phrase for messages that says why it cannot be.

    `cut`: not all of the file is sent. `explicit`: the client knows its player, so what is rarely played is no reason.
    """
    if cut and "mpeg" in media.container.split(","):
        return "a seek in a program stream does not end at the beginning of a packet of audio"
    if not explicit and stream.channels > 8:
        return f"most players do not play {stream.channels} channels"
    match stream.codec:
        case "aac":
            return _aac(stream, output, explicit=explicit)
        case "ac3" | "eac3" if output.writes_late:
            return Packaging(late_header=True)
        case "flac" if output.muxer == "flac":
            return _flac(media, cut=cut, explicit=explicit)
        case "opus" if not explicit and stream.channels > 2 and kind_of(stream) != "named":
            return f"most players do not decode Opus with {stream.channels} channels without names"
        case _:
            return Packaging()


def video_packaging(stream: VideoStream, output: Format) -> Packaging:
    """How this video is wrapped for the format."""
    match stream.codec:
        case "hevc" if output.hvc1:
            return Packaging(tag="hvc1")
        case "mpeg4":
            # DivX files can have several frames in a packet, which only AVI allows. The filter leaves others as they are.
            return Packaging(filters=("mpeg4_unpack_bframes",))
        case _:
            return Packaging()


def _aac(stream: AudioStream, output: Format, *, explicit: bool) -> Packaging | str:
    profile = stream.profile
    if profile is not None:
        if output.adts and profile not in _AAC_OF_ADTS:
            return f"{output.name} cannot contain {profile} AAC"
        if not explicit and profile not in _AAC_OF_PLAYERS:
            return f"not all players decode {profile} AAC"
    if stream.described or output.adts:
        return Packaging()
    if output.writes_late:
        return Packaging(filters=("aac_adtstoasc",), late_header=True)
    return f"{output.name} needs a description of the aac in its header, and this file has none in its own"


def _flac(media: Media, *, cut: bool, explicit: bool) -> Packaging | str:
    # The header has the length and a checksum of all samples (RFC 9639, section 8.2), and comes before all of them.
    if cut:
        return "the header of FLAC has the length of the whole file"
    if not explicit and media.container != "flac":
        return "the header of FLAC in another container can have another length than the sound"
    return Packaging()
