"""How the hardware that codes video is tried: each engine with one frame to encode and one to decode, for each codec.

An engine without a device on this machine is not tried; that there is none is what is said of it.
"""

from collections.abc import Mapping, Sequence

import attrs

from transcoded.plan.media.attempts import QUIET, Attempt, Part, Picture, Run
from transcoded.plan.media.capabilities import VIDEO_CODECS, CodecEngine, EngineName
from transcoded.plan.media.codec_trials import Claims, Sample
from transcoded.plan.media.hardware import DEVICES


@attrs.frozen
class EngineKind:
    """An engine: the names of its encoders end with `suffix`, and `devices` are patterns of paths of which one must exist.

    `acceleration` is what it is as ffmpeg's `-hwaccel`, with the filter `upload` before its encoders; None: its decoders end
    with `suffix`, too.
    """

    name: EngineName
    suffix: str
    devices: tuple[str, ...]
    acceleration: str | None = None
    upload: str | None = None


_RENDER_NODES = ("/dev/dri/renderD*",)

ENGINES = (
    EngineKind("nvenc", "nvenc", ("/dev/nvidia[0-9]*", "/dev/dxg"), "cuda"),
    EngineKind("vaapi", "vaapi", _RENDER_NODES, "vaapi", "format=nv12,hwupload"),
    EngineKind("qsv", "qsv", _RENDER_NODES),
    # Its drivers say nothing: there is always one that is made of software.
    EngineKind("vulkan", "vulkan", (*_RENDER_NODES, "/dev/nvidia[0-9]*"), "vulkan", "format=nv12,hwupload"),
    EngineKind("v4l2m2m", "v4l2m2m", ("/dev/video*",)),
    EngineKind("videotoolbox", "videotoolbox", ("/System/Library/Frameworks/VideoToolbox.framework",), "videotoolbox"),
    EngineKind("amf", "amf", _RENDER_NODES),
    EngineKind("rkmpp", "rkmpp", ("/dev/mpp_service",)),
)

_ENCODED = ("h264", "hevc", "av1", "vp9")
_DECODED = ("h264", "hevc", "av1", "vp9", "vp8", "mpeg2video", "mjpeg")
_DEEP = {"hevc-10": "hevc", "vp9-10": "vp9", "av1-10": "av1"}
"""Samples with 10 bits, and their codecs."""

_SOFTWARE = {
    "libx264": "h264",
    "libx265": "hevc",
    "libsvtav1": "av1",
    "libaom-av1": "av1",
    "libvpx": "vp8",
    "libvpx-vp9": "vp9",
}
_SHORT = {"mpeg2video": "mpeg2"}
"""Codecs that decoders of hardware call by another name."""


def engine_attempts(claims: Claims, samples: Sequence[Sample], devices: Mapping[str, Sequence[str]]) -> Sequence[Run]:
    """The runs that try all engines that have a device. `devices` are the paths that exist, by the name of the engine."""
    by_codec = {one.codec: one for one in samples}
    found: list[Run] = []
    for kind in ENGINES:
        if not devices.get(kind.name):
            continue
        opened = _opened(kind, devices[kind.name])
        found += [
            _HardwareAttempt((_encoding(kind, codec),), opened)
            for codec in _ENCODED
            if f"{codec}_{kind.suffix}" in claims.encoders
        ]
        decoding = [_decoding(kind, codec, by_codec.get(codec), claims) for codec in (*_DECODED, *_DEEP)]
        found += [_HardwareAttempt((part,), opened) for part in decoding if part is not None]
        found += _filtering(kind, claims, _opened(kind, devices[kind.name], for_filters=True))
    return found


def device_of(name: EngineName, paths: Sequence[str]) -> str:
    """What ffmpeg opens: for VA-API a path. Of other engines a path says only that there is a driver, and what else is given was named by the operator."""
    return paths[0] if paths and (name == "vaapi" or not paths[0].startswith("/")) else ""


def engine_of(subject: str) -> str:
    """The engine that something tried is about; empty: none."""
    kind, _, rest = subject.partition("/")
    return rest.partition("/")[0] if kind in {"encodes", "decodes", "device_filters"} else ""


def concluded_engines(
    proven: frozenset[str],
    problems: Mapping[str, str],
    devices: Mapping[str, Sequence[str]],
    free: frozenset[str] = frozenset(),
) -> tuple[CodecEngine, ...]:
    """All engines, from what was proven, what went wrong with the others, and which devices there are. `free` are those that do not work in the sandbox."""
    found: list[CodecEngine] = []
    for kind in ENGINES:
        tried = _codecs(proven, f"decodes/{kind.name}/")
        decodes, deep = tried - set(_DEEP), frozenset(_DEEP[one] for one in tried & set(_DEEP))
        encodes = _codecs(proven, f"encodes/{kind.name}/")
        filters = _codecs(proven, f"device_filters/{kind.name}/")
        failures = sorted(subject for subject in problems if engine_of(subject) == kind.name)
        if decodes or encodes:
            why = f"tried{' outside of the sandbox' if kind.name in free else ''}: a frame of each was coded"
        elif not devices.get(kind.name):
            why = f"not tried: there is no {' and no '.join(kind.devices)}"
        elif failures:
            why = f"tried: ffmpeg {problems[failures[0]]}"
        else:
            why = "not tried: this ffmpeg has no encoder and no decoder for it"
        found.append(
            CodecEngine(
                kind.name,
                bool(decodes or encodes),
                why,
                decodes,
                encodes,
                deep,
                filters,
                kind.name not in free,
                device_of(kind.name, devices.get(kind.name, ())),
            )
        )
    decodes = _codecs(proven, "decoders/") & VIDEO_CODECS
    encodes = frozenset(codec for name, codec in _SOFTWARE.items() if f"encoders/{name}" in proven)
    why = "tried: a frame of each was coded" if decodes or encodes else "tried: nothing was coded"
    found.append(CodecEngine("software", bool(decodes or encodes), why, decodes, encodes))
    return tuple(found)


def hardware_encoders(proven: frozenset[str]) -> frozenset[str]:
    """The names of the encoders of hardware that work."""
    names: Mapping[str, str] = {kind.name: kind.suffix for kind in ENGINES}
    parts = [subject.split("/") for subject in proven if subject.startswith("encodes/")]
    return frozenset(f"{codec}_{names[name]}" for _, name, codec in parts)


@attrs.frozen
class _HardwareAttempt(Attempt):
    """A run with a device that is opened `before` the input."""

    before: tuple[str, ...] = ()

    @property
    def arguments(self) -> Sequence[str]:
        """Ffmpeg's arguments."""
        return [*QUIET, *self.before, *self._inputs(), *self._streams(), "-f", "framecrc", "pipe:1"]


def _opened(kind: EngineKind, paths: Sequence[str], *, for_filters: bool = False) -> tuple[str, ...]:
    if kind.acceleration is None or (kind.upload is None and not for_filters):
        return ()
    device = device_of(kind.name, paths)
    where = f":{device}" if device else ""
    return ("-init_hw_device", f"{kind.acceleration}=hw{where}", "-filter_hw_device", "hw")


def _encoding(kind: EngineKind, codec: str) -> Part:
    source = ("-f", "lavfi", "-i", "testsrc2=size=256x256:rate=25:duration=0.2,format=nv12")
    options = [("c", f"{codec}_{kind.suffix}")]
    if kind.upload is not None:
        options.insert(0, ("filter", kind.upload))
    return Part(f"encodes/{kind.name}/{codec}", source, options=tuple(options))


def _filtering(kind: EngineKind, claims: Claims, opened: tuple[str, ...]) -> Sequence[Picture]:
    """Each filter for frames of the device that plans use, between upload and download. Drivers are known that give a wrong picture and no error."""
    device = DEVICES[kind.name]
    scale = None if device.scale is None else device.scale.format(w=128, h=128, matrix="bt709")
    transpose = None if device.transpose is None else f"{device.transpose}=dir=clock"
    mapper = None if device.tone_map is None else device.tone_map.format(w=128, h=128)
    overlay = None if device.overlay is None else device.overlay.format(x=0, y=0)
    found: dict[str, Picture] = {}
    for described in (scale, device.deinterlace, transpose, mapper, overlay):
        name = "" if described is None else described.partition("=")[0]
        if name not in claims.filters or name in found:
            continue
        # What maps tones takes HDR only, some of them only with what a master says of itself.
        pixels = (
            "p010le,setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
            if described == mapper
            else "nv12"
        )
        picture = _GRAY if described == overlay else _MARKED
        back = f"hwdownload,format={device.download if described == scale else 'nv12'},scale=2:2:flags=area,format=gray"
        inputs: tuple[str, ...] = ("-f", "lavfi", "-i", f"{picture},format={pixels}")
        # FFmpeg 5.1 cannot repeat frames on the device, and no plan does without that.
        repeated = f"{_REPEATED}," if described == scale else ""
        graph: tuple[str, ...] = ("-filter:v", f"hwupload,{repeated}{described},{back}")
        if described == overlay:
            inputs = (*inputs, "-f", "lavfi", "-i", _WHITE)
            drawn = f"[0]hwupload[below];[1]{device.canvas}[above];[below][above]{described},{back}"
            graph = ("-filter_complex", drawn)
        marked = _is_marked_right if described == transpose else _is_marked_left
        subject = f"device_filters/{kind.name}/{name}"
        found[name] = Picture(subject, (*opened, *inputs, *graph), marked, helper=False)
    return [*found.values()]


_REPEATED = "fps=25:eof_action=pass,tpad=stop=1:stop_mode=clone"

_GRAY = "color=c=gray:s=256x256:r=25:d=0.2"
_MARKED = f"{_GRAY},drawbox=w=128:h=128:color=white:t=fill"
"""The quarter above on the left is white."""

_WHITE = "color=c=white:s=128x128:r=25:d=0.2"

_CONTRAST = 40
"""Of 255: between the white quarter and the gray ones, at least; and between the gray ones, at most."""


def _is_marked_left(output: bytes) -> bool:
    """Whether the last picture, of four pixels, is as `_MARKED`."""
    marked, *others = output[-4:] if len(output) >= 4 else b"\0\0\0\0"
    return marked > max(others) + _CONTRAST and max(others) - min(others) < _CONTRAST < max(others)


def _is_marked_right(output: bytes) -> bool:
    """The same, turned clockwise."""
    return len(output) >= 4 and _is_marked_left(bytes((output[-3], output[-4], output[-2], output[-1])))


def _decoding(kind: EngineKind, codec: str, sample: Sample | None, claims: Claims) -> Part | None:
    if sample is None:
        return None
    subject = f"decodes/{kind.name}/{codec}"
    if kind.acceleration is None:
        decoder = f"{_SHORT.get(codec, codec)}_{kind.suffix}"
        if decoder not in claims.decoders.get(codec, ()):
            return None
        return Part(subject, ("-c:v", decoder, "-f", sample.demuxer), sample.data, (("c", "rawvideo"),))
    # ffmpeg decodes in software if the hardware does not. hwdownload takes no frames but those of hardware.
    forced = ("-hwaccel", kind.acceleration, "-hwaccel_output_format", kind.acceleration, "-f", sample.demuxer)
    return Part(
        subject,
        forced,
        sample.data,
        (("filter", f"hwdownload,format={'p010le' if codec in _DEEP else 'nv12'}"), ("c", "rawvideo")),
    )


def _codecs(proven: frozenset[str], prefix: str) -> frozenset[str]:
    return frozenset(subject.removeprefix(prefix) for subject in proven if subject.startswith(prefix))
