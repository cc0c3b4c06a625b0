"""How decoders and encoders are tried: decoders by decoding a frame of a sample, encoders by encoding a frame.

For some codecs there is no free encoder, so there is no sample of them. Their decoders are opened, with a packet of zeros
(`Sample.opens`): this tells a decoder that is there and accepts its parameters from one that is not.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import attrs

from transcoded.plan.media.attempts import MAX_ARGUMENT, Attempt, Opening, Part
from transcoded.plan.media.capabilities import CODECS

Kind = Literal["video", "audio", "text", "bitmap"]

_TOGETHER = 32
"""Codecs in one run. ffmpeg has several threads for each."""

_ALONE = frozenset({"av1", "vvc", "prores_raw", "apv"})
"""Codecs for which a decoder may be listed that works with some hardware only, or is new: they would break the run of others."""


@attrs.frozen
class Sample:
    """A stream of one codec. `data` is a file of the format `demuxer`.

    `decoder` is the one that it is for; None: that which ffmpeg takes by itself. `opens`: no decoder makes a frame of it.
    """

    codec: str
    kind: Kind
    demuxer: str
    data: bytes = attrs.field(repr=False)
    decoder: str | None = None
    opens: bool = False


@attrs.frozen
class Claims:
    """What an ffmpeg says that it has: decoders by codec, encoders and filters by their names. It decides only what is tried."""

    decoders: Mapping[str, Collection[str]]
    encoders: frozenset[str]
    filters: frozenset[str]


def read_claims(codecs: str, filters: str) -> Claims:
    """From the texts of `ffmpeg -codecs` and `ffmpeg -filters`."""
    decoders: dict[str, Collection[str]] = {}
    encoders: set[str] = set()
    for line in codecs.splitlines():
        found = re.match(r" ([D.])([E.])[VASDT.]...\s(\w\S*)", line)
        if found is None:
            continue
        # Those whose names differ from the codec's are named behind its description.
        decodes, encodes, codec = found.groups()
        if decodes == "D":
            decoders[codec] = _named("decoders", line) or [codec]
        if encodes == "E":
            encoders.update(_named("encoders", line) or [codec])
    return Claims(
        decoders, frozenset(encoders), frozenset(re.findall(r"^ [T.]\S* (\S+) +\S+->", filters, re.MULTILINE))
    )


def _named(kind: str, line: str) -> Sequence[str]:
    found = re.search(rf"\({kind}: ([^)]*)\)", line)
    return found[1].split() if found else []


def decoder_attempts(claims: Claims, samples: Sequence[Sample]) -> Sequence[Attempt]:
    """The runs that try the decoders of an ffmpeg: a few, which can prove all of them."""
    tried = [one for one in samples if one.codec in CODECS and _has(claims, one)]
    alone = [one for one in tried if one.codec in _ALONE]
    runs = [Opening if one.opens else Attempt for one in alone]
    found = [run((_decoding(one),)) for run, one in zip(runs, alone, strict=True)]
    for run, opens in ((Attempt, False), (Opening, True)):
        together = [one for one in tried if one.opens == opens and one not in alone]
        # Only one of a run can be read from stdin.
        together.sort(key=lambda one: len(one.data) > MAX_ARGUMENT)
        groups = max(1, -(-len(together) // _TOGETHER))
        found += [run(tuple(map(_decoding, group))) for at in range(groups) if (group := together[at::groups])]
    return found


def _has(claims: Claims, sample: Sample) -> bool:
    decoders = claims.decoders.get(sample.codec, ())
    return bool(decoders) if sample.decoder is None else sample.decoder in decoders


def _decoding(sample: Sample) -> Part:
    letter = {"video": "v", "audio": "a"}.get(sample.kind, "s")
    coder = {"video": "rawvideo", "audio": "pcm_s16le", "text": "ass", "bitmap": "dvbsub"}[sample.kind]
    forced = (f"-c:{letter}", sample.decoder) if sample.decoder else ()
    return Part(
        f"decoders/{sample.codec}",
        ("-threads", "1", *forced, "-f", sample.demuxer),
        sample.data,
        (("c", coder),),
    )


_PICTURES = ("-f", "lavfi", "-i", "testsrc2=size=128x128:rate=25:duration=0.08,format=yuv420p")
_TONE = ("-f", "lavfi", "-i", "sine=sample_rate=48000:duration=0.1,aformat=channel_layouts=stereo")
_TEXT = b"1\n00:00:00,000 --> 00:00:01,000\nA line\n"

ENCODERS: Mapping[str, tuple[Kind, tuple[tuple[str, str], ...]]] = {
    # The fastest way that each has: whether it works does not depend on the options.
    "libx264": ("video", (("preset", "ultrafast"),)),
    "libx265": ("video", (("preset", "ultrafast"), ("x265-params", "log-level=none"))),
    "libsvtav1": ("video", (("preset", "12"),)),
    "libaom-av1": ("video", (("usage", "realtime"), ("cpu-used", "8"))),
    "libvpx": ("video", (("deadline", "realtime"), ("cpu-used", "8"))),
    "libvpx-vp9": ("video", (("deadline", "realtime"), ("cpu-used", "8"))),
    "mpeg2video": ("video", ()),
    "mpeg4": ("video", ()),
    "ffv1": ("video", ()),
    "mjpeg": ("video", (("pix_fmt", "yuvj420p"),)),
    "png": ("video", ()),
    "libwebp": ("video", ()),
    "aac": ("audio", ()),
    "libfdk_aac": ("audio", ()),
    "ac3": ("audio", ()),
    "eac3": ("audio", ()),
    "alac": ("audio", ()),
    "flac": ("audio", ()),
    "libmp3lame": ("audio", ()),
    "libopus": ("audio", ()),
    "libvorbis": ("audio", ()),
    "mp2": ("audio", ()),
    "pcm_s16le": ("audio", ()),
    "pcm_s24le": ("audio", ()),
    "pcm_s32le": ("audio", ()),
    "pcm_f32le": ("audio", ()),
    "ass": ("text", ()),
    "mov_text": ("text", ()),
    "subrip": ("text", ()),
    "webvtt": ("text", ()),
}
"""Encoders that are tried, without those of hardware (`engine_trials`). A format that needs another one adds it here."""


def encoder_attempts(claims: Claims) -> Sequence[Attempt]:
    """The run that tries the encoders of an ffmpeg."""
    parts = tuple(
        Part(f"encoders/{name}", *_source(kind), (("c", name), *options))
        for name, (kind, options) in ENCODERS.items()
        if name in claims.encoders
    )
    return [Attempt(parts)] if parts else []


def _source(kind: Kind) -> tuple[tuple[str, ...], bytes]:
    if kind == "text":
        return ("-f", "srt"), _TEXT
    return (_PICTURES if kind == "video" else _TONE), b""
