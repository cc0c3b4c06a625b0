"""Which chain makes the segments of one rendition now, and what follows from how it does: failures, speed, slots and the share of the CPUs."""

from transcoded.plan.cmaf.argv import rendition_chains
from transcoded.plan.cmaf.governor import PRESETS, Work, is_too_slow
from transcoded.plan.cmaf.renditions import VideoRendition
from transcoded.plan.endings import Ending
from transcoded.plan.media.engine_health import Shape
from transcoded.plan.media.hardware import SOFTWARE, Chain
from transcoded.plan.policy.admission import TRANSCODE
from transcoded.run.segments.encoder import EncoderFactory, Source
from transcoded.run.streams.fallbacks import Fallbacks

SLOW = 3
"""Segments in a row that hardware makes more slowly than they are watched, before another chain goes on."""


class ChainChoice:
    """That of one rendition. Audio and copies have no choice."""

    def __init__(self, source: Source, encoders: EncoderFactory) -> None:
        self._encoders = encoders
        self._fallbacks = encoders.fallbacks
        self._path = source.file.path
        rendition = source.rendition
        self._video = rendition if isinstance(rendition, VideoRendition) and encoders.fallbacks is not None else None
        # Those that have failed since a segment was made.
        self._failed: dict[Chain, Ending] = {}
        self._slow_in_a_row = 0

    def now(self) -> Chain:
        """The chain for the next encoder."""
        if self._video is None or self._fallbacks is None:
            return SOFTWARE
        found = [one for one in rendition_chains(self._video, self._encoders.options) if one not in self._failed]
        return self._fallbacks.health.usable(found, self._shape(self._video))[0]

    def slots(self) -> int | None:
        """The slots of the next encoder; None: no hardware has a part in it."""
        chain = self.now()
        if self._video is None or chain.is_software:
            return None
        costs = self._encoders.costs
        return TRANSCODE if costs is None else costs.slots(Work.of(self._video, chain.name), PRESETS[0])

    def share(self, chain: Chain | None) -> float | None:
        """The part of all CPUs that it takes as long as it is watched; None: no hardware has a part in it, or nothing is learned. `chain` is that of the encoder that runs."""
        chain = chain or self.now()
        costs = self._encoders.costs
        if self._video is None or chain.is_software or costs is None:
            return None
        return costs.share(Work.of(self._video, chain.name))

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
        if self._video is None or self._fallbacks is None:
            return
        shape = self._shape(self._video)
        for failed, ending in self._failed.items():
            self._fallbacks.fell_back(self._path, ending, shape, failed, chain)
        self._failed.clear()
        self._fallbacks.health.worked(chain, shape)

    def is_too_slow(self, chain: Chain, pace: float | None, film_seconds: float) -> bool:
        """Whether hardware does not keep up, so that another chain goes on. It has no other preset. For `pace` see `governor.is_too_slow`."""
        self._slow_in_a_row = self._slow_in_a_row + 1 if is_too_slow(pace, film_seconds) else 0
        if self._video is None or self._fallbacks is None or self._slow_in_a_row < SLOW:
            return False
        self._slow_in_a_row = 0
        speed = film_seconds / (pace or film_seconds)
        self._fallbacks.too_slow(self._path, chain, self._shape(self._video), speed)
        return True

    @staticmethod
    def _shape(video: VideoRendition) -> Shape:
        return Shape.of(video.stream, video.burn)
