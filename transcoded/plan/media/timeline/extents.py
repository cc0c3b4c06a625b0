"""Which tracks have packets where a stream begins. A muxer waits for each of its tracks, and would wait for one that has none."""

from transcoded.plan.media.probe import AudioStream, Media

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
    begins = max(0.0, (stream.start_time or media.start_time) - media.start_time)
    return stream.duration is None or begins + stream.duration < start + NEAR
