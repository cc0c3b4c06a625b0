"""How a storyboard is listed: as WebVTT, as an HLS image playlist, and in a DASH manifest. All name the same sheets.

* WebVTT has a cue for each tile, with its place in the sheet as a media fragment (Media Fragments URI, section 4.2.2).
* HLS has the image media playlist of Roku and Shaka Player (HLS image media playlist specification, 0.4).
* DASH has the tiles of DASH-IF IOP 4.3, section 6.2.6: dash.js and Shaka Player read them.

All URIs are relative and have the mark `QUERY`, as in `hls`. The master playlist and the manifest name the storyboard that is made if
nothing is asked for.
"""

from fractions import Fraction
from xml.etree import ElementTree as ET

from transcoded.plan.cmaf.uris import QUERY, TEMPLATE_QUERY
from transcoded.plan.media.storyboard import Storyboard

VTT = "text/vtt; charset=utf-8"

_TILES = "http://dashif.org/guidelines/thumbnail_tile"
_BITS = 2
"""Bits of a pixel in a sheet: rather too many than too few. What a sheet takes is not known before it is made."""


def storyboard_webvtt(board: Storyboard) -> str:
    """A cue for each tile: the URI of its sheet from /media/{path}/, and where in it the tile is."""
    lines = ["WEBVTT", ""]
    for tile in range(board.tiles):
        sheet, place = divmod(tile, board.per_sheet)
        row, column = divmod(place, board.columns)
        end = min(Fraction((tile + 1) * board.interval), board.duration)
        lines += [
            f"{_clock(Fraction(tile * board.interval))} --> {_clock(end)}",
            f"storyboard/{sheet}.jpg{QUERY}#xywh={column * board.width},{row * board.height},{board.width},{board.height}",
            "",
        ]
    return "\n".join(lines)


def image_stream_tag(board: Storyboard) -> str:
    """The tag of the master playlist that names the image playlist."""
    return (
        f'#EXT-X-IMAGE-STREAM-INF:BANDWIDTH={_bandwidth(board)},CODECS="jpeg",RESOLUTION={board.width}x{board.height},'
        f'URI="storyboard/index.m3u8{QUERY}"'
    )


def image_playlist(board: Storyboard) -> str:
    """The image playlist: all sheets. The last one is as long as the rest of the file."""
    full = board.per_sheet * board.interval
    lines = [
        *("#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{full}", "#EXT-X-MEDIA-SEQUENCE:0"),
        *("#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-IMAGES-ONLY"),
    ]
    layout = f"RESOLUTION={board.width}x{board.height},LAYOUT={board.columns}x{board.rows},DURATION={board.interval}"
    for sheet in range(board.sheets):
        length = min(Fraction(full), board.duration - sheet * full)
        lines += [f"#EXTINF:{float(length):.6f},", f"#EXT-X-TILES:{layout}", f"{sheet}.jpg{QUERY}"]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def add_images(period: ET.Element, board: Storyboard) -> None:
    """Add the AdaptationSet of the sheets to a Period. The schema fixes the order of its children."""
    group = ET.SubElement(period, "AdaptationSet", id=str(len(period)), contentType="image", mimeType="image/jpeg")
    ET.SubElement(
        group,
        "SegmentTemplate",
        timescale="1",
        duration=str(board.per_sheet * board.interval),
        startNumber="0",
        media=f"storyboard/$Number$.jpg{TEMPLATE_QUERY}",
    )
    sheet = ET.SubElement(
        group,
        "Representation",
        id="images",
        bandwidth=str(_bandwidth(board)),
        width=str(board.columns * board.width),
        height=str(board.rows * board.height),
    )
    ET.SubElement(sheet, "EssentialProperty", schemeIdUri=_TILES, value=f"{board.columns}x{board.rows}")


def _bandwidth(board: Storyboard) -> int:
    """Bits per second, if the sheets are loaded as fast as the video is played."""
    return max(1, _BITS * board.width * board.height // board.interval)


def _clock(seconds: Fraction) -> str:
    """A time of WebVTT."""
    milli = round(seconds * 1000)
    return f"{milli // 3_600_000:02}:{milli // 60_000 % 60:02}:{milli // 1000 % 60:02}.{milli % 1000:03}"
