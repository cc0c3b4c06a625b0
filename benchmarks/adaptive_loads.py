"""The loads of adaptive streaming: what viewers do, and what they wait for. The contenders take turns in each round, with a film that none has seen."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from statistics import median

import attrs

from benchmarks.adaptive_hand import Known, can_compare, quality_of, shown_by_hand
from benchmarks.adaptive_media import FILM, IN_HEVC, LIGHT, SHORT, Films, Kind
from benchmarks.adaptive_servers import Server
from benchmarks.figures import Figures
from benchmarks.hls_player import Player, Playhead, Shown
from benchmarks.workshop import CannotMeasure

BY_HAND = "ffmpeg by hand"
HEIGHT = 720
APART = 15.0
"""Seconds between two places of a film at least: what was made for one is of no use for the other."""

SEEKS = 3
SCRUBS = 10
SCRUB_PAUSE = 0.1
VIEWERS = 20
FEW = 4
"""Viewers of a quick run."""
PLACES = 4
WATCHERS, LOW = 4, 360
FIRST, WHOLE = "first byte ms", "whole segments ms"


@attrs.frozen
class Bench:
    """What a load works with. `say` tells a person what goes on, `note` also the results."""

    films: Films
    servers: Sequence[Server]
    known: Mapping[str, Known]
    figures: Figures
    rounds: int
    by_hand: bool
    seed: int
    say: Callable[[str], None]
    note: Callable[[str], None]

    def some(self, part: float) -> int:
        """This part of the rounds; at least one."""
        return max(1, round(self.rounds * part))

    def turns(self, load: str, kind: Kind, rounds: int) -> Iterator[tuple[int, Server, Path]]:
        """Each server in each round, with a film that it has not seen; each round begins with another one."""
        for turn in range(rounds):
            first = turn % max(1, len(self.servers))
            for server in (*self.servers[first:], *self.servers[:first]):
                name = f"{load}-{turn}-{server.name.replace(' ', '-').replace('/', '-')}"
                with self.films.copy(kind, name) as film:
                    yield turn, server, film

    @contextmanager
    def measuring(self, what: str) -> Iterator[None]:
        """What cannot be measured is noted, and the others go on."""
        try:
            yield
        except CannotMeasure as error:
            self.note(f"{what}: {error}")

    @contextmanager
    def viewer(self, server: Server, film: Path, height: int | None, number: int = 0) -> Iterator[Player]:
        """A viewer with an id and an address of its own; afterwards it has left. `number` is below 200."""
        name, source = f"{film.stem}-{number}", f"127.0.0.{2 + number}"
        with Player(server.port, server.master(film, name), height, source) as player:
            try:
                yield player
            finally:
                server.leave(film, name, source)


def cold_load(kind: Kind, height: int | None, part: float, more: float = 0.0) -> Callable[[Bench, str], None]:
    """A click on a film that nobody has watched; `more`: also the time until there are so many seconds of film."""

    def load(bench: Bench, name: str) -> None:
        for _, server, film in bench.turns(name, kind, bench.some(part)):
            server.quiet()
            with bench.measuring(f"{name}, {server.name}"), bench.viewer(server, film, height) as player:
                shown = player.start()
                values = {"playlist ms": shown.playlist, **_waits(shown)}
                if more:
                    _, seconds = player.play(shown.film, more - shown.film)
                    values[f"{more:.0f} s of film ms"] = shown.whole + 1000 * seconds
                bench.figures.add(name, server.name, **values)
            server.quiet()
        _by_hand(bench, name, kind, height, [[0.0]] * bench.some(part))

    return load


def seek_load(kind: Kind, height: int | None, part: float) -> Callable[[Bench, str], None]:
    """Somebody who watches goes to a place far away, and again."""

    def load(bench: Bench, name: str) -> None:
        rounds = bench.some(part)
        places = [far_places(random.Random(bench.seed + turn), 170.0, SEEKS) for turn in range(rounds)]
        for turn, server, film in bench.turns(name, kind, rounds):
            server.quiet()
            with bench.measuring(f"{name}, {server.name}"), bench.viewer(server, film, height) as player:
                player.start()
                for place in places[turn]:
                    bench.figures.add(name, server.name, **_waits(player.seek(place)))
            server.quiet()
        _by_hand(bench, name, kind, height, places)

    return load


def scrub(bench: Bench, name: str) -> None:
    """Somebody who drags the position: ten places, a tenth of a second at each; the last one counts."""
    for turn, server, film in bench.turns(name, FILM, bench.some(0.6)):
        places = far_places(random.Random(bench.seed + turn), 170.0, SCRUBS)
        server.quiet()
        with bench.measuring(f"{name}, {server.name}"), bench.viewer(server, film, HEIGHT) as player:
            player.start()
            bench.figures.add(name, server.name, **_waits(player.scrub(places, SCRUB_PAUSE)))
        server.quiet()


def viewers(bench: Bench, name: str) -> None:
    """One viewer, twenty who click on the same film at once, and twenty at four places of it. A server has `PATIENCE`; then its crowd is noted as not served."""
    count = VIEWERS if bench.rounds > 1 else FEW
    crowds = {"1": [0.0], f"{count}": [0.0] * count, f"{count} at {PLACES}": spread_places(count, PLACES)}
    for label, places in crowds.items():
        for _, server, film in bench.turns(f"{name}-{label.replace(' ', '-')}", FILM, bench.some(0.2)):
            server.quiet()
            before = server.cpu()
            with bench.measuring(f"{label} viewers, {server.name}"), ExitStack() as stack:
                crowd = [
                    stack.enter_context(bench.viewer(server, film, HEIGHT, number)) for number in range(len(places))
                ]
                pool = stack.enter_context(ThreadPoolExecutor(len(places)))
                waits = [one.whole for one in pool.map(lambda player, place: player.start(place), crowd, places)]
                values = {f"{label}: ms": median(waits)}
                # What an encoder has used that was ended for another place is not known: its parent in the sandbox ends with it.
                if not any(places):
                    values[f"{label}: CPU s"] = server.cpu() - before
                if len(places) > 1:
                    values[f"{label}: slowest ms"] = max(waits)
                bench.figures.add(name, server.name, **values)
            server.quiet()


def flow_load(kind: Kind, height: int | None, part: float, film_seconds: float) -> Callable[[Bench, str], None]:
    """`film_seconds` of film, one segment after the other, as fast as they come; and what that costs for a minute of it."""

    def load(bench: Bench, name: str) -> None:
        for _, server, film in bench.turns(name, kind, bench.some(part)):
            server.quiet()
            with bench.measuring(f"{name}, {server.name}"), bench.viewer(server, film, height) as player:
                before = server.cpu()
                shown = player.start()
                seconds_of_film, seconds = player.play(shown.film, film_seconds - shown.film)
                cpu = server.cpu() - before
                bench.figures.add(
                    name,
                    server.name,
                    **{
                        "film s/s": seconds_of_film / seconds,
                        "CPU s/viewer-minute": per_minute(cpu, shown.film + seconds_of_film),
                    },
                )
            server.quiet()

    return load


def watch(bench: Bench, name: str) -> None:
    """Four viewers of four films for ten minutes. Who is not admitted is told so at the beginning; for all others stalls are counted."""
    for server in bench.servers:
        server.quiet()
        with bench.measuring(f"{name}, {server.name}"):
            _watch(bench, name, server, 600.0 if bench.rounds > 1 else 20.0)
        server.quiet()


def _watch(bench: Bench, name: str, server: Server, seconds: float) -> None:
    def one(player: Player) -> Playhead | None:
        try:
            player.start()
        except CannotMeasure as error:
            bench.note(f"{name}, {server.name}: not admitted: {error}")
            return None
        return player.watch(0.0, seconds)

    with ExitStack() as stack:
        films = [stack.enter_context(bench.films.copy(LIGHT, f"{name}-{number}")) for number in range(WATCHERS)]
        players = [stack.enter_context(bench.viewer(server, film, LOW, number)) for number, film in enumerate(films)]
        pool = stack.enter_context(ThreadPoolExecutor(len(players)))
        seen = [playhead for playhead in pool.map(one, players) if playhead is not None]
    values = {
        "admitted": float(len(seen)),
        "stalls": float(sum(playhead.stalls for playhead in seen)),
        "stalled s": sum(playhead.stalled for playhead in seen),
    }
    bench.figures.add(name, server.name, **values)


def quality(bench: Bench, name: str) -> None:
    """The bit rate and VMAF of segments of two seconds and of four, encoded as the daemon does."""
    if not can_compare(bench.films.ffmpeg):
        bench.note(f"{name}: {bench.films.ffmpeg} has no libvmaf")
        return
    for target in (2, 4):
        found = quality_of(
            bench.known[FILM.name], bench.films.directory, HEIGHT, Fraction(target), 8.0 if bench.rounds == 1 else 24.0
        )
        bench.figures.add(
            name,
            f"segments of {target} s",
            **{"kbit/s": found.rate / 1000, "VMAF": found.vmaf, "VMAF of the worst 5 %": found.worst},
        )


def per_minute(cpu: float, film: float) -> float:
    """Seconds of processor for a minute of film, from those for `film` seconds of it."""
    return cpu * 60 / film


def far_places(rng: random.Random, length: float, count: int, apart: float = APART) -> list[float]:
    """`count` places in a random order, in seconds, each at least `apart` from the others and from the beginning."""
    room = length - apart * count
    if room <= 0:
        raise ValueError(f"{count} places {apart} s apart do not fit into {length} s")
    gaps = sorted(rng.uniform(0, room) for _ in range(count))
    places = [gap + apart * (number + 1) for number, gap in enumerate(gaps)]
    rng.shuffle(places)
    return places


def spread_places(count: int, places: int) -> list[float]:
    """`count` viewers at `places` places, in turn, 40 s apart."""
    return [40.0 * (number % places) for number in range(count)]


def _waits(shown: Shown) -> Mapping[str, float]:
    return {FIRST: shown.first, WHOLE: shown.whole}


def _by_hand(bench: Bench, name: str, kind: Kind, height: int | None, places: Sequence[Sequence[float]]) -> None:
    """The same places by hand, without a server."""
    known = bench.known[kind.name]
    if bench.by_hand and (height is not None or known.video(None).copied):
        for place in (place for some in places for place in some):
            with bench.measuring(f"{name}, {BY_HAND}"):
                bench.figures.add(name, BY_HAND, **_waits(shown_by_hand(known, height, place)))


LOADS: Mapping[str, tuple[str, Callable[[Bench, str], None]]] = {
    "cold": ("click, 1080p H.264 to 720p", cold_load(FILM, HEIGHT, 1.0, more=6.0)),
    "cold-copy": ("click, the picture as it is", cold_load(SHORT, None, 0.6)),
    "cold-copy-film": ("click, the picture as it is, a keyframe every 10 s", cold_load(FILM, None, 0.4)),
    "cold-hevc": ("click, 1080p HEVC to 720p", cold_load(IN_HEVC, HEIGHT, 0.6)),
    "seek": ("seek, 720p", seek_load(FILM, HEIGHT, 0.6)),
    "seek-copy": ("seek, the picture as it is", seek_load(SHORT, None, 0.4)),
    "scrub": ("scrubbing, 720p", scrub),
    "viewers": ("viewers, 720p", viewers),
    "flow": ("one segment after the other, 720p", flow_load(FILM, HEIGHT, 0.4, 24.0)),
    "flow-copy": ("one segment after the other, as it is", flow_load(SHORT, None, 0.4, 12.0)),
    "watch": (f"{WATCHERS} viewers of {WATCHERS} films for ten minutes, 360p", watch),
    "quality": ("length of segments, 720p", quality),
}
