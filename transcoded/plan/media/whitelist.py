"""What ffmpeg and ffprobe may open: protocols and demuxers. A file that is no media file can then name no other file.

Playlists and scripts can be disguised as media (docs/security.md), so demuxers are allowed one by one.
"""

CONTAINERS = (
    "3dostr 4xm aa aac ac3 ac4 aea aiff alp amr amrnb amrwb apac ape apm aptx asf asf_o ast au av1 avi avs avs2 "
    "avs3 bethsoftvid bfi bfstm bink binka boa bonk brstm c93 caf cavsvideo cdxl cine dfpwm dhav dirac dnxhd dsf "
    "dsicin dts dtshd dv dxa ea eac3 evc film_cpk filmstrip flac flic flv fsb gdv genh gif gxf h261 h263 h264 hca "
    "hcom hevc hnm iamf ico idcin idf iff ifv ircam iss iv8 ivf jv kux kvag laf lc3 live_flv lmlm4 loas luodat lvf "
    "lxf m4v matroska,webm mca mgsts mjpeg mjpeg_2000 mlp mlv mm mmf mods moflex mov,mp4,m4a,3gp,3g2,mj2 mp3 mpc "
    "mpc8 mpeg mpegts mpegvideo msf mtaf mtv musx mv mvi mxf mxg nc nistsphere nsp nsv nut nuv obu ogg oma osq paf "
    "pmp pva pvf qcp qoa r3d rka rl2 rm roq rpl rsd rso sbc sdns sdr2 sds sdx ser shn siff sln smjpeg smk smush sol "
    "sox spdif svag svs swf tak thp tiertexseq tmv truehd tta ty usm vag vc1 vc1test vividas vivo vmd voc vqf vvc "
    "w64 wady wav wavarc wc3movie wsaud wsd wsvqa wtv wv wve xa xmv xvag xwma yop yuv4mpegpipe"
).split()
"""Demuxers for `-format_whitelist`: self-contained media. Not allowed are playlists and scripts that name other files
(hls, dash, concat, sdp, imf), devices, single images and image sequences, subtitle files and text."""

FORMAT_WHITELIST = ",".join(CONTAINERS)
PROTOCOL_WHITELIST = "file,pipe"
