"""The version: URLs of segments depend on it, so it must be that of the installed package."""

from importlib.metadata import version

from transcoded.version import VERSION


def test_it_is_that_of_the_package() -> None:
    assert version("transcoded") == VERSION
