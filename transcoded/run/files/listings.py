"""Listings of directories for code in the reactor, page by page.

A folder of 100,000 files takes a while, and a disk that does not answer takes longer. So listings have threads of their own:
they keep nobody from playing a file. Clients take turns at them.
"""

from transcoded.run.files.library import Library, Page
from transcoded.run.files.threads import Threads
from transcoded.run.places import FairPlaces
from transcoded.run.reactor import IReactor

AT_ONCE = 4
PER_CLIENT = 2
"""Listings that are made at the same time, in all and for one client."""


class Listings:
    """Lists directories of `library`, in threads of its own."""

    def __init__(self, reactor: IReactor, library: Library, threads: Threads | None = None) -> None:
        self._library = library
        self._threads = threads or Threads(reactor, AT_ONCE)
        self._places = FairPlaces(reactor, AT_ONCE, PER_CLIENT)

    async def page(self, path: str, limit: int, after: str = "", client: str = "") -> Page:
        """See `Library.listing`. `client` is the unit of fairness.

        Fails as `Library.listing`, `Threads.run` and `FairPlaces.ask` do.
        """
        with await self._places.ask(client):
            return await self._threads.run(self._library.listing, path, limit, after)

    def stop(self) -> None:
        """Refuse further calls. See `Threads.stop`."""
        self._threads.stop()
