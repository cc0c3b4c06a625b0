"""Scans of the packets of files: when their keyframes are, and how long they are. A version of a file is scanned once.

The index of a file says the same in milliseconds. Where there is none that can be used, ffprobe lists all packets: that takes as long as it takes to read the
file, so few of these run at the same time, and a request need not wait for one.
"""

import os

from transcoded.plan.errors import TimedOut, TranscodedError, TranscodeFailed
from transcoded.plan.lru import ENTRY
from transcoded.plan.media.argv import INPUT_PATH
from transcoded.plan.media.probe import Media
from transcoded.plan.media.timeline.index.reader import has_index, read_index
from transcoded.plan.media.timeline.length import MAX_BYTES_COUNTED, wants_count
from transcoded.plan.media.timeline.packets import PacketScan, packets_argv, parse_packets, scan_from_probe
from transcoded.run.files.library import MediaFile
from transcoded.run.files.opener import FileOpener
from transcoded.run.media.file_memory import FileMemory
from transcoded.run.places import FairPlaces
from transcoded.run.process.commands import Commands
from transcoded.run.reactor import IReactor, within
from transcoded.run.shared_results import SharedResults

SCAN_DEADLINE = 30.0
SCAN_PATIENCE = 1.5
"""Seconds that a request waits for a scan of the packets. The scan itself goes on, for later requests."""

MAX_SCAN_OUTPUT = 48 << 20
"""Bytes. ffprobe writes about 50 for a packet; a film of two hours has 200,000 of video and 340,000 of audio."""

MAX_SCANS = 2
"""Scans by ffprobe that run at the same time. Each may need `MAX_SCAN_OUTPUT` of memory, and the CPU for seconds."""

MAX_SCANS_PER_CLIENT = 1
MAX_SCANS_WAITING = 64
"""Scans that wait. For a further file the keyframes are not known."""

MAX_READS = 3
"""Indexes that are read at the same time. Each may need `index.source.MAX_BYTES` of memory, and a usual one takes milliseconds."""

MAX_READS_WAITING = 512


class PacketScans:
    """Scans files. `ffprobe` is the path of the program. Scans are kept in `remembered` bytes, and in the `memory` of files."""

    def __init__(
        self,
        reactor: IReactor,
        commands: Commands,
        opener: FileOpener,
        ffprobe: str,
        memory: FileMemory,
        remembered: int,
    ) -> None:
        self._reactor = reactor
        self._commands = commands
        self._opener = opener
        self._ffprobe = ffprobe
        self._memory = memory
        # A scan goes on if nobody waits for it any more.
        self._scans: SharedResults[object, PacketScan] = SharedResults(
            reactor, remembered, lambda scan: ENTRY + scan.weight
        )
        self._scan_places = FairPlaces(reactor, MAX_SCANS, MAX_SCANS_PER_CLIENT, MAX_SCANS_WAITING)
        self._read_places = FairPlaces(reactor, MAX_READS, MAX_READS, MAX_READS_WAITING)

    async def get(self, file: MediaFile, media: Media, patience: float | None, client: str) -> PacketScan | None:
        """The scan of a file: of all its streams if its length `wants_count`, else of its video.

        None if it takes longer than `patience` seconds, or fails. With None there is no limit, and a failure is raised; `Unavailable` if
        `MAX_SCANS_WAITING` others wait.
        """
        scan = self._scans.get((file.real_path, file.version), lambda: self._scan(file, media, client))
        try:
            if patience is None:
                return await scan
            return await within(self._reactor, patience, scan, lambda: TimedOut("The scan is not finished yet."))
        except TranscodedError:
            if patience is None:
                raise
            return None

    async def _scan(self, file: MediaFile, media: Media, client: str) -> PacketScan:
        found = await self._memory.scan(file)
        if found is not None:
            return found
        found = await self._read_index(file, media, client)
        if found is None and media.size > MAX_BYTES_COUNTED:
            return scan_from_probe(media)
        if found is None:
            found = await self._list_packets(file, media, client)
        self._memory.keep(file, found)
        return found

    async def _read_index(self, file: MediaFile, media: Media, client: str) -> PacketScan | None:
        if not has_index(media.container):
            return None
        with await self._read_places.ask(client), await self._opener.open(file) as opened:
            found = await self._opener.threads_for(file).run(_index_of, opened.fd, media, file.size)
        # Most indexes tell nothing of the other streams.
        return None if found is None or (wants_count(media) and found.end is None) else found

    async def _list_packets(self, file: MediaFile, media: Media, client: str) -> PacketScan:
        # All streams tell how long a file is; for keyframes the video is enough.
        video = None if wants_count(media) else media.default_video
        arguments = packets_argv(INPUT_PATH, None if video is None else video.index)
        with await within(self._reactor, SCAN_DEADLINE, self._scan_places.ask(client), _crowded):
            output = await self._commands.run(
                self._ffprobe, arguments, file, SCAN_DEADLINE, MAX_SCAN_OUTPUT, client=client
            )
            if output.status.exit_code != 0 and not media.cut:
                raise TranscodeFailed("The packets of the file could not be looked through.")
            return await self._opener.threads.run(parse_packets, output.data, media)


def _index_of(fd: int, media: Media, size: int) -> PacketScan | None:
    def read(offset: int, length: int) -> bytes:
        return os.pread(fd, length, offset)

    return read_index(media, size, read)


def _crowded() -> Exception:
    return TimedOut("Other files are being looked through for their keyframes.")
