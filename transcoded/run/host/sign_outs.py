"""The sign-ins that a sign-out has ended: kept until they would end by themselves, in the state directory if there is one.

The number is bounded for each key. If more of a key's sign-ins are ended, all that were issued until then are: nobody gets in
again by signing out often. If the file is damaged, all sign-ins that were issued until then are ended, for the same reason.
"""

from collections.abc import Callable

import msgspec
from twisted.logger import Logger

from transcoded.plan.http.sign_in import LIFETIME, SignIn
from transcoded.run.files.private_directory import PrivateDirectory

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
    """The record, in the file `NAME` of the state directory; None: in memory only. `now` returns seconds since the epoch."""

    _log = Logger()

    def __init__(self, directory: PrivateDirectory | None, now: Callable[[], float]) -> None:
        self._directory = directory
        self._now = now
        try:
            self._state = self._load()
        except (OSError, msgspec.DecodeError):
            self._log.warn("{name} in the state directory cannot be read: everybody has to sign in again", name=NAME)
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
        if self._directory is None:
            return _State()
        data = self._directory.read(NAME, MAX_BYTES)
        if data is None and NAME not in self._directory.names():
            return _State()
        # What is there and cannot be read is damaged, as an empty file is.
        return msgspec.json.decode(data or b"", type=_State)

    def _save(self) -> None:
        if self._directory is None:
            return
        try:
            self._directory.replace(NAME, msgspec.json.encode(self._state))
        except OSError as error:
            self._log.warn("{name} in the state directory cannot be written: {error}", name=NAME, error=error.strerror)
