"""What a file holds, from ffprobe: under a deadline, remembered, and asked once for all who want to know at the same time.

A result is remembered for the file as it was (`Version`: device, inode, size, time of change); another file under the same
name is another file. Failures are not remembered, except that a file is no media: hostile files must not cost a process
for each request.
"""

from collections import OrderedDict
from collections.abc import Callable

from twisted.internet.defer import Deferred, TimeoutError, fail, succeed  # noqa: A004 - it is what addTimeout raises
from twisted.python.failure import Failure

from transcoded.plan.cmaf.keyframes import plain, read, scan_argv, worth_while
from transcoded.plan.cmaf.ladder import Scan
from transcoded.plan.endings import Reason
from transcoded.plan.errors import NotMedia, TranscodedError, TranscodeFailed, Unavailable
from transcoded.plan.media.argv import probe_argv
from transcoded.plan.media.probe import Media, VideoStream, decode
from transcoded.run.files.library import MediaFile, Version
from transcoded.run.files.threads import Threads
from transcoded.run.process.commands import Commands
from transcoded.run.reactor import IReactor

PROBE_DEADLINE = 30.0
MAX_OUTPUT = 4 << 20
SCAN_DEADLINE = 30.0
SCAN_PATIENCE = 1.5
MAX_SCAN_OUTPUT = 32 << 20
REMEMBERED = 1024


class Prober:
    """Probes files. `REMEMBERED` results are kept, the least recently used are forgotten."""

    def __init__(
        self, reactor: IReactor, commands: Commands, threads: Threads, ffprobe: str, deadline: float = PROBE_DEADLINE
    ) -> None:
        self._reactor = reactor
        self._commands = commands
        self._threads = threads
        self._ffprobe = ffprobe
        self._deadline = deadline
        self._known: OrderedDict[tuple[str, Version], Media | NotMedia] = OrderedDict()
        self._scans: OrderedDict[tuple[str, Version], _Shared] = OrderedDict()
        self._asked: dict[tuple[str, Version], _Asking] = {}

    def known(self, file: MediaFile) -> Media | None:
        """What is remembered of a file, without asking anybody."""
        found = self._known.get((file.real_path, file.version))
        return found if isinstance(found, Media) else None

    async def probe(self, file: MediaFile) -> Media:
        """What the file holds.

        Raises `NotMedia` if it is nothing that can be played, `TimedOut`, or `Unavailable` if no process can be started.
        """
        key = (file.real_path, file.version)
        found = self._known.get(key)
        if found is None:
            found = await self._join(file, key)
        else:
            self._known.move_to_end(key)
        if isinstance(found, NotMedia):
            # Anew each time: an exception that is raised twice drags its first traceback along.
            raise NotMedia(found.detail)
        return found

    async def scan(self, file: MediaFile, media: Media, patience: float | None = SCAN_PATIENCE) -> Scan:
        """Where the picture's keyframes are, if that is of use; looked at once for each version.

        Who does not get it within `patience` seconds goes without; the look goes on for those who come later. Without
        patience (None) it is waited for to its end, and what went wrong is raised.
        """
        if media.default_video is None or not worth_while(media):
            return plain(media)
        key = (file.real_path, file.version)
        found = self._scans.get(key)
        if found is None:
            found = self._scans[key] = _Shared(Deferred.fromCoroutine(self._scan(file, media, media.default_video)))
            found.when_broken(lambda: self._scans.pop(key, None))
            if len(self._scans) > REMEMBERED:
                self._scans.popitem(last=False)
        if patience is None:
            return await found.wait()
        try:
            return await found.wait().addTimeout(patience, self._reactor)
        except (TimeoutError, TranscodedError):
            return plain(media)

    async def _scan(self, file: MediaFile, media: Media, picture: VideoStream) -> Scan:
        output = await self._commands.run(
            self._ffprobe, scan_argv(file.real_path, picture), file, SCAN_DEADLINE, MAX_SCAN_OUTPUT
        )
        if output.death.exit_code != 0:
            raise TranscodeFailed("The packets of the file could not be looked through.")
        return await self._threads.run(read, output.data, media)

    def _join(self, file: MediaFile, key: tuple[str, Version]) -> "Deferred[Media | NotMedia]":
        """Wait for the question that is on its way, or ask it."""
        asking = self._asked.get(key)
        if asking is not None:
            return asking.wait()
        asking = self._asked[key] = _Asking()
        waiting = asking.wait()
        asking.start(Deferred.fromCoroutine(self._run(file)).addBoth(self._forget, key))
        return waiting

    async def _run(self, file: MediaFile) -> "Media | NotMedia":
        output = await self._commands.run(self._ffprobe, probe_argv(file.real_path), file, self._deadline, MAX_OUTPUT)
        result: Media | NotMedia
        death = output.death
        # Ended from outside, or never begun (126 and 127 are the launcher's): that says nothing about the file.
        if death.reason is Reason.SHUTDOWN:
            raise Unavailable("The server is stopping.")
        if death.signal is not None or (death.exit_code or 0) >= 126:
            how = death.signal or f"status {death.exit_code}"
            raise TranscodeFailed(f"The file could not be looked at: ffprobe ended with {how}.", death.stderr_tail)
        if death.exit_code != 0 or not output.data:
            result = NotMedia(
                "The file cannot be read as media: it is damaged, of an unknown kind, or names other files."
            )
        else:
            try:
                result = decode(output.data, file.size)
            except NotMedia as problem:
                result = problem
        self._known[file.real_path, file.version] = result
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return result

    def _forget(self, result: object, key: tuple[str, Version]) -> object:
        del self._asked[key]
        return result


class _Asking:
    """One question on its way and those who wait for the answer. When the last of them leaves it is called off."""

    def __init__(self) -> None:
        self._answer: Deferred[Media | NotMedia] | None = None
        self._waiting: list[Deferred[Media | NotMedia]] = []

    def start(self, answer: "Deferred[Media | NotMedia]") -> None:
        """The question was asked; `answer` may have fired already."""
        self._answer = answer
        answer.addCallbacks(self._tell, self._fail)

    def wait(self) -> "Deferred[Media | NotMedia]":
        """One more who waits."""
        waiting: Deferred[Media | NotMedia] = Deferred(self._left)
        self._waiting.append(waiting)
        return waiting

    def _tell(self, result: "Media | NotMedia") -> None:
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(result)

    def _fail(self, failure: Failure) -> None:
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.errback(failure)

    def _left(self, waiting: "Deferred[Media | NotMedia]") -> None:
        self._waiting.remove(waiting)
        if not self._waiting and self._answer is not None:
            self._answer.cancel()


class _Shared:
    """A result for all who ask, now or later. Their leaving does not call it off."""

    def __init__(self, coming: "Deferred[Scan]") -> None:
        self._result: Scan | None = None
        self._failure: Failure | None = None
        self._waiting: list[Deferred[Scan]] = []
        self._broken: list[Callable[[], object]] = []
        coming.addCallbacks(self._came, self._failed)

    def when_broken(self, call: Callable[[], object]) -> None:
        """Call it if there is no result."""
        self._broken.append(call)
        if self._failure is not None:
            call()

    def wait(self) -> "Deferred[Scan]":
        """The result."""
        if self._failure is not None:
            return fail(self._failure)
        if self._result is not None:
            return succeed(self._result)
        waiting: Deferred[Scan] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def _came(self, result: Scan) -> None:
        self._result = result
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(result)

    def _failed(self, failure: Failure) -> None:
        self._failure = failure
        for call in self._broken:
            call()
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.errback(failure)
