"""Which tracks have packets where a stream begins. A muxer waits for each of its tracks, and would wait for one that has none; a seek goes by one of them."""

from transcoded.plan.media.probe import AudioStream, Media, VideoStream

_COUNTS_USED_STREAMS = frozenset({"mpegts", "mpeg", "ogg", "wtv"})
"""Demuxers for which ffmpeg takes the earliest of the streams that are in use for the beginning of the file."""

NEAR = 2.0
"""Seconds behind the beginning of a stream in which a packet of each track should come."""


def is_elsewhere(media: Media, stream: AudioStream, start: float) -> bool:
    """Whether the first packets of this audio may be far behind `start` (in seconds after the container's start), or missing.

    Then it is read by an input of its own, which passes the video on its way without decoding it. That finds the audio, or its
    end, within the time that it takes to read the file, and the video does not wait for it.
    """
    if media.default_video is None:
        return False
    # Where the clock begins anew, ffmpeg corrects it once for all streams of an input. Around a joint they are mixed, and it would be corrected twice.
    if media.restarts or not stream.seen:
        return True
    if not start:
        return False
    return stream.duration is None or begins_late(media, stream) + stream.duration < start + NEAR


def precedes_video(media: Media, place: float) -> bool:
    """Whether the video begins only behind a place, in seconds after the container's start. Then reading must begin at 0.

    ffmpeg seeks for all streams of a file to a keyframe of its first video. Before that there is none, so it would go to the first, and pass
    over the audio on its way.
    """
    return bool(media.video) and place < begins_late(media, media.video[0])


def begins_late(media: Media, stream: AudioStream | VideoStream) -> float:
    """By how many seconds a stream begins later than its file."""
    return 0.0 if stream.start_time is None else max(0.0, stream.start_time - media.start_time)


def has_moving_zero(media: Media) -> bool:
    """Whether 0 is another time for two inputs of which different streams are used, so that they must be told what it is."""
    return not _COUNTS_USED_STREAMS.isdisjoint(media.container.split(","))
