"""Which program is used. The operator's word counts most, and then what was proven."""

import attrs
import pytest

from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.program_choice import Candidate, choose_ffmpeg, choose_ffprobe


def candidate(name: str, can: int = 0, util: str = "59. 1.100", problem: str | None = None) -> Candidate:
    statement = f"ffmpeg version {name}-1 Copyright\nlibavutil      {util} / {util}\n"
    capabilities = Capabilities(filters=frozenset(str(number) for number in range(can)))
    return Candidate(f"/{name}", "PATH", statement, problem, capabilities)


def test_the_one_that_can_do_most() -> None:
    found = choose_ffmpeg([candidate("old", 5), candidate("best", 9), candidate("small", 3)], named=False)
    assert found is not None
    assert found.used.path == "/best"
    assert found.why == "it can do 9 of the things that were tried, /old 5, /small 3"
    assert len(found.candidates) == 3


def test_among_equals_the_newest_and_then_the_first() -> None:
    found = choose_ffmpeg([candidate("a", 5), candidate("b", 5, "60. 1.100"), candidate("c", 5)], named=False)
    assert found is not None
    assert found.used.path == "/b"
    found = choose_ffmpeg([candidate("a", 5), candidate("b", 5)], named=False)
    assert found is not None
    assert found.used.path == "/a"


def test_what_does_not_work_is_never_chosen() -> None:
    broken = candidate("broken", 9, problem="does not run")
    found = choose_ffmpeg([broken, candidate("works", 1)], named=False)
    assert found is not None
    assert (found.used.path, found.why) == ("/works", "it is the only one that works")
    assert choose_ffmpeg([broken], named=False) is None
    assert choose_ffprobe([], named=False) is None


def test_of_ffprobes_the_newest() -> None:
    some = [candidate("a"), candidate("b", util="60. 26.102"), candidate("c", util="60. 8.100")]
    found = choose_ffprobe(some, named=False)
    assert found is not None
    assert (found.used.path, found.why) == ("/b", "it is the newest that works")


def test_a_named_one_is_named() -> None:
    found = choose_ffprobe([candidate("a")], named=True)
    assert found is not None
    assert found.why == "it is named in the settings"


@pytest.mark.parametrize(
    ("statement", "version", "age"),
    [
        ("ffmpeg version 9.0.2 Copyright\nlibavutil      61.  1.100 / 61.  1.100", "9.0.2", None),
        ("ffmpeg version n8.1.2\nlibavutil      60. 26.102 / 60. 26.102", "n8.1.2", None),
        (
            "ffprobe version 5.1.9-0+deb12u1\nlibavutil      57. 28.100 / 57. 28.100",
            "5.1.9-0+deb12u1",
            "5.1.9-0+deb12u1",
        ),
        ("ffmpeg version 9", "9", "9, of unknown age"),
        ("", "", "unknown version, of unknown age"),
    ],
)
def test_what_a_program_states(statement: str, version: str, age: str | None) -> None:
    found = attrs.evolve(candidate("a"), statement=statement)
    assert (found.version, found.age) == (version, age)
