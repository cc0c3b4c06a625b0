"""Bitstream filters of copied video, so that damage in a file costs the damaged packets and not the rest of the stream.

A muxer of ffmpeg converts packets to the form of its container, by a filter that it inserts itself or by code of its own. If a
packet is damaged so that it cannot be converted, that is an error of the muxer, and ffmpeg ends. The same filter, named in the
arguments, runs before the muxer: there ffmpeg reports the error, drops the packet and goes on (unless `-xerror` is set). The
packets that pass it need no more conversion.
"""

from collections.abc import Mapping, Sequence

_ANNEX_B: Mapping[str, str] = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}
"""From lengths of NAL units to start codes. What has start codes already passes unchanged."""

_VP9 = "vp9_metadata,vp9_superframe"
"""The second filter joins frames that are not shown to those that are, which no container of ours has apart. It takes what is no
frame at all for one that is not shown, and never recovers from eight of them: the first one, which changes nothing, drops them."""

_AV1 = "filter_units=remove_types=15"
"""These containers store AV1 without temporal delimiters, and their muxers remove them: they must be able to tell the units (OBUs) of
a packet from each other, as this filter must. It removes padding (type 15), which decoders ignore."""

_FILTERS: Mapping[str, Mapping[str, str]] = {
    "mpegts": _ANNEX_B,
    "mp4": {"av1": _AV1, "vp9": _VP9},
    "webm": {"av1": _AV1, "vp9": _VP9},
    "matroska": {"av1": _AV1, "vp9": _VP9},
}


def copy_filters(muxer: str, codec: str) -> Sequence[str]:
    """The filter that video of this codec needs in this muxer, if there is one. All by ffmpeg's names."""
    name = _FILTERS.get(muxer, {}).get(codec)
    return () if name is None else (name,)
