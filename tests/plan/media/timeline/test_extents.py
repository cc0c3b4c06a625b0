"""Where the tracks of a file have packets."""

import attrs
import pytest

from tests.plan.examples import MEDIA
from transcoded.plan.media.timeline.extents import precedes_video


@pytest.mark.parametrize(("place", "precedes"), [(0.0, True), (4.99, True), (5.0, False), (9.0, False)])
def test_before_the_first_video_there_is_no_keyframe_to_seek_to(place: float, *, precedes: bool) -> None:
    """ffmpeg would go on to the first one, and pass over the audio that is asked for."""
    (video,) = MEDIA.video
    late = attrs.evolve(MEDIA, start_time=100.0, video=(attrs.evolve(video, start_time=105.0),))
    assert precedes_video(late, place) is precedes
    assert not precedes_video(attrs.evolve(late, video=()), place)
