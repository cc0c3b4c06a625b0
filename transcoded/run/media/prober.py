"""The prober: finds out with ffprobe what a file contains, under a deadline. Simultaneous requests share one process.

A result is kept for one version of a file (`Version`: device, inode, size, modification time), and not used if the file has
changed. Failures are not kept, except that a file is no media: otherwise each request for a hostile file would cost a process.

What ffprobe writes is bounded, and it is decoded in a thread: a hostile file can make it long. What is kept is bounded in bytes.
"""

import os

import attrs

from transcoded.plan.endings import Reason
from transcoded.plan.errors import (
    NotMedia,
    TimedOut,
    TooMuchOutput,
    TranscodeFailed,
    server_stopping,
)
from transcoded.plan.lru import ENTRY
from transcoded.plan.media.argv import INPUT_PATH, peak_argv, probe_argv
from transcoded.plan.media.ffprobe import decode, with_peak, without_peak
from transcoded.plan.media.probe import Media
from transcoded.plan.media.program_failure import program_failure
from transcoded.plan.media.timeline.landing import (
    AFTER,
    LEADS,
    is_indexed,
    keyframes_argv,
    latest_keyframe,
    place_at,
    place_before,
)
from transcoded.plan.media.timeline.length import keyframes_are_useful, settle, wants_count
from transcoded.plan.media.timeline.packets import PacketScan, scan_from_probe
from transcoded.plan.media.timeline.survey import clock_is_uneven, is_cut, is_surveyed
from transcoded.run.files.library import MediaFile, Version
from transcoded.run.files.opener import FileOpener
from transcoded.run.media.file_memory import FileMemory
from transcoded.run.media.packet_scans import MAX_SCAN_OUTPUT, SCAN_PATIENCE, PacketScans
from transcoded.run.process.commands import Commands, Output
from transcoded.run.reactor import IReactor
from transcoded.run.shared_results import SharedResults

PROBE_DEADLINE = 30.0
MAX_OUTPUT = 4 << 20
"""Bytes. ffprobe writes about 1,500 for a stream; a file whose titles need more is not served."""

REMEMBERED = 16 << 20
"""Bytes of what is known of files, and again of their keyframes. Less than 5,000 are needed for a usual film of each."""

INDEX_PATIENCE = 0.2
"""Seconds that the start of an encoder waits for the keyframes of a file with an index. They are known already if a playlist was requested."""

Key = tuple[str, Version]


class Prober:
    """Probes files. `ffprobe` is the path of the program, `deadline` in seconds. `memory` is what earlier daemons have found out.

    Results are kept in `remembered` bytes, and keyframes in as many; the least recently used ones are dropped first.
    """

    def __init__(
        self,
        reactor: IReactor,
        commands: Commands,
        opener: FileOpener,
        ffprobe: str,
        deadline: float = PROBE_DEADLINE,
        remembered: int = REMEMBERED,
        memory: FileMemory | None = None,
    ) -> None:
        self._reactor = reactor
        self._commands = commands
        self._opener = opener
        self._threads = opener.threads
        self._ffprobe = ffprobe
        self._deadline = deadline
        # If all that wait for ffprobe are cancelled, it is ended.
        self._answers: SharedResults[Key, Media | NotMedia] = SharedResults(
            reactor, remembered, _weigh_answer, cancel_abandoned=True
        )
        self._memory = memory or FileMemory(reactor, None, opener.threads)
        self._scans = PacketScans(reactor, commands, opener, ffprobe, self._memory, remembered)

    async def probe(self, file: MediaFile, client: str = "", patience: float | None = SCAN_PATIENCE) -> Media:
        """What the file contains. `client` is the unit of fairness; a probe that many wait for counts for the first of them.

        If only its packets say how long it is, they are counted. If that takes longer than `patience` seconds, the length is
        an estimate (`duration_estimated`); the counting goes on, for later requests. With None there is no limit.

        Raises `NotMedia` if it is no media that can be played, `TranscodeFailed` if ffprobe could not be run, `TimedOut`, or
        `Unavailable` if no process can be started or if ffprobe was ended from outside.
        """
        answer = await self._answers.get(_key(file), lambda: self._answer(file, client))
        if isinstance(answer, NotMedia):
            # A new exception each time: one that is raised twice would keep its first traceback.
            raise NotMedia(answer.detail)
        if not wants_count(answer):
            return answer
        return settle(answer, await self._scans.get(file, answer, patience, client))

    async def scan(
        self, file: MediaFile, media: Media, patience: float | None = SCAN_PATIENCE, client: str = ""
    ) -> PacketScan:
        """The times of the video's keyframes, if they are useful. A version of a file is scanned once.

        If the scan takes longer than `patience` seconds or fails, a scan without keyframes is returned; a scan that takes
        longer goes on, for later requests. With None there is no limit, and a failure of the scan is raised.
        """
        if not keyframes_are_useful(media):
            return scan_from_probe(media)
        return await self._scans.get(file, media, patience, client) or scan_from_probe(media)

    async def place_before(self, file: MediaFile, media: Media, time: float, client: str = "") -> float | None:
        """Where reading must begin so that a time of the video can be shown, both in seconds after the container's start.

        None: ffmpeg finds the place by itself, since the file has an index, or no place can be found, since its clock begins anew. Raises what `Commands.run` raises.
        """
        if media.default_video is None or is_indexed(media) or media.restarts:
            return None
        return place_before(await self._search_keyframe(file, media, time, client), time)

    async def keyframe_before(self, file: MediaFile, media: Media, time: float, client: str = "") -> float | None:
        """A keyframe of the video that is shown at `time` or shortly before, both in seconds after the container's start; None: none is known.

        Raises what `Commands.run` raises.
        """
        if media.default_video is None or media.restarts:
            return None
        if is_indexed(media) and keyframes_are_useful(media):
            scan = await self._scans.get(file, media, SCAN_PATIENCE, client)
            return None if scan is None else scan.keyframe_before(time)
        return await self._search_keyframe(file, media, time, client)

    async def _search_keyframe(self, file: MediaFile, media: Media, time: float, client: str) -> float | None:
        video = media.default_video
        assert video is not None  # noqa: S101 - the callers have seen to that
        keyframe, until = None, time
        for lead in LEADS:
            start = max(0.0, time - lead)
            arguments = keyframes_argv(INPUT_PATH, media, video.index, start, until + AFTER)
            output = await self._commands.run(
                self._ffprobe, arguments, file, self._deadline, MAX_SCAN_OUTPUT, client=client
            )
            keyframe = latest_keyframe(output.data, media, time)
            if keyframe is not None or start == 0:
                break
            until = start
        return keyframe

    async def landing_place(self, file: MediaFile, media: Media, time: float, client: str = "") -> float | None:
        """As `place_before`; but in a file with an index that can be read at once, it is where ffmpeg begins exactly at a keyframe."""
        if not is_indexed(media):
            return await self.place_before(file, media, time, client)
        if media.default_video is None or not keyframes_are_useful(media):
            return None
        scan = await self._scans.get(file, media, INDEX_PATIENCE, client)
        return None if scan is None else place_at(scan, media, time)

    async def _answer(self, file: MediaFile, client: str) -> Media | NotMedia:
        known = await self._memory.media(file)
        if known is not None:
            return known
        found = await self._run(file, client)
        # What is not known of a stream may be found out the next time, if a deadline was the reason.
        if isinstance(found, Media) and not found.unseen:
            self._memory.keep(file, found)
        return found

    async def _run(self, file: MediaFile, client: str) -> Media | NotMedia:
        try:
            output = await self._describe(file, client)
        except TooMuchOutput:
            return NotMedia(
                f"The file has more streams or longer titles than are possible: {MAX_OUTPUT:,} bytes of them."
            )
        except NotMedia as problem:
            return problem
        status = output.status
        # Ended by others, or not started (126 and 127 are exit codes of the launcher): that says nothing about the file.
        if status.reason is Reason.SHUTDOWN:
            raise server_stopping()
        failure = program_failure("ffprobe", status.exit_code, status.signal, status.stderr_tail)
        if isinstance(failure, NotMedia):
            return failure
        if failure is not None:
            raise failure
        if status.signal is not None or (status.exit_code or 0) >= 126:
            end = status.signal or f"status {status.exit_code}"
            raise TranscodeFailed(f"The file could not be looked at: ffprobe ended with {end}.", status.stderr_tail)
        if status.exit_code != 0 or not output.data:
            return NotMedia(
                "The file cannot be read as media: it is damaged, of an unknown kind, or names other files."
            )
        try:
            media = await self._threads.run(decode, output.data, file.size)
        except NotMedia as problem:
            return problem
        return await self._look_at_light(
            file, await self._survey(file, await self._look_further(file, media, client)), client
        )

    async def _look_further(self, file: MediaFile, media: Media, client: str) -> Media:
        """If a stream has shown no packet yet, read on until it does. If that does not help, what is known stays."""
        if not media.unseen:
            return media
        arguments = probe_argv(INPUT_PATH, texts=True, thorough=True)
        try:
            output = await self._commands.run(self._ffprobe, arguments, file, self._deadline, MAX_OUTPUT, client=client)
            found = await self._threads.run(decode, output.data, file.size)
        except (NotMedia, TimedOut):
            return media
        return found if found.unseen < media.unseen else media

    async def _look_at_light(self, file: MediaFile, media: Media, client: str) -> Media:
        """If the container of HDR video does not say how bright it is, its frames may. If they do not either, it stays unknown."""
        video = without_peak(media)
        if video is None:
            return media
        arguments = peak_argv(INPUT_PATH, video.index)
        try:
            output = await self._commands.run(self._ffprobe, arguments, file, self._deadline, MAX_OUTPUT, client=client)
        except (TooMuchOutput, TimedOut):
            return media
        return with_peak(media, output.data)

    async def _survey(self, file: MediaFile, media: Media) -> Media:
        """Look whether the header of the file can be believed. If not, its packets are to be counted."""
        if not is_surveyed(media.container):
            return media
        with await self._opener.open(file) as opened:
            cut, uneven = await self._opener.threads_for(file).run(_look, opened.fd, media.container, file.size)
        return attrs.evolve(media, cut=cut, duration_estimated=media.duration_estimated or cut or uneven)

    async def _describe(self, file: MediaFile, client: str) -> Output:
        """What ffprobe writes about a file; without its titles if they are too long."""
        try:
            return await self._commands.run(
                self._ffprobe, probe_argv(INPUT_PATH), file, self._deadline, MAX_OUTPUT, client=client
            )
        except TooMuchOutput:
            arguments = probe_argv(INPUT_PATH, texts=False)
            return await self._commands.run(self._ffprobe, arguments, file, self._deadline, MAX_OUTPUT, client=client)


def _look(fd: int, container: str, size: int) -> tuple[bool, bool]:
    """Whether the open file is cut off, and whether its clock goes on unevenly."""

    def read(offset: int, length: int) -> bytes:
        return os.pread(fd, length, offset)

    return is_cut(container, size, read), clock_is_uneven(container, size, read)


def _key(file: MediaFile) -> Key:
    return file.real_path, file.version


def _weigh_answer(answer: Media | NotMedia) -> int:
    return ENTRY + (answer.weight if isinstance(answer, Media) else len(answer.detail))
