"""Listings of directories for code in the reactor, page by page.

A folder of 100,000 files takes a while, and a disk that does not answer takes longer. So listings have threads of their own:
they keep nobody from playing a file. Clients take turns at them.
"""

from transcoded.plan.errors import TranscodedError
from transcoded.run.files.complaints import Complaints
from transcoded.run.files.folders import Folders, Page
from transcoded.run.files.library import disk_of
from transcoded.run.files.threads import Threads
from transcoded.run.places import FairPlaces
from transcoded.run.reactor import IReactor

AT_ONCE = 8
PER_CLIENT = 2
"""Listings that are made at the same time, in all and for one client."""

MAX_THREADS = 16
"""More than listings: some may hang on a disk that does not answer, after their requests have been told so."""


class Listings:
    """Lists directories, in threads of its own. `complaints` tells the operator what cannot be read."""

    def __init__(
        self, reactor: IReactor, folders: Folders, complaints: Complaints, threads: Threads | None = None
    ) -> None:
        self._folders = folders
        self._complaints = complaints
        self._threads = threads or Threads(reactor, MAX_THREADS)
        self._places = FairPlaces(reactor, AT_ONCE, PER_CLIENT)

    async def page(self, path: str, limit: int, after: str = "", client: str = "") -> Page:
        """See `Folders.page`. `client` is the unit of fairness.

        Fails as `Folders.page`, `Threads.run` and `FairPlaces.ask` do.
        """
        with await self._places.ask(client):
            try:
                page = await self._threads.of_disk(disk_of(path)).run(self._folders.page, path, limit, after)
            except TranscodedError as error:
                self._complaints.note(error)
                raise
        unreadable = [entry for entry in page.entries if not entry.readable]
        if unreadable:
            self._complaints.listed(path, len(unreadable), unreadable[0].path)
        return page

    def stop(self) -> None:
        """Refuse further calls. See `Threads.stop`."""
        self._threads.stop()
