"""The first byte of media in the output of a muxer: what comes before it is a header, and there may be nothing behind it.

A client is answered with 200 at this byte and not earlier. ffmpeg writes the header when it knows the streams, and can still
find then that the rest cannot be made: the start is behind the end, a packet does not fit the container, an encoder fails.

* The media of the first stream counts, which is the video if there is one: the audio may go on for a while if the first frame
  cannot be decoded or encoded. `MAX_OTHER` bytes of another stream, or the end of an output with some, count as well: video can
  begin late, or be over where the output begins.
* The answer depends on the bytes alone, and not on how they were split.
* Nothing is kept but a piece of a header that is not complete. `MAX_HEADER` bytes are looked at.
* Whatever is not a header that these muxers write counts as media. So an output that is not known here is answered at its first
  byte, and one that has no end of headers at the end of `MAX_HEADER`: better too early than never.
"""

from transcoded.plan.media.output_scanners import LONGEST, SCANNERS, Other, Take, Wish, any_byte

MAX_HEADER = LONGEST
"""Bytes. All of a header is kept in memory until its end is found. The largest that ffmpeg writes have a cover in them, which is
usually below 500 KB; a larger header counts as media."""

MAX_OTHER = 256 * 1024
"""Bytes of media of other streams, before that of the first one, which are waited for."""


class FirstMedia:
    """Looks for the first byte of media in the output of `muxer`, an ffmpeg name. Feed it all bytes of the output in order."""

    def __init__(self, muxer: str) -> None:
        self._scanner = SCANNERS.get(muxer, any_byte)()
        self._wish: Wish = next(self._scanner)
        self._taken = bytearray()
        self._left = self._wish.size
        self._unseen = MAX_HEADER
        self._other = 0
        self.found = False
        """Whether the first byte of media was among the bytes so far."""

    @property
    def has_other(self) -> bool:
        """Whether there was media of another stream than the first. It counts when the output has ended well."""
        return self._other > 0

    def feed(self, data: bytes) -> bool:
        """Take more bytes, and return `found`."""
        view = memoryview(data)
        while not self.found and (view or not self._left):
            size = min(self._left, self._unseen, len(view))
            if isinstance(self._wish, Take):
                self._taken += view[:size]
            elif isinstance(self._wish, Other):
                size = min(size, MAX_OTHER - self._other)
                self._other += size
            view = view[size:]
            self._left -= size
            self._unseen -= size
            if not self._left:
                self._go_on()
            if not self._unseen or self._other >= MAX_OTHER:
                self.found = True
        return self.found

    def _go_on(self) -> None:
        """Grant the wish, and get the next one."""
        taken, self._taken = bytes(self._taken), bytearray()
        try:
            self._wish = self._scanner.send(taken)
        except StopIteration:
            self.found = True
        else:
            self._left = self._wish.size


MUXERS = frozenset(SCANNERS)
"""The muxers whose headers are known here, by ffmpeg's names."""
