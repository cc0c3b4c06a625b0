"""The subtitle files of a film: where they are looked for, and what their names say (`plan.subtitles.names`).

They are beside the film, and in folders such as `Subs` beside it. If a film was reached by a link, they may be beside the link or
beside the film that it leads to. A subtitle file that is a link counts if it leads to a file below the same root.

* `Subs/Film.en.srt`, `Subs/Film/2_English.srt`: as beside the film; in a folder of its name all files are its.
* `Subs/2_English.srt`: of the film, if it is the only one beside that folder.

All calls use the disk. What is looked at is bounded: `MAX_NAMES` names, `MAX_SIDECARS` files.
"""

import os
import stat
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from unicodedata import normalize

import attrs

from transcoded.plan.errors import TranscodedError
from transcoded.plan.http.names import shown
from transcoded.plan.media.media_types import is_media
from transcoded.plan.media.subtitle_argv import FILES
from transcoded.plan.subtitles.names import FOLDERS, SEPARATORS, SubtitleName, label_of, read_label
from transcoded.run.files.library import Library, MediaFile, Version

SIDECARS = {".srt": "subrip", ".vtt": "webvtt", ".ass": "ass", ".ssa": "ssa", ".sup": "hdmv_pgs_subtitle"}
"""The suffixes, and ffmpeg's names for the codecs. A `.sub` belongs to the `.idx` beside it, which ffmpeg would open by its name."""

MAX_TEXT = 16 << 20
"""Bytes: a longer file of text is left out, because text is converted as a whole."""

MAX_IMAGES = 256 << 20
"""Bytes: a longer file of images is left out. Those of a Blu-ray disc have up to about 100 million."""

MAX_SIDECARS = 32
"""Subtitle files of one film; others are left out."""

MAX_NAMES = 5000
"""Names that begin with that of the film, in one directory, and names in a folder of subtitle files."""


@attrs.frozen
class Sidecar:
    """A subtitle file of a film. `name` is what its name says, `codec` ffmpeg's name of its codec.

    `path` is its path in the library, without links.
    """

    name: SubtitleName
    codec: str
    path: str
    real_path: str
    version: Version


@attrs.frozen
class _Folder:
    """An open directory: its path in the library, as it was reached and without links, its path on disk, and its names in order."""

    path: str
    plain_path: str
    real_path: str
    fd: int
    names: Sequence[str]

    def has(self, name: str) -> bool:
        """Whether there is something of this name."""
        place = bisect_left(self.names, name)
        return place < len(self.names) and self.names[place] == name

    def beginning(self, start: str) -> Sequence[str]:
        """The names that begin with this text."""
        first = bisect_left(self.names, start)
        return self.names[first : min(bisect_right(self.names, start + chr(0x10FFFF)), first + MAX_NAMES)]


def find_sidecars(library: Library, film: MediaFile) -> Sequence[Sidecar]:
    """The subtitle files of a film, in the order of their names, those beside the film first."""
    places = [os.path.split(film.path), os.path.split(library.path_of(film.path, film.real_path))]
    found: dict[tuple[int, int], Sidecar] = {}
    for path, name in dict.fromkeys(places):
        with closing(_around(library, path, name)) as around:
            for sidecar in around:
                found.setdefault((sidecar.version.device, sidecar.version.inode), sidecar)
                if len(found) == MAX_SIDECARS:
                    return list(found.values())
    return list(found.values())


def _around(library: Library, path: str, film: str) -> Generator[Sidecar, None, None]:
    """The subtitle files of a film of this name in a directory, and in its folders for them."""
    with _opened(library, path) as folder:
        if folder is None:
            return
        # Some programs append to the whole name: `Film.mkv.en.srt`. And a name may be composed or not (Unicode, annex 15).
        names = (film, os.path.splitext(film)[0])
        stems = list(dict.fromkeys(normalize(form, name) for name in names for form in ("NFC", "NFD")))
        stems += [name for name in names if name not in stems]
        yield from _named(library, folder, stems, folder)
        for name in FOLDERS:
            if folder.has(name):
                yield from _in_folder(library, f"{path}/{name}", stems, folder)


def _in_folder(library: Library, path: str, stems: Sequence[str], beside: _Folder) -> Iterator[Sidecar]:
    """The subtitle files in a folder of such files, which is in the directory `beside`."""
    with _opened(library, path) as folder:
        if folder is None:
            return
        named = list(_named(library, folder, stems, beside))
        yield from named
        for stem in stems:
            if folder.has(stem):
                with _opened(library, f"{path}/{stem}") as own:
                    if own is not None:
                        yield from _all(library, own)
        if not named and sum(1 for name in beside.names[:MAX_NAMES] if is_media(name)) == 1:
            yield from _all(library, folder)


def _films(folder: _Folder, stems: Sequence[str]) -> Sequence[str]:
    """The names of other films in a directory that begin with that of this film, without suffix."""
    names = [name for name in _beginning(folder, stems) if is_media(name)]
    return [base for name in names if (base := os.path.splitext(name)[0]) not in stems]


def _named(library: Library, folder: _Folder, stems: Sequence[str], beside: _Folder) -> Iterator[Sidecar]:
    """The subtitle files in a directory whose names begin with that of the film, which is in the directory `beside`."""
    names = [name for name in _beginning(folder, stems) if _suffix(name) in SIDECARS]
    others = _films(beside, stems) if names else []
    for name in sorted(names):
        labels = (label_of(os.path.splitext(name)[0], stem, others) for stem in stems)
        label = next((one for one in labels if one is not None), None)
        if label is not None and (sidecar := _sidecar(library, folder, name, label)) is not None:
            yield sidecar


def _beginning(folder: _Folder, stems: Sequence[str]) -> Collection[str]:
    return {name for stem in stems for mark in SEPARATORS for name in folder.beginning(stem + mark)}


def _suffix(name: str) -> str:
    # All have three letters.
    return name[-4:].lower()


def _all(library: Library, folder: _Folder) -> Iterator[Sidecar]:
    """All subtitle files in a directory."""
    for name in folder.names[:MAX_NAMES]:
        if _suffix(name) in SIDECARS:
            sidecar = _sidecar(library, folder, name, os.path.splitext(name)[0])
            if sidecar is not None:
                yield sidecar


def _sidecar(library: Library, folder: _Folder, name: str, label: str) -> Sidecar | None:
    """The subtitle file of this name; None if it is no regular file below the root, may not be read, or is too long."""
    codec = SIDECARS[_suffix(name)]
    try:
        status = os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            target = library.locate(f"{folder.path}/{name}")
            real_path, version = target.real_path, target.version
            path = library.path_of(folder.path, real_path)
        elif stat.S_ISREG(status.st_mode) and os.access(name, os.R_OK, dir_fd=folder.fd, effective_ids=True):
            real_path, path, version = (
                os.path.join(folder.real_path, name),
                f"{folder.plain_path}/{name}",
                Version.of(status),
            )
        else:
            return None
    except (TranscodedError, OSError):
        return None
    if version.size > (MAX_IMAGES if FILES[codec] == "sup" else MAX_TEXT):
        return None
    return Sidecar(read_label(shown(label)), codec, path, real_path, version)


@contextmanager
def _opened(library: Library, path: str) -> Iterator[_Folder | None]:
    """A directory of the library; None if there is none, or if it may not be read."""
    try:
        opened = library.directory(path)
    except (TranscodedError, OSError):
        yield None
        return
    real_path, fd, names = opened
    try:
        yield _Folder(path, library.path_of(path, real_path), real_path, fd, names)
    finally:
        os.close(fd)
