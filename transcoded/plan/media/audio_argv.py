"""The arguments of ffmpeg for the audio of a stream, and for what belongs to a recording: its tags and its cover."""

from collections.abc import Sequence

from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.choose import Plan
from transcoded.plan.media.choose_audio import EncodeAudio
from transcoded.plan.media.packaging import Copy
from transcoded.plan.media.sound import mix_filters, timing_filter
from transcoded.plan.media.tags import COVERS, tag_arguments


def audio_arguments(plan: Plan, file: int = 0, *, trim: bool = False) -> Sequence[str]:
    """Arguments for the audio of a stream: what is copied or encoded, and how.

    It is read from this one of the input files. With `trim` some is read from before the start.
    """
    if plan.audio is None or plan.audio_action is None:
        return ("-an",)
    chosen = ("-map", f"{file}:{plan.audio.index}")
    if isinstance(plan.audio_action, Copy):
        # With copied video, the audio starts at the video's keyframe. Else it starts exactly at the requested time.
        # Without a seek, what comes before it is the decoder's run-up, and is kept.
        seeks = bool(plan.params.start) and not isinstance(plan.video_action, Copy)
        exact = ("-copypriorss:a", "0") if seeks else ()
        filters = plan.audio_action.packaging.filters
        # Older builds of ffmpeg treat Opus, FLAC and other codecs in MP4 as experimental.
        return (*chosen, "-c:a", "copy", *(("-bsf:a", ",".join(filters)) if filters else ()), *exact, "-strict", "-2")
    return (*chosen, *_encoding(plan.audio_action, plan, trim=trim))


def _encoding(action: EncodeAudio, plan: Plan, *, trim: bool) -> Sequence[str]:
    """Options of an audio encoder.

    Gaps are filled with silence, and a late start where packets have no time stamps, so that audio and video stay in sync.
    """
    assert plan.audio is not None  # noqa: S101 - the action is that of an audio stream
    encoder = action.encoder
    filters = (
        *(["atrim=start=0"] if trim else []),
        timing_filter(action.sample_rate, from_zero=action.late and not plan.output.timed),
        *mix_filters(plan.audio, action.channels, action.downmix, lossless=encoder.lossless),
    )
    return (
        *("-c:a", encoder.name, *encoder.options, *(("-b:a", str(action.bit_rate)) if action.bit_rate else ())),
        *(("-sample_fmt", action.sample_fmt) if action.sample_fmt else ()),
        *("-filter:a", ",".join(filters)),
    )


def cover_index(plan: Plan, capabilities: Capabilities) -> int | None:
    """The index of the cover that the stream gets: the file's, if the format has covers and it is small enough for a pipe.

    Muxers need its size in pixels, which ffmpeg finds out by decoding it. One that cannot be decoded would break the stream.
    """
    cover, embedded = plan.media.cover, plan.media.embedded_cover
    if cover is None or embedded is None or cover.index != embedded.index or embedded.size > plan.output.max_cover:
        return None
    return cover.index if cover.codec in COVERS & capabilities.decoders else None


def tags_arguments(plan: Plan) -> Sequence[str]:
    """Arguments by which the stream has the tags of its file, as far as the format has them, and no others."""
    audio = plan.audio
    if audio is None or not plan.output.timed:
        return tag_arguments(plan.media.tags if plan.output.tags else (), None, None)
    # Only Matroska names tracks. In Ogg, a stream's title is that of the file.
    title = audio.title if plan.output.tags and plan.media.container != "ogg" else None
    return tag_arguments(plan.media.tags if plan.output.tags else (), audio.language, title)
