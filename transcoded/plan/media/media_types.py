"""The suffixes of media files, and their media types: one table for listings, for direct play and for the documents.

The table is by the demuxers that ffmpeg may use (`whitelist`): each has the suffixes of the files that it opens by their content.
A child process gets a file without its name, so a demuxer that goes by the name alone (`aptx`, `sbc`) has none; `WITHOUT_SUFFIX`
says why others have none. The demuxer plays no other role: what is in a file decides how it is opened.

Media types are those of the IANA registry (https://www.iana.org/assignments/media-types), from the RFC in the comment where there
is one; else what servers and players have agreed on, or `x-` and the name. Types of RTP payloads (`video/h264`) are in the registry
for raw streams of the same codec.

No type here is a document: a browser would run it as a page of this origin, with the rights of who opened it. HTML and SVG are
documents. So the machine's own table of types is not used.
"""

import os
from collections.abc import Mapping

MEDIA: Mapping[str, Mapping[str, str]] = {
    # Containers of video.
    "mov,mp4,m4a,3gp,3g2,mj2": {
        # RFC 4337
        "video/mp4": ".mp4 .m4v .mp4v .f4v .f4p .ismv",
        "audio/mp4": ".m4a .m4b .m4r .f4a .f4b .isma .alac",
        "video/quicktime": ".mov .qt",
        "video/3gpp": ".3gp .3gpp",  # RFC 3839
        "video/3gpp2": ".3g2 .3gp2 .3gpp2",  # RFC 4393
        "video/mj2": ".mj2 .mjp2",  # RFC 3745
    },
    "matroska,webm": {
        # RFC 9559 has registered video/matroska; players know the older name.
        "video/x-matroska": ".mkv .mk3d",
        "audio/x-matroska": ".mka",
        "video/webm": ".webm",
        "audio/webm": ".weba",
    },
    "mpegts": {"video/mp2t": ".ts .tp .trp .mts .m2t .m2ts .tod .rec"},  # RFC 3555
    "mpeg": {"video/mpeg": ".mpg .mpeg .mpe .mp2p .m2p .ps .vob .vro .evo .mod"},  # RFC 2045
    "mpegvideo": {"video/mpeg": ".m1v .m2v .mpv .mp2v .mpv2"},
    "avi": {"video/x-msvideo": ".avi .divx .xvid .amv"},
    "asf": {
        "video/x-ms-asf": ".asf",
        "video/x-ms-wmv": ".wmv",
        "video/x-ms-wm": ".wm",
        "video/x-ms-dvr": ".dvr-ms",
        "audio/x-ms-wma": ".wma",
    },
    "wtv": {"video/x-ms-wtv": ".wtv"},
    "flv": {"video/x-flv": ".flv"},
    "kux": {"video/x-flv": ".kux"},
    "ogg": {
        # RFC 5334
        "video/ogg": ".ogv .ogm",
        "audio/ogg": ".ogg .oga .oggs .opus .spx",
        "application/ogg": ".ogx",
    },
    "rm": {
        "application/vnd.rn-realmedia": ".rm",
        "application/vnd.rn-realmedia-vbr": ".rmvb",
        "audio/vnd.rn-realaudio": ".ra",
    },
    "ivr": {"application/vnd.rn-realmedia": ".ivr"},
    "mxf": {"application/mxf": ".mxf"},  # RFC 4539
    "gxf": {"application/gxf": ".gxf"},
    "lxf": {"video/x-lxf": ".lxf"},
    "nut": {"video/x-nut": ".nut"},
    "nsv": {"video/x-nsv": ".nsv"},
    "pva": {"video/x-pva": ".pva"},
    "ty": {"video/x-ty": ".ty .ty+"},
    "vivo": {"video/vnd.vivo": ".viv"},
    "dv": {"video/x-dv": ".dv .dif"},
    "dhav": {"video/x-dhav": ".dav"},
    "cine": {"video/x-cine": ".cine"},
    "ser": {"video/x-ser": ".ser"},
    "ivf": {"video/x-ivf": ".ivf"},
    "yuv4mpegpipe": {"video/x-yuv4mpeg": ".y4m"},
    "gif": {"image/gif": ".gif"},
    # Video without a container.
    "h264": {"video/h264": ".h264 .264 .avc .h26l"},  # RFC 6184
    "hevc": {"video/h265": ".hevc .h265 .265"},  # RFC 7798
    "vvc": {"video/h266": ".vvc .h266 .266"},  # RFC 9328
    "h261": {"video/h261": ".h261"},  # RFC 4587
    "h263": {"video/h263": ".h263"},  # RFC 3555
    "obu": {"video/av1": ".obu"},
    "vc1": {"video/vc1": ".vc1"},  # RFC 4425
    "vc1test": {"video/vc1": ".rcv"},
    "dirac": {"video/x-dirac": ".drc"},
    "dnxhd": {"video/x-dnxhd": ".dnxhd .dnxhr"},
    "avs3": {"video/x-avs3": ".avs3"},
    "avs2": {"video/x-avs2": ".avs2"},
    "evc": {"video/x-evc": ".evc"},
    # Audio.
    "mp3": {"audio/mpeg": ".mp3 .mp2 .mp1 .mpa .m1a .m2a"},  # RFC 3003
    "aac": {"audio/aac": ".aac .adts"},
    "loas": {"audio/mp4a-latm": ".loas .latm"},  # RFC 6416
    "ac3": {"audio/ac3": ".ac3"},  # RFC 4184
    "eac3": {"audio/eac3": ".eac3 .ec3"},  # RFC 4598
    "dts": {"audio/vnd.dts": ".dts"},
    "dtshd": {"audio/vnd.dts.hd": ".dtshd .dtsma"},
    "truehd": {"audio/vnd.dolby.mlp": ".thd .truehd"},
    "mlp": {"audio/vnd.dolby.mlp": ".mlp"},
    "iamf": {"audio/x-iamf": ".iamf"},
    "flac": {"audio/flac": ".flac"},  # RFC 9639
    "wav": {"audio/wav": ".wav .wave .bwf .rf64 .at3 .at9"},
    "w64": {"audio/x-w64": ".w64"},
    "aiff": {"audio/aiff": ".aif .aiff .aifc .afc"},
    "caf": {"audio/x-caf": ".caf .caff"},
    "au": {"audio/basic": ".au .snd"},  # RFC 2046
    "voc": {"audio/x-voc": ".voc"},
    "iff": {"audio/x-dff": ".dff", "audio/x-8svx": ".8svx .16sv"},
    "dsf": {"audio/x-dsf": ".dsf"},
    "wsd": {"audio/x-wsd": ".wsd"},
    "ape": {"audio/x-ape": ".ape .mac"},
    "wv": {"audio/x-wavpack": ".wv"},
    "tta": {"audio/x-tta": ".tta"},
    "tak": {"audio/x-tak": ".tak"},
    "shn": {"audio/x-shorten": ".shn"},
    "mpc": {"audio/x-musepack": ".mpc .mp+"},
    "oma": {"audio/x-oma": ".oma .omg .aa3"},
    "aea": {"audio/x-aea": ".aea"},
    "aa": {"audio/audible": ".aa"},
    "qoa": {"audio/x-qoa": ".qoa"},
    "vqf": {"audio/x-twinvq": ".vqf .vql .vqe"},
    "xwma": {"audio/x-xwma": ".xwma"},
    "amr": {"audio/amr": ".amr", "audio/amr-wb": ".awb"},  # RFC 4867
    "qcp": {"audio/qcelp": ".qcp"},  # RFC 3625
    "sox": {"audio/x-sox": ".sox"},
    "nistsphere": {"audio/x-nist": ".sph .nist"},
    "ircam": {"audio/x-ircam": ".ircam"},
}
"""By demuxer, as `whitelist.CONTAINERS` names it: the suffixes of each media type. Listings show these files."""

WITHOUT_SUFFIX: Mapping[str, str] = {
    "ac4": "nothing decodes it",
    "amrnb": "raw frames, which the demuxer knows by their suffix only",
    "amrwb": "raw frames, which the demuxer knows by their suffix only",
    "aptx": "known by its suffix only",
    "aptx_hd": "known by its suffix only",
    "asf_o": "another demuxer for asf",
    "av1": "annex B of AV1, for which there is no suffix",
    "cavsvideo": "its suffix, .avs, is that of AviSynth scripts",
    "live_flv": "another demuxer for flv",
    "lmlm4": "has no suffix of its own",
    "lvf": "one surveillance camera, whose suffix means other things",
    "m4v": "raw MPEG-4 video; its suffix is that of a container",
    "mjpeg": "taken for a single picture where its suffix is not known",
    "mjpeg_2000": "known by its suffix only",
    "mpc8": "has the suffix of mpc",
    "sbc": "known by its suffix only",
    "spdif": "has no suffix",
    "swf": "a program, of which at most parts are media",
}
"""Demuxers for which a listing shows no file, and why."""

OTHERS: Mapping[str, str] = {
    "image/avif": ".avif",
    "image/bmp": ".bmp",
    "image/jpeg": ".jpg .jpeg",
    "image/png": ".png",
    "image/webp": ".webp",
    "application/x-subrip": ".srt",
    "text/vtt": ".vtt",
    "text/x-ssa": ".ass .ssa",
}
"""Raster images and text tracks: listings do not show them, direct play knows them."""

DOWNLOAD = "application/octet-stream"
"""The media type of all other files. They are sent as attachments, which a browser stores and does not show."""

_MEDIA_TYPES = {
    suffix: media_type
    for types in MEDIA.values()
    for media_type, suffixes in types.items()
    for suffix in suffixes.split()
}
_TYPES = {
    **_MEDIA_TYPES,
    **{suffix: media_type for media_type, suffixes in OTHERS.items() for suffix in suffixes.split()},
}


def is_media(name: str) -> bool:
    """Whether a listing shows a file of this name."""
    return _suffix(name) in _MEDIA_TYPES


def media_type(name: str) -> str:
    """The media type for the suffix of a file's name or path; `DOWNLOAD` if it is not in the table."""
    return _TYPES.get(_suffix(name), DOWNLOAD)


def suffixes_by_type() -> Mapping[str, list[str]]:
    """All suffixes of each media type but `DOWNLOAD`, both in alphabetical order. For the documents."""
    found: dict[str, list[str]] = {}
    for suffix, its_type in sorted(_TYPES.items()):
        found.setdefault(its_type, []).append(suffix)
    return dict(sorted(found.items()))


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()
