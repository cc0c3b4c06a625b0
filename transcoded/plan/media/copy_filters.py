"""Bitstream filters of copied video, so that damage in a file costs the damaged packets and not the rest of the stream.

A muxer of ffmpeg converts packets to the form of its container, by a filter that it inserts itself or by code of its own. If a
packet is damaged so that it cannot be converted, that is an error of the muxer, and ffmpeg ends. The same filter, named in the
arguments, runs before the muxer: there ffmpeg reports the error, drops the packet and goes on (unless `-xerror` is set). The
packets that pass it need no more conversion.
"""

from collections.abc import Mapping, Sequence

_ANNEX_B: Mapping[str, str] = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}
"""From lengths of NAL units to start codes. What has start codes already passes unchanged."""

_CLUSTERS: Mapping[str, str] = {
    "vp9": "vp9_superframe",
    # Matroska stores AV1 without temporal delimiters, and its muxer removes them: it must be able to tell the units (OBUs) of a
    # packet from each other, as this filter must. The filter removes padding (type 15), which decoders ignore.
    "av1": "filter_units=remove_types=15",
}

_FILTERS: Mapping[str, Mapping[str, str]] = {"mpegts": _ANNEX_B, "webm": _CLUSTERS, "matroska": _CLUSTERS}


def copy_filters(muxer: str, codec: str) -> Sequence[str]:
    """The filter that video of this codec needs in this muxer, if there is one. All by ffmpeg's names."""
    name = _FILTERS.get(muxer, {}).get(codec)
    return () if name is None else (name,)
