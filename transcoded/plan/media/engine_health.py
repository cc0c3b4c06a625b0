"""Which chains are used now: what has failed is left alone for a while, and what is full is not asked.

* A chain that has failed for a file is not used for files of this shape for `COOL_DOWN` seconds. It counts only if another chain could make what this one could not: else it was the file.
* An engine that has failed `MAX_FAILURES` times in a row is not used at all for as long.
* An engine that makes less film than is watched while several of its encoders run has too many of them: one fewer is what it can do, for as long. If it is too slow for one
  alone, it is not used for files of this shape.
* An encoder of hardware may run only so often at once (graphics cards for consumers). That it refuses one more is no failure: the number is learned, for as long.
"""

from collections.abc import Callable, Sequence

import attrs

from transcoded.plan.lru import LRU
from transcoded.plan.media.capabilities import EngineName
from transcoded.plan.media.hardware import Chain
from transcoded.plan.media.probe import SubtitleStream, VideoStream

COOL_DOWN = 15 * 60.0
"""Seconds."""

MAX_FAILURES = 3

_SHAPES = 1000
"""Pairs of a chain and a shape that are remembered."""

_FULL = (
    "OpenEncodeSessionEx failed: out of memory",
    "OpenEncodeSessionEx failed: incompatible client key",
    "No capable devices found",
)
"""What ffmpeg says if NVENC has no session left."""


@attrs.frozen
class Shape:
    """What of a video decides whether hardware can do it."""

    codec: str
    pixels: str | None
    width: int
    height: int
    hdr: str | None
    interlaced: bool
    turned: bool
    burned: bool

    @classmethod
    def of(cls, stream: VideoStream, burn: SubtitleStream | None = None) -> "Shape":
        """That of a stream."""
        return cls(
            codec=stream.codec,
            pixels=stream.pix_fmt,
            width=stream.width,
            height=stream.height,
            hdr=stream.hdr,
            interlaced=stream.interlaced,
            turned=bool(stream.rotation) or stream.mirrored,
            burned=burn is not None,
        )


@attrs.define
class _Engine:
    """What is known of one engine. `running` are its encoders; `most` is how many it has, as far as was learned."""

    failures: int = 0
    off_until: float = 0.0
    running: int = 0
    most: int | None = None
    most_until: float = 0.0


@attrs.define
class EngineHealth:
    """Of all engines. `clock` gives seconds."""

    clock: Callable[[], float]
    _engines: dict[EngineName, _Engine] = attrs.Factory(dict)
    _shapes: LRU[tuple[str, Shape], float] = attrs.Factory(lambda: LRU(_SHAPES))

    def usable(self, chains: Sequence[Chain], shape: Shape) -> Sequence[Chain]:
        """Those that are used now, in their order. Software always is."""
        return [one for one in chains if one.is_software or self._is_usable(one, shape)]

    def started(self, chain: Chain) -> None:
        """A process with this chain was started."""
        if not chain.is_software:
            self._engine(chain.engine).running += 1

    def ended(self, chain: Chain) -> None:
        """It has ended."""
        if not chain.is_software:
            self._engine(chain.engine).running -= 1

    def worked(self, chain: Chain, shape: Shape) -> None:
        """It has made something."""
        if not chain.is_software:
            self._engine(chain.engine).failures = 0
            self._shapes.pop((chain.name, shape))

    def failed(self, chain: Chain, shape: Shape, said: str) -> bool:
        """It has made nothing, and another chain has, or will be tried. `said` is what ffmpeg wrote. Returns whether it was a failure, and not a limit."""
        now, engine = self.clock(), self._engine(chain.engine)
        if engine.running and any(text in said for text in _FULL):
            engine.most, engine.most_until = engine.running, now + COOL_DOWN
            return False
        self._shapes.put((chain.name, shape), now + COOL_DOWN)
        engine.failures += 1
        if engine.failures >= MAX_FAILURES:
            engine.failures, engine.off_until = 0, now + COOL_DOWN
        return True

    def too_slow(self, chain: Chain, shape: Shape) -> None:
        """It makes less film than is watched, so another chain goes on."""
        now, engine = self.clock(), self._engine(chain.engine)
        if engine.running > 1:
            engine.most, engine.most_until = engine.running - 1, now + COOL_DOWN
        else:
            self._shapes.put((chain.name, shape), now + COOL_DOWN)

    def obstacle(self, name: EngineName) -> str | None:
        """Why an engine that was tried is not used now, for people; None: it is."""
        engine = self._engines.get(name)
        if engine is not None and self.clock() < engine.off_until:
            return f"it has failed {MAX_FAILURES} times in a row; it is used again in {engine.off_until - self.clock():.0f} s"
        return None

    def _engine(self, name: EngineName) -> _Engine:
        return self._engines.setdefault(name, _Engine())

    def _is_usable(self, chain: Chain, shape: Shape) -> bool:
        now, engine = self.clock(), self._engine(chain.engine)
        if now < engine.off_until or now < (self._shapes.get((chain.name, shape)) or 0.0):
            return False
        is_full = engine.most is not None and now < engine.most_until and engine.running >= engine.most
        return chain.encodes == "software" or not is_full
