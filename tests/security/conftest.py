"""What the tests of attacks share with the live tests: media, and daemons that start quickly."""

from collections.abc import Iterator

import pytest

from tests.support.clips import clips
from tests.support.launcher import launcher

__all__ = ["clips"]


@pytest.fixture(scope="session", autouse=True)
def _quick_starts() -> Iterator[None]:
    with launcher():
        yield
