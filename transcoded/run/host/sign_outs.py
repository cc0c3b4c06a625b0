"""The sign-ins that a sign-out has ended: kept until they would end by themselves, in the state directory if there is one.

The number is bounded for each key. If more of a key's sign-ins are ended, all that were issued until then are: nobody gets in
again by signing out often. If the file is damaged, all sign-ins that were issued until then are ended, for the same reason.
"""

import os
from collections.abc import Callable
from contextlib import suppress

import msgspec
from twisted.logger import Logger

from transcoded.plan.http.sign_in import LIFETIME, SignIn

NAME = "sign_outs.json"
MAX_IDS = 1000
"""The ids that are kept for one key."""
MAX_BYTES = 4 << 20
"""The longest file that is read."""


class _Ended(msgspec.Struct):
    """Of one key: ids with the times when they expire, and the time until which all sign-ins are ended."""

    ids: dict[str, int] = msgspec.field(default_factory=dict)
    until: int = 0


class _State(msgspec.Struct):
    """Of all keys, by their marks, and the time until which all sign-ins of all keys are ended."""

    keys: dict[str, _Ended] = msgspec.field(default_factory=dict)
    until: int = 0


class SignOuts:
    """The record, in the file `NAME` of a directory; None: in memory only. `now` returns seconds since the epoch."""

    _log = Logger()

    def __init__(self, directory: str | None, now: Callable[[], float]) -> None:
        self._path = None if directory is None else os.path.join(directory, NAME)
        self._now = now
        try:
            self._state = self._load()
        except (OSError, msgspec.DecodeError):
            self._log.warn("{path} cannot be read: everybody has to sign in again", path=self._path)
            self._state = _State(until=int(now()))
            self._save()

    def has_ended(self, sign_in: SignIn) -> bool:
        """Whether a sign-in was ended."""
        ended = self._state.keys.get(sign_in.mark, _Ended())
        return sign_in.id in ended.ids or sign_in.issued <= max(ended.until, self._state.until)

    def end(self, sign_in: SignIn) -> None:
        """End a sign-in, also for the next daemon. If the disk does not work, this is logged, and only this daemon knows it."""
        now = int(self._now())
        for ended in self._state.keys.values():
            ended.ids = {id_: expires for id_, expires in ended.ids.items() if expires > now}
        self._state.keys = {
            mark: ended for mark, ended in self._state.keys.items() if ended.ids or ended.until + LIFETIME > now
        }
        ended = self._state.keys.setdefault(sign_in.mark, _Ended())
        ended.ids[sign_in.id] = sign_in.expires
        if len(ended.ids) > MAX_IDS:
            ended.ids, ended.until = {}, now
        self._save()

    def _load(self) -> _State:
        if self._path is None:
            return _State()
        try:
            # Without O_NONBLOCK, a FIFO of this name would hold up the start for ever.
            fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return _State()
        with open(fd, "rb") as file:
            return msgspec.json.decode(file.read(MAX_BYTES), type=_State)

    def _save(self) -> None:
        """Replace the file as a whole: a reader sees the old one or the new one."""
        if self._path is None:
            return
        unfinished = f"{self._path}.new"
        try:
            with suppress(FileNotFoundError):
                os.unlink(unfinished)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(unfinished, flags, 0o600), "wb") as file:
                file.write(msgspec.json.encode(self._state))
            os.replace(unfinished, self._path)
        except OSError as error:
            self._log.warn("{path} cannot be written: {error}", path=self._path, error=error.strerror)
