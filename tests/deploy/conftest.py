"""Two nodes behind a proxy, as deploy/ has it, for real: Debian's HAProxy and nginx with the files that are shipped."""

from collections.abc import Iterator

import pytest

from tests.deploy.fronts import FRONTS, Farm, needs
from tests.support.clips import Clips, clips
from tests.support.launcher import launcher

__all__ = ["clips", "farm", "front"]


@pytest.fixture(scope="session", autouse=True)
def _quick_starts() -> Iterator[None]:
    with launcher():
        yield


@pytest.fixture(scope="module", params=FRONTS)
def front(request: pytest.FixtureRequest) -> str:
    """Which proxy; skips where it is not installed."""
    needs(request.param)
    return str(request.param)


@pytest.fixture(scope="module")
def farm(front: str, clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """Two nodes with room for all, for the tests that leave them as they are."""
    with Farm(
        front, clips.directory, tmp_path_factory.mktemp(front), "--signing-key", "the same on both nodes"
    ) as farm:
        yield farm
