"""Which chain makes the segments of one rendition now, and what follows from how it does: failures, speed, slots and the share of the CPUs."""

from transcoded.plan.cmaf.governor import is_too_slow
from transcoded.plan.cmaf.renditions import VideoRendition
from transcoded.plan.endings import Ending
from transcoded.plan.media.engine_health import Shape
from transcoded.plan.media.hardware import SOFTWARE, Chain
from transcoded.run.segments.encoder import EncoderFactory, Source
from transcoded.run.streams.fallbacks import Fallbacks

SLOW = 3
"""Segments in a row that hardware makes more slowly than they are watched, before another chain goes on."""


class ChainChoice:
    """That of one rendition. Audio and copies have no choice."""

    def __init__(self, source: Source, encoders: EncoderFactory) -> None:
        self._encoders = encoders
        self._path = source.file.path
        rendition = source.rendition
        self._video = rendition if isinstance(rendition, VideoRendition) and encoders.fallbacks is not None else None
        # Those that have failed since a segment was made.
        self._failed: dict[Chain, Ending] = {}
        self._slow_in_a_row = 0

    def now(self) -> Chain:
        """The chain for the next encoder."""
        return SOFTWARE if self._video is None else self._encoders.chain_for(self._video, self._failed)

    def slots(self) -> int | None:
        """The slots of the next encoder; None: no hardware has a part in it."""
        chain = self.now()
        return None if self._video is None or chain.is_software else self._encoders.slots_for(self._video, chain)

    def share(self, chain: Chain | None) -> float | None:
        """The part of all CPUs that it takes as long as it is watched; None: no hardware has a part in it. `chain` is that of the encoder that runs."""
        chain = chain or self.now()
        return None if self._video is None or chain.is_software else self._encoders.share_for(self._video, chain)

    def has_failed(self, chain: Chain, ending: Ending) -> bool:
        """An encoder has ended with an error. Returns whether the next chain is to make what it should have made."""
        if Fallbacks.is_failure(chain, ending):
            self._failed[chain] = ending
            return True
        # Software has failed, too: it was the file.
        self._failed.clear()
        return False

    def made(self, chain: Chain) -> None:
        """A chain has made a segment. So the others have failed that had the same to do."""
        fallbacks = self._encoders.fallbacks
        if self._video is None or fallbacks is None:
            return
        for failed, ending in self._failed.items():
            fallbacks.fell_back(self._path, ending, self._shape(self._video), failed, chain)
        self._failed.clear()
        fallbacks.health.worked(chain, self._shape(self._video))

    def is_too_slow(self, chain: Chain, pace: float | None, film_seconds: float) -> bool:
        """Whether hardware does not keep up, so that another chain goes on. It has no other preset. For `pace` see `governor.is_too_slow`."""
        fallbacks = self._encoders.fallbacks
        self._slow_in_a_row = self._slow_in_a_row + 1 if is_too_slow(pace, film_seconds) else 0
        if self._video is None or fallbacks is None or self._slow_in_a_row < SLOW:
            return False
        self._slow_in_a_row = 0
        fallbacks.too_slow(self._path, chain, self._shape(self._video), film_seconds / (pace or film_seconds))
        return True

    @staticmethod
    def _shape(video: VideoRendition) -> Shape:
        return Shape.of(video.stream, video.burn)
