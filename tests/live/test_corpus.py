"""What comes of each kind of file is right: its times, its order, its shape, its sound; or it is refused with a reason.

All kinds with all ffmpegs are tried by `python -m benchmarks.corpus`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clips import made_once
from tests.support.corpus import DELICATE, Kind, make_corpus
from tests.support.corpus_checks import Checker
from tests.support.daemon import LiveDaemon
from tests.support.programs import NEWEST, Programs, by_turns


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "corpus", lambda directory: make_corpus(directory, NEWEST.ffmpeg, DELICATE))


@pytest.fixture(scope="module")
def served(programs: Programs, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    with LiveDaemon(tmp_path_factory.mktemp("daemon"), {"c": corpus}, programs=programs) as daemon:
        yield daemon


@pytest.mark.parametrize(
    ("programs", "kind"),
    by_turns(DELICATE, lambda kind: kind.name, each_with_newest=False),
    indirect=["programs"],
    scope="module",
)
def test_what_comes_of_a_file_is_right(served: LiveDaemon, kind: Kind, tmp_path: Path) -> None:
    results = list(Checker(served, kind, "c", tmp_path).results())
    assert not [one for one in results if one.verdict == "wrong"]
    can_decode = kind.needs is None or kind.needs in served.json("/api/v1/capabilities")["decoders"]
    refused = {one.route: one.why for one in results if one.verdict == "refused"}
    assert (not refused) or not can_decode or kind.refused, refused
