"""What was tried, remembered in the state directory for the next start.

An entry is found again only for the same program under the same circumstances (`key_of`). A file that is damaged, too long, or
has anything in it that this program would not have written is ignored as a whole, and written anew.
"""

import glob
import hashlib
import os
from collections.abc import Iterable, Mapping
from typing import Annotated

import attrs
import msgspec
from twisted.logger import Logger

from transcoded.plan.media.capabilities import Capabilities, CodecEngine, EngineName, ToneMapping
from transcoded.plan.media.capability_trials import TRIALS
from transcoded.plan.media.launcher import Launcher
from transcoded.run.files.private_directory import PrivateDirectory
from transcoded.version import VERSION

NAME = "capabilities.json"
MAX_BYTES = 256 << 10
"""The longest file that is read; one program takes about 6,000 bytes."""
MAX_PROGRAMS = 8

DRIVERS = (
    "/dev/dri/*",
    "/dev/nvidia*",
    "/dev/dxg",
    "/dev/video*",
    "/dev/mpp_service",
    "/usr/share/vulkan/icd.d/*",
    "/etc/vulkan/icd.d/*",
    "/etc/fonts/*",
    "/usr/share/fonts",
    "/usr/share/fonts/*",
    "/usr/local/share/fonts",
)
"""Patterns of paths that come and go with drivers and fonts."""

_MAX_DRIVERS = 256

_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}\Z")]
_Names = Annotated[list[_Name], msgspec.Meta(max_length=1000)]
_Text = Annotated[str, msgspec.Meta(max_length=500)]


class _Engine(msgspec.Struct, forbid_unknown_fields=True):
    name: EngineName
    works: bool
    why: _Text
    decodes: _Names
    encodes: _Names
    decodes_10_bit: _Names
    filters: _Names
    confined: bool
    device: _Text


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    version: _Text
    decoders: _Names
    encoders: _Names
    filters: _Names
    engines: Annotated[list[_Engine], msgspec.Meta(max_length=20)]
    tone_mapping: ToneMapping | None
    burns_in_text: bool
    burns_in_bitmap: bool
    input_options: _Names


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    """Entries by their keys, the oldest first. `used` are the programs of the last start."""

    programs: dict[Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")], _Entry] = msgspec.field(
        default_factory=dict
    )
    used: Annotated[list[Annotated[str, msgspec.Meta(max_length=4096)]], msgspec.Meta(max_length=2)] = msgspec.field(
        default_factory=list
    )


class CapabilityMemory:
    """The file `NAME` in the state directory; None: nothing is remembered."""

    _log = Logger()

    def __init__(self, directory: PrivateDirectory | None) -> None:
        self._directory = directory
        self._content = _Content()
        data = None if directory is None else directory.read(NAME, MAX_BYTES)
        if data is not None:
            try:
                self._content = msgspec.json.decode(data, type=_Content)
            except msgspec.DecodeError:
                self._log.warn("{name} in the state directory is damaged, so everything is tried again", name=NAME)

    @property
    def used(self) -> frozenset[str]:
        """The paths of the programs that were used last. They are no more than a hint which to look at first."""
        return frozenset(self._content.used)

    def get(self, key: str) -> Capabilities | None:
        """What is remembered of a program; None: nothing."""
        entry = self._content.programs.get(key)
        if entry is None:
            return None
        engines = tuple(
            CodecEngine(
                one.name,
                one.works,
                one.why,
                frozenset(one.decodes),
                frozenset(one.encodes),
                frozenset(one.decodes_10_bit),
                frozenset(one.filters),
                one.confined,
                one.device,
            )
            for one in entry.engines
        )
        return Capabilities(
            version=entry.version,
            decoders=frozenset(entry.decoders),
            encoders=frozenset(entry.encoders),
            filters=frozenset(entry.filters),
            engines=engines,
            tone_mapping=entry.tone_mapping,
            burns_in_text=entry.burns_in_text,
            burns_in_bitmap=entry.burns_in_bitmap,
            input_options=frozenset(entry.input_options),
        )

    def save(self, tried: Mapping[str, Capabilities], used: Iterable[str]) -> None:
        """Remember capabilities by their keys, beside what is remembered already, and the programs that are used. The latest `MAX_PROGRAMS` are kept."""
        if self._directory is None or (not tried and self.used == frozenset(used)):
            return
        for key, capabilities in tried.items():
            self._content.programs.pop(key, None)
            self._content.programs[key] = _entry(capabilities)
        kept = list(self._content.programs.items())[-MAX_PROGRAMS:]
        self._content = _Content(dict(kept), sorted(used))
        try:
            self._directory.replace(NAME, msgspec.json.encode(self._content))
        except OSError as error:
            self._log.warn("{name} in the state directory cannot be written: {error}", name=NAME, error=error.strerror)


def key_of(path: str, statement: str, launcher: Launcher, engines: str = "auto") -> str:
    """A digest of everything on which it depends what a program can do here.

    That is the file and what it says of itself, how it is started, the setting `engines`, the devices, drivers and fonts of this machine, and the set of
    trials.
    """
    found = os.stat(path)
    parts = (
        TRIALS,
        VERSION,
        os.path.realpath(path),
        found.st_mtime_ns,
        found.st_size,
        statement,
        _started(launcher),
        engines,
        _drivers(),
    )
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _started(launcher: Launcher) -> object:
    sandbox = launcher.sandbox
    confined = None if sandbox is None else (sandbox.options("program"), sandbox.seccomp)
    return launcher.address_space, launcher.helper_address_space, confined


def _drivers() -> object:
    """The paths of `DRIVERS` that exist, each with what tells it from another one. The time of a device is that of the start of the machine."""
    found = sorted({path for pattern in DRIVERS for path in glob.glob(pattern)})[:_MAX_DRIVERS]
    signs: list[object] = []
    for path in found:
        try:
            status = os.stat(path)
        except OSError:
            continue
        signs.append((path, status.st_rdev or (status.st_mtime_ns, status.st_size)))
    return signs


def _entry(capabilities: Capabilities) -> _Entry:
    engines = [
        _Engine(
            one.name,
            one.works,
            one.why[:500],
            sorted(one.decodes),
            sorted(one.encodes),
            sorted(one.decodes_10_bit),
            sorted(one.filters),
            one.confined,
            one.device,
        )
        for one in capabilities.engines
    ]
    values = attrs.asdict(capabilities, recurse=False)
    for name in ("decoders", "encoders", "filters", "input_options"):
        values[name] = sorted(values[name])
    return _Entry(**{**values, "engines": engines})
