"""What ffmpeg and ffprobe may decode: decoders, by the names of `ffmpeg -decoders`, for the option `-codec_whitelist`.

Each decoder parses bytes that a stranger wrote, in C. ffmpeg has about 500 of them. Most read one format of one old game or
program, are tested by nobody but fuzzers, and are where most of the memory errors are found. Allowed are the decoders for what
people have in a library: discs, broadcasts, downloads, cameras, phones, editing and screen recording, and the music formats of
the last decades. A decoder that is not there in one build of ffmpeg does no harm.

Not allowed, among others: the video and sound of games (Bink, Smacker, RoQ, …), text that is drawn as pictures (ansi, bintext,
idf, xbin), pictures that no media file contains (psd, exr, dds, …), and lossless codecs of one screen recorder.

ffprobe opens a decoder for each stream of a file, and refuses the whole file if it may not open one of them. A song must not become
unplayable because its cover is a Targa image (APEv2 tags, for example, name covers as files). So ffprobe may also open
`PICTURES_THAT_ARE_NOT_DECODED`: it then tells the codec of the stream, but no byte of the picture is decoded.
"""

_VIDEO = (
    # Standards of discs, broadcasts and the web.
    "av1 libdav1d libaom-av1 cavs libdavs2 libuavs3d dirac evc libxevd h261 h263 h263i h263p h264 hevc mpeg1video "
    "mpeg2video mpeg4 mpegvideo theora vc1 vp3 vp4 vp5 vp6 vp6a vp6f vp7 vp8 libvpx vp9 libvpx-vp9 vvc libvvdec "
    # Windows Media, DivX, RealVideo, QuickTime, Flash, and the codecs of old AVI files.
    "cinepak flv flashsv flashsv2 indeo2 indeo3 indeo4 indeo5 msmpeg4 msmpeg4v1 msmpeg4v2 msrle msvideo1 mss1 mss2 8bps "
    "qtrle rpza rv10 rv20 rv30 rv40 rv60 smc svq1 svq3 vc1image wmv1 wmv2 wmv3 wmv3image "
    # Cameras, editing, archives and screen recording.
    "aic amv apv asv1 asv2 avrp avui ayuv camstudio camtasia cfhd cllc dnxhd dvvideo dxtory ffv1 ffvhuff fraps hap hq_hqa hqx huffyuv "
    "jpeg2000 libopenjpeg lagarith magicyuv mjpeg mjpegb notchlc pixlet prores prores_raw r10k r210 rawvideo sheervideo sp5x speedhq tscc2 "
    "utvideo v210 v210x v308 v408 v410 y41p yuv4 zmbv"
).split()

_HARDWARE = tuple(
    f"{codec}_{engine}"
    for engine in ("amf", "cuvid", "mediacodec", "qsv", "rkmpp", "v4l2m2m")
    for codec in ("av1", "h263", "h264", "hevc", "mjpeg", "mpeg1", "mpeg2", "mpeg4", "vc1", "vp8", "vp9", "vvc")
)
"""The same codecs in hardware, which an operator chooses with `input_args`."""

_PICTURES = ("bmp", "gif", "png", "tiff", "webp")
"""Covers, beside mjpeg."""

_PCM = tuple(
    f"pcm_{name}"
    for name in (
        "alaw bluray dvd f16le f24le f32be f32le f64be f64le lxf mulaw s16be s16be_planar s16le s16le_planar s24be s24daud "
        "s24le s24le_planar s32be s32le s32le_planar s64be s64le s8 s8_planar u16be u16le u24be u24le u32be u32le u8"
    ).split()
)

_AUDIO = (
    # Discs, broadcasts, the web and phones.
    "aac aac_fixed aac_latm libfdk_aac ac3 ac3_fixed amrnb libopencore_amrnb amrwb libopencore_amrwb dca dolby_e eac3 mlp mp1 "
    "mp1float mp2 mp2float mp3 mp3adu mp3adufloat mp3float mp3on4 mp3on4float opus libopus qcelp s302m truehd vorbis libvorbis "
    # Music, also without loss.
    "alac als ape atrac1 atrac3 atrac3al atrac3plus atrac3plusal atrac9 dsd_lsbf dsd_lsbf_planar dsd_msbf dsd_msbf_planar dst "
    "flac mpc7 mpc8 qoa shorten tak tta twinvq wavpack "
    # Windows Media, RealAudio, QuickTime and Flash.
    "cook mace3 mace6 nellymoser qdm2 qdmc ralf real_144 real_288 sipr wmalossless wmapro wmav1 wmav2 wmavoice "
    # Speech, telephones, wireless links; the ADPCM of WAV, AVI, MOV and FLV.
    "adpcm_ct adpcm_ima_amv adpcm_ima_dk3 adpcm_ima_dk4 adpcm_ima_qt adpcm_ima_wav adpcm_ms adpcm_swf adpcm_yamaha aptx aptx_hd dvaudio evrc g722 g723_1 g726 g726le g728 "
    "g729 gsm libgsm gsm_ms libgsm_ms ilbc libilbc sbc speex libspeex truespeech"
).split()

_SUBTITLES = (
    "ass cc_dec dvbsub dvdsub libaribb24 libaribcaption libzvbi_teletextdec mov_text pgssub srt ssa subrip text webvtt xsub"
).split()

DECODERS = (*_VIDEO, *_HARDWARE, *_PICTURES, *_PCM, *_AUDIO, *_SUBTITLES)
CODEC_WHITELIST = ",".join(DECODERS)

PICTURES_THAT_ARE_NOT_DECODED = frozenset(
    "alias_pix apng brender_pix cri dds dpx exr fits gem hdr jpegls jpegxl jpegxl_anim libjxl libjxl_anim librsvg pam pbm pcx pfm "
    "pgm pgmyuv pgx phm photocd pictor ppm psd ptx qdraw qoi sgi sunrast svg targa txd vbn wbmp xbm xface xpm xwd".split()
)
"""Decoders of single pictures that ffprobe may open, and neither ffprobe nor ffmpeg may use. `ffprobe.decode` leaves such streams out.

The names of the codecs are among them, where they differ from those of the decoders (svg, jpegxl).
"""

OPENED_BY_FFPROBE = ",".join((*DECODERS, *sorted(PICTURES_THAT_ARE_NOT_DECODED)))
"""For video streams of `-codec_whitelist`, beside `CODEC_WHITELIST` for the container, which says what is decoded."""
