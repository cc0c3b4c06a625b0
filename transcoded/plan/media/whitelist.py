"""What ffmpeg and ffprobe may open: protocols and demuxers. A file that is no media file can then name no other file.

Playlists and scripts can be disguised as media (docs/security.md), so demuxers are allowed one by one. `codec_whitelist` says
what may be decoded.
"""

CONTAINERS = (
    "aa aac ac3 ac4 aea aiff amr amrnb amrwb ape aptx aptx_hd asf asf_o au av1 avi avs2 avs3 caf cavsvideo cine dhav "
    "dirac dnxhd dsf dts dtshd dv eac3 evc flac flv gif gxf h261 h263 h264 hevc iamf iff ircam ivf ivr kux live_flv "
    "lmlm4 loas lvf lxf m4v matroska,webm mjpeg mjpeg_2000 mlp mov,mp4,m4a,3gp,3g2,mj2 mp3 mpc mpc8 mpeg mpegts mpegvideo "
    "mxf nistsphere nsv nut obu ogg oma pva qcp qoa rm sbc ser shn sox spdif swf tak truehd tta ty vc1 vc1test vivo voc vqf "
    "vvc w64 wav wsd wtv wv xwma yuv4mpegpipe"
).split()
"""Demuxers for `-format_whitelist`: self-contained media, with codecs that may be decoded.

Not allowed are

* playlists and scripts that name other files (hls, dash, concat, sdp, imf);
* demuxers that open files beside the one they were given (mlv opens its parts `.M00`, `.M01`, …; vobsub its `.sub`). Of those in
  this list, only mov can do it, and not unless its options `enable_drefs` and `use_absolute_path` are set;
* devices, single images and image sequences, subtitle files, and text that is drawn (tty, idf, bin, xbin, adf);
* the formats of games, whose codecs are not allowed either.
"""

FORMAT_WHITELIST = ",".join(CONTAINERS)
PROTOCOL_WHITELIST = "file"
