"""Decides which audio stream of a file is played, and what is done with it: copied, or encoded in which way."""

import re
from typing import Literal

import attrs

from transcoded.plan.errors import BadParameter, NotMedia
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.copying import audio_copy
from transcoded.plan.media.encoder_limits import encoded_bit_rate, encoded_rate, sample_bits
from transcoded.plan.media.formats import PCM, PCM_24, Encoder, Format
from transcoded.plan.media.packaging import Copy, Packaging
from transcoded.plan.media.params import Downmix, StreamParams
from transcoded.plan.media.probe import AudioStream, Media
from transcoded.plan.media.sound import output_channels

_USAC_SINCE = (7, 1)
"""The version of FFmpeg that began to decode xHE-AAC."""


@attrs.frozen
class EncodeAudio:
    """The audio is transcoded. `why` is the reason, for people.

    `sample_rate` is in Hz, `sample_fmt` is a name of ffmpeg; None: the encoder decides. `bit_rate` is in bits per
    second; None: the encoder has none. `late`: the audio may begin later than the stream.
    """

    why: str
    encoder: Encoder
    channels: int
    sample_rate: int
    sample_fmt: str | None = None
    bit_rate: int | None = None
    downmix: Downmix = "standard"
    late: bool = True
    action: Literal["transcode"] = "transcode"


def requested_audio(media: Media, params: StreamParams, capabilities: Capabilities | None) -> AudioStream | None:
    """The audio stream that is played. Raises `BadParameter` if there is none with the requested number.

    If none is requested, one is preferred that this ffmpeg decodes.
    """
    if params.audio is None:
        default = media.default_audio
        if capabilities is None or default is None or decodes(default, capabilities):
            return default
        return next((stream for stream in media.own_audio if decodes(stream, capabilities)), default)
    for stream in media.audio:
        if stream.position == params.audio:
            return stream
    positions = [str(stream.position) for stream in media.audio]
    has = f"allowed for this file: {', '.join(positions)}." if positions else "this file has no audio."
    raise BadParameter("audio", f"{params.audio} is not allowed; {has}")


def audio_action(
    media: Media, stream: AudioStream, output: Format, params: StreamParams, capabilities: Capabilities | None
) -> Copy | EncodeAudio:
    """What is done with an audio stream. Raises `BadParameter` if a copy is requested that is not possible, `NotMedia` if it cannot be decoded."""
    if params.mode == "transcode":
        obstacle: Packaging | str = "mode=transcode was requested"
    else:
        obstacle = audio_copy(media, stream, output, params)
    if isinstance(obstacle, Packaging):
        return Copy(f"{stream.codec} fits {output.name} as it is", obstacle)
    if params.mode == "copy":
        raise BadParameter("mode", f"the audio cannot be copied: {obstacle}. Allowed here: auto, transcode.")
    if capabilities is not None and not decodes(stream, capabilities):
        copied = f" {output.name} can contain it: mode=copy copies it." if stream.codec in output.holds_audio else ""
        raise NotMedia(f"The ffmpeg of this server cannot decode {_described(stream)}.{copied}")
    encoder, bits = output.audio, sample_bits(stream)
    if encoder is PCM and bits == 24 and (capabilities is None or PCM_24.name in capabilities.encoders):
        encoder = PCM_24
    # Whoever asks for a mix, and not for 5.1, wants stereo, also where all channels would be kept.
    wanted = params.channels or (2 if params.downmix != "standard" else None)
    channels = output_channels(stream, encoder.max_channels, wanted, lossless=encoder.lossless)
    sample_rate = encoded_rate(stream, encoder)
    return EncodeAudio(
        why=obstacle,
        encoder=encoder,
        channels=channels,
        sample_rate=sample_rate,
        sample_fmt={16: "s16", 24: "s32"}[bits] if encoder.codec == "flac" else None,
        bit_rate=encoded_bit_rate(encoder, channels, sample_rate, params.audio_bitrate),
        downmix=params.downmix,
        late=stream.start_time is None or stream.start_time - media.start_time > params.start,
    )


def decodes(stream: AudioStream, capabilities: Capabilities) -> bool:
    """Whether this ffmpeg decodes the stream."""
    if stream.codec == "aac" and stream.profile == "xHE-AAC":
        version = re.match(r"n?([0-9]{1,4})\.([0-9]{1,4})", capabilities.version)
        if version and (int(version[1]), int(version[2])) < _USAC_SINCE:
            return False
    return stream.codec in capabilities.decoders


def _described(stream: AudioStream) -> str:
    return f"{stream.codec} ({stream.profile})" if stream.profile else stream.codec
