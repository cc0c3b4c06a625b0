"""Pictures, by their pixels: what is made of a video is upright, in its shape and in its colours, whatever is done with it."""

import subprocess
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.support.clips import ffmpeg, ffprobe, made_once
from tests.support.pictures import (
    Frame,
    aperture,
    capabilities,
    dolby_vision,
    frames,
    patch_error,
    patches,
    pq,
    probed,
    ramp,
    run,
    with_box,
)
from tests.support.programs import Programs, by_turns
from transcoded.plan.cmaf.argv import segment_argv
from transcoded.plan.cmaf.ladder import present
from transcoded.plan.cmaf.renditions import VideoRendition
from transcoded.plan.media.argv import Options, stream_argv
from transcoded.plan.media.choose import choose
from transcoded.plan.media.colors import tone_mapping_filters
from transcoded.plan.media.formats import FORMATS
from transcoded.plan.media.params import StreamParams
from transcoded.plan.media.probe import Crop
from transcoded.plan.media.thumbnail_argv import thumbnail_argv

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "4", "-threads", "1")
LOSSLESS = ("-c:v", "ffv1")
LIMITED = "range=tv"
MASTERED = (
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)",
    "max-cll=1000,400",
)


def box(size: str, pixels: str = "yuv420p", seconds: float = 0.4) -> Sequence[str]:
    """A white square in the middle of gray."""
    square = "drawbox=x=iw/2-ih/8:y=ih/2-ih/8:w=ih/4:h=ih/4:color=white:t=fill"
    return ("-f", "lavfi", "-i", f"color=c=gray:s={size}:r=25:d={seconds},{square},format={pixels}")


def corner(*options: str) -> Sequence[str]:
    """A red mark in the corner above on the left."""
    mark = "drawbox=x=0:y=0:w=iw/4:h=ih/4:color=red:t=fill"
    return ("-f", "lavfi", "-i", f"color=c=gray:s=320x180:r=25:d=0.4,{mark},format=yuv420p", *options)


def make_inputs(directory: Path) -> None:
    """All inputs, in one directory."""

    def made(name: str, *arguments: str) -> Path:
        path = directory / name
        ffmpeg(*arguments, f"file:{path}")
        return path

    _shapes(directory, made)
    _turned(directory, made)
    _colored(directory)
    _high_range(directory)


Maker = Callable[..., Path]


def _shapes(directory: Path, made: Maker) -> None:
    shapes = (("320x180", "yuv420p"), ("320x240", "yuv420p"), ("640x480", "yuv422p10le"), ("160x98", "yuv444p"))
    parts = [made(f"{size}.h264", *box(size, pixels), *X264, "-bf", "0") for size, pixels in (*shapes, shapes[0])]
    (directory / "all.h264").write_bytes(b"".join(one.read_bytes() for one in parts))
    raw = ("-fflags", "+genpts", "-r", "25", "-f", "h264", "-i", f"file:{directory / 'all.h264'}")
    made("shapes.ts", *raw, "-c", "copy")
    wide = made("uncropped.mp4", *box("320x240"), *X264)
    with_box(wide, directory / "cropped.mp4", aperture(320, 180))
    fields = "tinterlace=interleave_top,format=yuv420p,setfield=tff"
    flagged = ("-flags", "+ilme+ildct", "-x264-params", "tff=1")
    moving = ("-f", "lavfi", "-i", "testsrc2=s=320x240:r=50:d=1,format=yuv420p")
    made("interlaced.mp4", *moving, "-vf", fields, *X264, *flagged)
    made("pixels.mkv", *box("240x240"), "-vf", "setsar=100", *X264)
    made("anamorphic.mkv", *box("720x576"), "-vf", "setsar=64/45", *X264)
    made("dot.mkv", "-f", "lavfi", "-i", "color=c=white:s=1x1:r=25:d=0.4,format=gbrp", *LOSSLESS)
    made("thread.mkv", "-f", "lavfi", "-i", "color=c=white:s=9000x2:r=25:d=0.1,format=yuv420p", *LOSSLESS)


def _turned(directory: Path, made: Maker) -> None:
    made("upright.mp4", *corner(*X264))
    for name, options in TURNED.items():
        made(f"{name}.mp4", *options, "-i", f"file:{directory / 'upright.mp4'}", "-c", "copy")


TURNED = {
    "quarter": ("-display_rotation", "-90"),
    "half": ("-display_rotation", "180"),
    "three quarters": ("-display_rotation", "90"),
    "mirrored": ("-display_hflip",),
    "upside down": ("-display_vflip",),
    "transposed": ("-display_rotation", "-90", "-display_hflip"),
}
MARKS = {
    "upright": (0, 0),
    "quarter": (1, 0),
    "half": (1, 1),
    "three quarters": (0, 1),
    "mirrored": (1, 0),
    "upside down": (0, 1),
    "transposed": (0, 0),
}
"""In which corner the mark is shown: column and row."""


def _colored(directory: Path) -> None:
    for name, (size, options) in COLORED.items():
        patches(directory / name, *options, size=size)
    rgb = ("-bsf:v", "h264_metadata=matrix_coefficients=0:colour_primaries=2:transfer_characteristics=2")
    source = directory / "sd.mkv"
    ffmpeg("-i", f"file:{source}", "-c", "copy", *rgb, f"file:{directory / 'marked as rgb.mkv'}")


def _as(matrix: str, pixels: str, marked: str, span: str = "tv") -> str:
    return f"scale=out_color_matrix={matrix}:out_range={span}:flags=accurate_rnd,format={pixels},setparams={marked}"


SD, HD = (320, 180), (1280, 720)
_UNKNOWN = "colorspace=unknown:color_primaries=unknown:color_trc=unknown:range=unknown"
COLORED: dict[str, tuple[tuple[int, int], Sequence[str]]] = {
    "rgb hd.mkv": (HD, ("-c:v", "libx264rgb", "-crf", "4", "-preset", "ultrafast")),
    "rgb sd.mkv": (SD, ("-pix_fmt", "gbrp10le", *LOSSLESS)),
    "palette.gif": (SD, ()),
    "alpha.mov": (SD, ("-pix_fmt", "argb", "-c:v", "qtrle")),
    "sd.mkv": (SD, ("-vf", _as("bt601", "yuv420p", _UNKNOWN), *X264)),
    "hd.mkv": (HD, ("-vf", _as("bt709", "yuv420p", _UNKNOWN), *X264)),
    "bt709 sd.mkv": (SD, ("-vf", _as("bt709", "yuv420p", "colorspace=bt709:range=tv"), *X264)),
    "bt601 hd.mkv": (HD, ("-vf", _as("bt601", "yuv420p", "colorspace=smpte170m:range=tv"), *X264)),
    "smpte240m.mkv": (HD, ("-vf", _as("smpte240m", "yuv420p", "colorspace=smpte240m:range=tv"), *X264)),
    "bt2020.mkv": (HD, ("-vf", _as("bt2020nc", "yuv420p10le", "colorspace=bt2020nc:range=tv"), *LOSSLESS)),
    "full range.mp4": (SD, ("-vf", _as("bt601", "yuvj420p", "range=pc", "pc"), *X264)),
    "4:4:4.mkv": (SD, ("-vf", _as("bt601", "yuv444p10le", _UNKNOWN), *X264)),
    "4:2:2.mov": (SD, ("-vf", _as("bt601", "yuv422p10le", _UNKNOWN), "-c:v", "prores_ks")),
    "packed.avi": (SD, ("-vf", _as("bt601", "yuyv422", _UNKNOWN), "-c:v", "rawvideo")),
    "photo.avi": (SD, ("-vf", _as("bt601", "yuvj422p", "range=pc", "pc"), "-c:v", "mjpeg", "-q:v", "1")),
}


def _high_range(directory: Path) -> None:
    ramp(directory / "pq1000.mkv", pq(1000), "smpte2084", *MASTERED)
    ramp(directory / "pq.mkv", 1.0, "smpte2084")
    ramp(directory / "hlg.mkv", 1.0, "arib-std-b67")
    hdr10 = directory / "hdr10.mp4"
    ffmpeg("-i", f"file:{directory / 'pq1000.mkv'}", "-c", "copy", "-tag:v", "hvc1", f"file:{hdr10}")
    with_box(hdr10, directory / "dolby81.mp4", dolby_vision(8, 1))


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "pictures", make_inputs)


KINDS = ("stream", "segments", "thumbnail")


@attrs.frozen
class Made:
    """The ways in which a file is shown, with one ffmpeg. The frames of each are read from files in `directory`."""

    programs: Programs
    options: Options
    directory: Path

    def stream(self, path: Path, fmt: str = "mkv", **requested: Any) -> Path:
        plan = choose(
            probed(self.programs, path),
            FORMATS[fmt],
            StreamParams(mode="transcode", **requested),
            self.options.capabilities,
        )
        return self._kept(stream_argv(plan, str(path), options=self.options), f"stream.{fmt}")

    def segments(self, path: Path) -> Path:
        media = probed(self.programs, path)
        rendition = present(media, capabilities=self.options.capabilities).video[0]
        assert isinstance(rendition, VideoRendition)
        assert not rendition.copied
        return self._kept(segment_argv(rendition, 0, media, str(path), self.options), "segments.mp4")

    def thumbnail(self, path: Path, width: int = 3840) -> Path:
        media = probed(self.programs, path)
        assert media.default_video is not None
        argv = thumbnail_argv(media, media.default_video, str(path), 0.08, width, options=self.options)
        return self._kept(argv, "thumbnail.jpg")

    def each(self, path: Path, kinds: Sequence[str] = KINDS) -> dict[str, Path]:
        return {kind: getattr(self, kind)(path) for kind in kinds}

    @property
    def way(self) -> str | None:
        return self.options.capabilities.tone_mapping

    def _kept(self, argv: Sequence[str], name: str) -> Path:
        path = self.directory / name
        path.write_bytes(run(self.programs.ffmpeg, argv))
        return path


@pytest.fixture
def made(programs: Programs, tmp_path: Path) -> Made:
    return Made(programs, Options(threads=1, capabilities=capabilities(programs)), tmp_path)


def stream_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in ffprobe(path)["streams"] if one["codec_type"] == "video")
    return found


def last(path: Path) -> Frame:
    return frames(path)[-1]


def is_square(extent: tuple[int, int]) -> bool:
    width, height = extent
    return height > 0 and abs(width - height) <= 2


def test_a_square_stays_one_when_the_shape_of_the_picture_changes(made: Made, inputs: Path) -> None:
    """In the middle, broadcasts change size, shape and pixel format. No frame is lost."""
    for found in (made.stream(inputs / "shapes.ts"), made.segments(inputs / "shapes.ts")):
        shown = frames(found)
        assert len(shown) == 50
        assert {(one.width, one.height) for one in shown} == {(320, 180)}
        # At a change, two frames of the interpolated chroma and luma may be in between.
        assert [is_square(one.extent()) for one in shown] == [True] * 50


def test_a_crop_of_the_container_is_applied(made: Made, inputs: Path) -> None:
    media = probed(made.programs, inputs / "cropped.mp4")
    stream = media.default_video
    assert stream is not None
    if stream.crop == Crop():
        assert made.programs.name == "debian", "ffprobe before 7.1 does not say what is cropped"
        return
    for name, found in made.each(inputs / "cropped.mp4").items():
        frame = last(found)
        assert (frame.width, frame.height) == (320, 180), name
        assert is_square(frame.extent()), name


def test_ours_crops_where_ffmpeg_does_not(made: Made, inputs: Path) -> None:
    """ffmpeg before 7.1, with a newer ffprobe."""
    media = probed(made.programs, inputs / "uncropped.mp4")
    (stream,) = media.video
    cropped = attrs.evolve(stream, height=180, crop=Crop(top=30, bottom=30))
    argv = thumbnail_argv(media, cropped, str(inputs / "uncropped.mp4"), 0.08, 320, options=made.options)
    path = made.directory / "cropped.jpg"
    path.write_bytes(run(made.programs.ffmpeg, argv))
    assert (last(path).width, last(path).height) == (320, 180)
    assert is_square(last(path).extent())


@pytest.mark.parametrize(("programs", "name"), by_turns([*MARKS]), indirect=["programs"], scope="module")
def test_each_picture_is_upright(made: Made, inputs: Path, name: str) -> None:
    column, row = MARKS[name]
    for kind, found in made.each(inputs / f"{name}.mp4").items():
        frame = last(found)
        assert (frame.width > frame.height) == (name in {"upright", "half", "mirrored", "upside down"}), kind
        for x in (0, 1):
            for y in (0, 1):
                red, green, _ = frame.at(0.1 + 0.8 * x, 0.1 + 0.8 * y)
                assert (red - green > 80) == ((x, y) == (column, row)), (kind, x, y)
        assert not stream_of(found).get("side_data_list"), "a player would turn it again"


@pytest.mark.parametrize(
    ("programs", "name"), by_turns([*COLORED, "marked as rgb.mkv"]), indirect=["programs"], scope="module"
)
def test_colours_are_those_of_the_file(made: Made, inputs: Path, name: str) -> None:
    """Read with the matrix that the result is marked with; a thumbnail as JPEG is always read."""
    for kind, found in made.each(inputs / name).items():
        assert patch_error(last(found)) < 8, kind
        stream = stream_of(found)
        if kind != "thumbnail":
            assert stream["color_range"] == "tv", kind
            assert stream["color_space"] in {"bt709", "smpte170m", "bt470bg"}, kind
            assert (stream["color_space"] == "bt709") == (
                ("hd" in name and "601" not in name) or "709" in name or name in {"smpte240m.mkv", "bt2020.mkv"}
            ), kind
            assert {"color_primaries", "color_transfer"} <= set(stream), kind


def test_webm_says_what_its_colours_are(made: Made, inputs: Path) -> None:
    found = made.stream(inputs / "rgb hd.mkv", "webm")
    assert patch_error(last(found)) < 8
    assert stream_of(found)["color_space"] == "bt709"


def combs(frame: Frame) -> float:
    """How much each row differs from those above and below it, in the mean."""
    green = frame.data[1::3]
    rows = [green[at : at + frame.width] for at in range(0, len(green), frame.width)]
    between = [
        abs(2 * here - above - below)
        for upper, row, lower in zip(rows, rows[1:], rows[2:], strict=False)
        for above, here, below in zip(upper, row, lower, strict=True)
    ]
    return sum(between) / len(between)


def test_interlaced_video_has_no_combs(made: Made, inputs: Path) -> None:
    source = combs(frames(inputs / "interlaced.mp4")[3])
    for kind, found in made.each(inputs / "interlaced.mp4").items():
        assert combs(frames(found)[3 if kind != "thumbnail" else 0]) < 0.65 * source, kind
    assert len(frames(made.stream(inputs / "interlaced.mp4"))) == 25


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("pixels.mkv", (240, 240)),
        ("anamorphic.mkv", (1024, 576)),
        ("dot.mkv", (2, 2)),
        ("thread.mkv", (4500, 2)),
    ],
)
def test_odd_shapes_are_bounded_and_square(made: Made, inputs: Path, name: str, size: tuple[int, int]) -> None:
    for kind, found in made.each(inputs / name).items():
        stream = stream_of(found)
        if kind != "thumbnail" or size[0] <= 3840:
            assert (stream["width"], stream["height"]) == size, kind
        assert stream.get("sample_aspect_ratio", "1:1") in {"1:1", "0:1"}
        assert last(found).at(0.5, 0.5)[0] > 180


def means(frame: Frame) -> list[float]:
    """The mean brightness of each column. Dithering changes single pixels."""
    green = frame.data[1::3]
    return [sum(green[x :: frame.width]) / frame.height for x in range(frame.width)]


@pytest.mark.parametrize("name", ["pq1000.mkv", "pq.mkv", "hlg.mkv", "dolby81.mp4"])
def test_hdr_keeps_its_order_up_to_its_brightest(made: Made, inputs: Path, name: str) -> None:
    """What is brighter in the source is brighter: nothing is white already but the brightest."""
    if made.way is None:
        pytest.skip("this ffmpeg has no way from HDR")
    # The scaler computes its tables for seconds at each start. All three have the same graph.
    kinds = {"pq.mkv": KINDS[1:2], "hlg.mkv": KINDS[2:]}.get(name, KINDS[:1])
    for kind, found in made.each(inputs / name, kinds if made.way == "scale" else KINDS).items():
        shown = means(last(found))
        # A step of the ramp is less than a step of 8 bits, and JPEG has noise of its own.
        coarse = [sum(shown[at : at + 16]) / 16 for at in range(0, 512, 16)]
        assert all(after > before + 0.5 for before, after in pairwise(coarse[1:])), (kind, coarse)
        assert coarse[0] < 12, kind
        assert shown[-1] > 235, kind
        stream = stream_of(found)
        if kind != "thumbnail":
            assert {stream[f"color_{one}"] for one in ("space", "transfer", "primaries")} == {"bt709"}, kind
            assert stream["pix_fmt"] == "yuv420p"
            assert not stream.get("side_data_list"), "a player would take it for HDR"


def levels(found: Path, brightest: float) -> dict[int, float]:
    """The brightness of some luminances, in cd/m²."""
    shown = means(last(found))
    return {nits: shown[round(511 * pq(nits) / brightest)] for nits in (10, 26, 100, 203, 400, 800)}


def test_hdr_is_neither_too_dark_nor_too_bright(made: Made, inputs: Path) -> None:
    """The level of faces (26 to 100 cd/m²) is in the middle, and that of paper (203) is no white yet."""
    if made.way is None:
        pytest.skip("this ffmpeg has no way from HDR")
    found = levels(made.stream(inputs / "pq1000.mkv"), pq(1000))
    expected = {10: 62, 26: 88, 100: 142, 203: 175, 400: 208, 800: 243}
    assert all(abs(found[nits] - value) <= 14 for nits, value in expected.items()), found


def test_the_ways_from_hdr_agree(programs: Programs, inputs: Path, tmp_path: Path) -> None:
    """zscale and libplacebo show what the scaler shows, whose curve is that of libplacebo. libplacebo draws on any device here."""
    listed = subprocess.run([programs.ffmpeg, "-hide_banner", "-filters"], capture_output=True, check=True).stdout
    device = ("-init_hw_device", "vulkan=gpu", "-filter_hw_device", "gpu")
    found = {}
    for way in ("libplacebo", "zscale", "scale"):
        before = device if way == "libplacebo" else ()
        graph = ",".join(tone_mapping_filters(way, 512, 64, 1000.0))
        path = tmp_path / f"{way}.mkv"
        command = [programs.ffmpeg, "-v", "error", "-y", *before, "-i", str(inputs / "pq1000.mkv"), "-vf", graph]
        done = subprocess.run([*command, "-frames:v", "1", *LOSSLESS, str(path)], capture_output=True, check=False)
        if done.returncode == 0:
            found[way] = levels(path, pq(1000))
        else:
            assert way == "libplacebo" or f" {way} ".encode() not in listed or way == "scale", done.stderr
    assert found or programs.name == "debian"
    for one in found.values():
        for other in found.values():
            assert all(abs(one[nits] - other[nits]) <= 16 for nits in one), found
