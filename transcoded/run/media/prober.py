"""What a file holds, from ffprobe: under a deadline, remembered, and asked once for all who want to know at the same time.

A result is remembered for the file as it was (`Version`: device, inode, size, time of change); another file under the same
name is another file. Failures are not remembered, except that a file is no media: hostile files must not cost a process
for each request.
"""

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from transcoded.plan.cmaf.keyframes import plain, read, scan_argv, worth_while
from transcoded.plan.cmaf.ladder import Scan
from transcoded.plan.endings import Reason
from transcoded.plan.errors import NotMedia, TimedOut, TranscodedError, TranscodeFailed, Unavailable
from transcoded.plan.lru import LRU
from transcoded.plan.media.argv import probe_argv
from transcoded.plan.media.ffprobe import decode
from transcoded.plan.media.probe import Media, VideoStream
from transcoded.run.files.library import MediaFile, Version
from transcoded.run.files.threads import Threads
from transcoded.run.process.commands import Commands
from transcoded.run.reactor import IReactor, OneShot, within

PROBE_DEADLINE = 30.0
MAX_OUTPUT = 4 << 20
SCAN_DEADLINE = 30.0
SCAN_PATIENCE = 1.5
"""Seconds that a request waits for the keyframes; the scan goes on for those who come later."""

MAX_SCAN_OUTPUT = 32 << 20
REMEMBERED = 1024
"""Files of which the answers are kept."""

Key = tuple[str, Version]


class Prober:
    """Probes files. The answers for `remembered` files are kept, the least recently used are forgotten."""

    def __init__(
        self,
        reactor: IReactor,
        commands: Commands,
        threads: Threads,
        ffprobe: str,
        deadline: float = PROBE_DEADLINE,
        remembered: int = REMEMBERED,
    ) -> None:
        self._reactor = reactor
        self._commands = commands
        self._threads = threads
        self._ffprobe = ffprobe
        self._deadline = deadline
        self._answers: LRU[Key, Media | NotMedia] = LRU(remembered)
        self._questions: dict[Key, OneShot[Media | NotMedia]] = {}
        self._scans: LRU[Key, OneShot[Scan]] = LRU(remembered)

    async def probe(self, file: MediaFile) -> Media:
        """What the file holds.

        Raises `NotMedia` if it is nothing that can be played, `TimedOut`, or `Unavailable` if no process can be started.
        """
        key = (file.real_path, file.version)
        answer = self._answers.get(key)
        if answer is None:
            answer = await (self._questions.get(key) or self._ask(file, key)).wait()
        if isinstance(answer, NotMedia):
            # Anew each time: an exception that is raised twice drags its first traceback along.
            raise NotMedia(answer.detail)
        return answer

    async def scan(self, file: MediaFile, media: Media, patience: float | None = SCAN_PATIENCE) -> Scan:
        """Where the picture's keyframes are, if that is of use; looked at once for each version.

        Who does not get it within `patience` seconds goes without; the look goes on for those who come later. Without
        patience (None) it is waited for to its end, and what went wrong is raised.
        """
        if media.default_video is None or not worth_while(media):
            return plain(media)
        key = (file.real_path, file.version)
        scan = self._scans.get(key) or self._begin_scan(file, key, media, media.default_video)
        if patience is None:
            return await scan.wait()
        try:
            return await within(self._reactor, patience, scan.wait(), lambda: TimedOut("The scan takes long."))
        except TranscodedError:
            return plain(media)

    def _ask(self, file: MediaFile, key: Key) -> "OneShot[Media | NotMedia]":
        """Ask ffprobe. If all who wait leave, it is called off."""
        asking = Deferred.fromCoroutine(self._run(file))
        question = self._questions[key] = OneShot(self._reactor, on_abandoned=asking.cancel)
        question.follow(asking.addBoth(self._answered, key))
        return question

    def _answered(self, result: Media | NotMedia | Failure, key: Key) -> Media | NotMedia | Failure:
        del self._questions[key]
        if not isinstance(result, Failure):
            self._answers.put(key, result)
        return result

    async def _run(self, file: MediaFile) -> Media | NotMedia:
        output = await self._commands.run(self._ffprobe, probe_argv(file.real_path), file, self._deadline, MAX_OUTPUT)
        status = output.status
        # Ended from outside, or never begun (126 and 127 are the launcher's): that says nothing about the file.
        if status.reason is Reason.SHUTDOWN:
            raise Unavailable("The server is stopping.")
        if status.signal is not None or (status.exit_code or 0) >= 126:
            how = status.signal or f"status {status.exit_code}"
            raise TranscodeFailed(f"The file could not be looked at: ffprobe ended with {how}.", status.stderr_tail)
        if status.exit_code != 0 or not output.data:
            return NotMedia(
                "The file cannot be read as media: it is damaged, of an unknown kind, or names other files."
            )
        try:
            return decode(output.data, file.size)
        except NotMedia as problem:
            return problem

    def _begin_scan(self, file: MediaFile, key: Key, media: Media, video: VideoStream) -> OneShot[Scan]:
        """Look for the keyframes. That nobody waits does not call it off; a scan that failed is not remembered."""
        scan: OneShot[Scan] = OneShot(self._reactor)
        self._scans.put(key, scan)

        def failed(failure: Failure) -> None:
            self._scans.pop(key)
            scan.fail(failure)

        Deferred.fromCoroutine(self._scan(file, media, video)).addCallbacks(scan.succeed, failed)
        return scan

    async def _scan(self, file: MediaFile, media: Media, video: VideoStream) -> Scan:
        output = await self._commands.run(
            self._ffprobe, scan_argv(file.real_path, video), file, SCAN_DEADLINE, MAX_SCAN_OUTPUT
        )
        if output.status.exit_code != 0:
            raise TranscodeFailed("The packets of the file could not be looked through.")
        return await self._threads.run(read, output.data, media)
