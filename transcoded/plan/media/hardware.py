"""Chains: the ways from the packets of a video stream to an encode of H.264, with hardware and without, the best first.

A chain says which engine decodes and which encodes. Three kinds use hardware:

* **on the device**: it decodes, deinterlaces, scales, maps tones and encodes, and no frame comes to the CPU;
* **encode only**: the CPU decodes and does all that `plan.media.picture` does, and the frames go to the encoder;
* **decode only**: the device decodes and scales, and the CPU encodes.

A chain is listed only if all that it needs was tried here (`engine_trials`), and software always comes last. What filters of a device cannot do as those of the CPU do is not done
there: cropping, frames without 4:2:0, other matrices, full range, text that is drawn. Names and options are those of ffmpeg's filters and encoders; the golden tables of
`tests/plan/media/test_hardware.py` have all of them.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import attrs

from transcoded.plan.media.burn_in import images_filters
from transcoded.plan.media.capabilities import Capabilities, CodecEngine, EngineName
from transcoded.plan.media.colors import encoded_colors, is_rgb, reshaped, source_colors
from transcoded.plan.media.orientation import Orientation
from transcoded.plan.media.picture import finishing, graph_argv, marking, may_be_interlaced, picture_argv
from transcoded.plan.media.probe import Crop, SubtitleStream, VideoStream

Hardware = Literal["confined", "free"]
"""How a process gets at hardware: from within a sandbox that has its devices, or without one."""


@attrs.frozen
class Chain:
    """Which engines decode and encode. Frames are on the device if both are the same one. `device` is what is opened, as ffmpeg names it; empty: the first.

    `confined`: it works in a sandbox with the devices.
    """

    encodes: EngineName = "software"
    decodes: EngineName = "software"
    device: str = ""
    confined: bool = True

    @property
    def name(self) -> str:
        """For people and metrics."""
        return self.encodes if self.encodes == self.decodes else f"{self.decodes}-{self.encodes}"

    @property
    def is_software(self) -> bool:
        """Whether no hardware is used."""
        return self.encodes == self.decodes == "software"

    @property
    def hardware(self) -> Hardware | None:
        """How its process gets at hardware; None: it needs none."""
        return None if self.is_software else "confined" if self.confined else "free"

    @property
    def engine(self) -> EngineName:
        """The hardware that it uses, or `software`. There is never more than one kind."""
        return self.decodes if self.encodes == "software" else self.encodes


SOFTWARE = Chain()


@attrs.frozen
class _Device:
    """How an engine is used. All filters are ffmpeg's; None: it has no such filter.

    `acceleration` is the name for `-hwaccel` and `-init_hw_device`, None: it only encodes, and opens its device by itself. `frames` is the pixel format of frames on it.
    `upload` are the filters before its encoders, for frames of the CPU. `scale` takes `{w}`, `{h}`, `{matrix}`; `converts`: it also changes matrix and range.
    `tone_map` maps HDR10 to BT.709, behind the scaler, or scales itself if it takes `{w}`. `turns` are the directions that `transpose` knows. `overlay` takes `{x}`, `{y}`, with `canvas`, the filters that bring images of the CPU to it.
    """

    acceleration: str | None = None
    frames: str = ""
    upload: tuple[str, ...] = ("format=nv12",)
    deinterlace: str | None = None
    scale: str | None = None
    converts: bool = False
    tone_map: str | None = None
    maps_hlg: bool = False
    transpose: str | None = None
    turns: frozenset[str] = frozenset({"clock", "cclock", "clock_flip", "cclock_flip", "reversal", "hflip", "vflip"})
    overlay: str | None = None
    canvas: str = ""
    download: str = "nv12"


DEVICES: dict[EngineName, _Device] = {
    "nvenc": _Device(
        "cuda",
        "cuda",
        upload=("format=yuv420p",),
        deinterlace="bwdif_cuda=mode=send_frame:deint=interlaced",
        scale="scale_cuda=w={w}:h={h}:format=yuv420p",
        transpose="transpose_cuda",
        overlay="overlay_cuda=x={x}:y={y}:eof_action=pass:repeatlast=0",
        canvas="format=yuva420p,hwupload",
        download="yuv420p",
    ),
    "vaapi": _Device(
        "vaapi",
        "vaapi",
        upload=("format=nv12", "hwupload"),
        deinterlace="deinterlace_vaapi=rate=frame:auto=1",
        scale="scale_vaapi=w={w}:h={h}:format=nv12:out_color_matrix={matrix}:out_range=tv",
        converts=True,
        tone_map="tonemap_vaapi=format=nv12:primaries=bt709:transfer=bt709:matrix=bt709",
        transpose="transpose_vaapi",
        overlay="overlay_vaapi=x={x}:y={y}:eof_action=pass:repeatlast=0",
        canvas="format=bgra,hwupload",
    ),
    "qsv": _Device(
        "qsv",
        "qsv",
        deinterlace="deinterlace_qsv=mode=advanced",
        scale="scale_qsv=w={w}:h={h}:format=nv12",
        tone_map="vpp_qsv=tonemap=1:format=nv12:out_color_matrix=bt709:out_color_primaries=bt709:out_color_transfer=bt709",
        overlay="overlay_qsv=x={x}:y={y}:eof_action=pass:repeatlast=0",
        canvas="format=bgra,hwupload=extra_hw_frames=16",
    ),
    "vulkan": _Device(
        "vulkan",
        "vulkan",
        upload=("format=nv12", "hwupload"),
        deinterlace="bwdif_vulkan=mode=send_frame:deint=interlaced",
        # With Mesa's lavapipe and FFmpeg 9.0, scale_vulkan gives black pictures.
        scale="libplacebo=w={w}:h={h}:format=nv12:colorspace={matrix}:range=tv:peak_detect=0",
        converts=True,
        tone_map="libplacebo=w={w}:h={h}:format=nv12:colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv:peak_detect=0",
        maps_hlg=True,
        transpose="transpose_vulkan",
        turns=frozenset({"clock", "cclock", "clock_flip", "cclock_flip"}),
    ),
    "amf": _Device("amf", "amf", scale="vpp_amf=w={w}:h={h}:format=nv12"),
    "v4l2m2m": _Device(),
    "rkmpp": _Device(),
    "videotoolbox": _Device(
        "videotoolbox",
        "videotoolbox_vld",
        deinterlace="yadif_videotoolbox=mode=send_frame:deint=interlaced",
        scale="scale_vt=w={w}:h={h}",
        transpose="transpose_vt",
    ),
}

ORDER: Sequence[EngineName] = ("nvenc", "qsv", "vaapi", "amf", "videotoolbox", "rkmpp", "v4l2m2m", "vulkan")
"""The order of `auto`: what belongs to one vendor comes before what others wrap."""

_NAMED = re.compile(r"[A-Za-z0-9_./:,+-]{1,200}")
"""What a device may be called: it becomes part of an option of ffmpeg."""


def engine_order(text: str) -> tuple[tuple[EngineName, ...], Mapping[EngineName, str]]:
    """The engines of a setting in their order, and the devices of those that have one: `auto`, `software`, or as `nvenc=1,vaapi=/dev/dri/renderD129`.

    Raises ValueError for text that is none of these.
    """
    if text == "auto":
        return tuple(ORDER), {}
    order: list[EngineName] = []
    devices: dict[EngineName, str] = {}
    for item in text.split(","):
        given, separator, device = item.strip().partition("=")
        name = next((one for one in (*ORDER, SOFTWARE.encodes) if one == given), None)
        if name is None:
            raise ValueError(f"give auto, or {', '.join(ORDER)} or software, not {given!r}")
        if separator and (not _NAMED.fullmatch(device) or DEVICES.get(name, _Device()).acceleration is None):
            raise ValueError(f"{name} takes no device {device!r}")
        if name in order:
            raise ValueError(f"{name} is there twice")
        if name == "software":
            # What comes behind it would never be used.
            break
        order.append(name)
        if separator:
            devices[name] = device
    return tuple(order), devices


_TEN_BITS = frozenset({"yuv420p10le", "p010le"})
_EIGHT_BITS = frozenset({"yuv420p", "nv12"})
_TURNS = {
    Orientation(90): "clock",
    Orientation(180): "reversal",
    Orientation(270): "cclock",
    Orientation(0, mirrored=True): "hflip",
    Orientation(180, mirrored=True): "vflip",
    # Mirrored, then turned; `clock_flip` and `cclock_flip` flip afterwards, from top to bottom.
    Orientation(90, mirrored=True): "cclock_flip",
    Orientation(270, mirrored=True): "clock_flip",
}


def chains(
    stream: VideoStream,
    codec: str,
    capabilities: Capabilities,
    order: Sequence[EngineName] = ORDER,
    burn: SubtitleStream | None = None,
) -> Sequence[Chain]:
    """All chains that make `codec` of a stream here, the best first; the last one is software. `order` are the engines that may be used."""
    found: list[Chain] = []
    only_decode: list[Chain] = []
    engines = {one.name: one for one in capabilities.engines if one.works}
    for name in order:
        engine = engines.get(name)
        if engine is None or name == "software":
            continue
        device = engine.device
        fits = _fits_on(engine, stream, burn)
        if codec in engine.encodes:
            found += [Chain(name, name, device, engine.confined)] if fits else []
            found.append(Chain(name, "software", device, engine.confined))
        elif fits and burn is None:
            only_decode.append(Chain("software", name, device, engine.confined))
    return (*found, *only_decode, SOFTWARE)


def encoding_engine(codec: str, capabilities: Capabilities, order: Sequence[EngineName]) -> EngineName:
    """The first engine of the order that was proven to encode this codec, or software."""
    able = {one.name for one in capabilities.engines if codec in one.encodes}
    return next((name for name in order if name in able), "software")


def _fits_on(engine: CodecEngine, stream: VideoStream, burn: SubtitleStream | None) -> bool:
    """Whether a device decodes the stream, and does with its frames what filters of the CPU would do."""
    device = DEVICES[engine.name]
    decodes = engine.decodes_10_bit if stream.pix_fmt in _TEN_BITS else engine.decodes
    kind = stream.pix_fmt in _TEN_BITS | _EIGHT_BITS
    if not (kind and stream.codec in decodes and _has(engine, device.scale)):
        return False
    if stream.crop != Crop() or reshaped(stream) or is_rgb(stream):
        return False
    if may_be_interlaced(stream) and not _has(engine, device.deinterlace):
        return False
    turn = _TURNS.get(Orientation(stream.rotation, stream.mirrored))
    if turn is not None and not (_has(engine, device.transpose) and turn in device.turns):
        return False
    if burn is not None and (burn.text or not _has(engine, device.overlay)):
        return False
    source, target = source_colors(stream), encoded_colors(stream)
    if stream.hdr is not None:
        return _has(engine, device.tone_map) and (source.transfer == "smpte2084" or device.maps_hlg)
    return device.converts or (source.matrix, source.span) == (target.matrix, target.span)


def _has(engine: CodecEngine, template: str | None) -> bool:
    """Whether a filter was tried here, and works."""
    return template is not None and template.partition("=")[0] in engine.filters


def opening_argv(chain: Chain) -> Sequence[str]:
    """Options before the input: open the device, and decode there if the chain does."""
    device = DEVICES.get(chain.engine)
    if device is None or device.acceleration is None:
        return ()
    if chain.decodes == "software" and "hwupload" not in device.upload:
        # Its encoders take frames of the CPU, and open the device by themselves.
        return ()
    where = f":{chain.device}" if chain.device else ""
    opened = ("-init_hw_device", f"{device.acceleration}=hw{where}", "-filter_hw_device", "hw")
    if chain.decodes == "software":
        return opened
    return (*opened, "-hwaccel", device.acceleration, "-hwaccel_device", "hw", "-hwaccel_output_format", device.frames)


def decoder_argv(chain: Chain, codec: str) -> Sequence[str]:
    """Options of the input. Intel's accelerator works with decoders of its own only."""
    return ("-c:v", f"{ {'mpeg2video': 'mpeg2'}.get(codec, codec) }_qsv") if chain.decodes == "qsv" else ()


def device_filters(chain: Chain, stream: VideoStream, width: int, height: int) -> Sequence[str]:
    """The filters from decoded frames on the device to upright ones of this size, in pixels as displayed. If the CPU encodes, they are there afterwards."""
    device = DEVICES[chain.engine]
    turn = Orientation(stream.rotation, stream.mirrored)
    lying = (height, width) if turn.sideways else (width, height)
    target = encoded_colors(stream)
    assert device.scale is not None  # noqa: S101 - `chains` has looked
    scale = device.scale.format(w=lying[0], h=lying[1], matrix=target.matrix)
    scaled: tuple[str, ...] = (scale,)
    if stream.hdr is not None and device.tone_map is not None:
        # The tone mapper needs all bits, and converts the matrix by itself.
        mapper = device.tone_map.format(w=lying[0], h=lying[1])
        first = () if "{w}" in device.tone_map else (_without(scale, "format", "out_color_matrix", "out_range"),)
        scaled = (*first, mapper)
    deinterlaced = (device.deinterlace,) if may_be_interlaced(stream) and device.deinterlace is not None else ()
    turned = (f"{device.transpose}=dir={_TURNS[turn]}",) if turn in _TURNS else ()
    downloaded = ("hwdownload", f"format={device.download}") if chain.encodes == "software" else ()
    return (*deinterlaced, *scaled, *turned, *downloaded)


def _without(described: str, *options: str) -> str:
    """A filter without these options."""
    name, _, arguments = described.partition("=")
    kept = [one for one in arguments.split(":") if one.partition("=")[0] not in options]
    return f"{name}={':'.join(kept)}"


def chain_picture_argv(
    chain: Chain,
    stream: VideoStream,
    timing: Sequence[str],
    width: int,
    height: int,
    capabilities: Capabilities,
    *,
    burn: SubtitleStream | None = None,
    images_file: int = 1,
) -> Sequence[str]:
    """As `picture.picture_argv`, up to what the encoder of the chain takes."""
    if chain.decodes == "software":
        last = () if chain.encodes == "software" else DEVICES[chain.encodes].upload
        return picture_argv(stream, timing, width, height, capabilities, burn=burn, images_file=images_file, last=last)
    target = encoded_colors(stream)
    shaped = (*timing, *marking(stream), *device_filters(chain, stream, width, height))
    device = DEVICES[chain.decodes]
    if burn is None or device.overlay is None:
        return graph_argv(stream, ",".join((*shaped, *finishing(stream, target))))
    scaled, left, top = images_filters(burn, stream, width, height, target.matrix)
    images = f"[{images_file}:0]{scaled},{device.canvas}[images]"
    overlay = device.overlay.format(x=left, y=top)
    drawn = f"{','.join(shaped)},settb=1/1000000[picture];{images};[picture][images]{overlay}"
    return graph_argv(stream, ",".join((drawn, *finishing(stream, target))))


def encoder_argv(chain: Chain, codec: str, most: int | None, pixels: int, level: int | None = None) -> Sequence[str]:
    """Options of the encoder of hardware. `most` are bits per second that are never exceeded for longer than a second; None: constant quality, as far as it has that.

    `pixels` are those of a second. Without B-frames, so that nothing is reordered; where a keyframe is forced there is an IDR. `level` is the level_idc.
    """
    name = f"{codec}_{chain.encodes}"
    usual = most or max(500_000, pixels // 12)
    capped = ("-b:v", str(usual * 4 // 5), "-maxrate:v", str(usual), "-bufsize:v", str(usual))
    high = ("-profile:v", "high") if codec == "h264" else ()
    leveled = ("-level:v", f"{level // 10}.{level % 10}") if level is not None and chain.encodes in _LEVELED else ()
    match chain.encodes:
        case "nvenc":
            limit = () if most is None else ("-maxrate:v", str(most), "-bufsize:v", str(most))
            quality = ("-rc", "vbr", "-cq", "24", "-b:v", "0", *limit)
            own: Sequence[str] = ("-preset", "p4", *quality, "-forced-idr", "1", "-no-scenecut", "1", "-delay", "0")
        case "vaapi" | "vulkan":
            rated, constant = ("VBR", "CQP") if chain.encodes == "vaapi" else ("vbr", "cqp")
            own = ("-rc_mode", rated, *capped) if most else ("-rc_mode", constant, "-qp", "24")
        case "qsv":
            own = (
                "-preset",
                "veryfast",
                *(capped if most else ("-global_quality", "24")),
                "-forced_idr",
                "1",
                "-async_depth",
                "1",
            )
        case "amf":
            rate = ("-rc", "vbr_peak", *capped) if most else ("-rc", "cqp", "-qp_i", "22", "-qp_p", "24")
            own = ("-usage", "transcoding", "-quality", "speed", *rate, "-forced_idr", "1")
        case "videotoolbox":
            own = (*capped, "-realtime", "1", "-allow_sw", "0")
        case "rkmpp":
            own = ("-rc_mode", "VBR", *capped)
        case _:
            # The interface has one rate.
            return ("-c:v", name, "-b:v", str(usual * 4 // 5))
    return ("-c:v", name, *high, *leveled, *own, "-bf", "0")


_LEVELED = frozenset({"nvenc", "amf"})
"""Engines whose encoders refuse no level that fits."""
