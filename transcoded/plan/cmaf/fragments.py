"""Movie fragments of one track (ISO/IEC 14496-12, section 8.8): read into samples, and written from samples.

A sample has absolute times, in ticks of the track's timescale, and does not refer to its fragment. So a segment can be
built from the samples of any number of fragments.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence

import attrs

from transcoded.plan.cmaf.boxes import BoxError, box, child, children, full_box, unpack, version_and_flags

# Section 8.8.3.1: sample_is_non_sync_sample; sample_depends_on is 2 (on no other sample) or 1 (on others).
NON_SYNC = 0x00010000
SYNC_FLAGS, NON_SYNC_FLAGS = 0x02000000, 0x01000000 | NON_SYNC

_WRAP = 1 << 64
_BASE_OFFSET, _DESCRIPTION, _DURATION, _SIZE, _FLAGS = 0x1, 0x2, 0x8, 0x10, 0x20
_DEFAULT_BASE_IS_MOOF = 0x20000
_RUN_OFFSET, _RUN_FIRST_FLAGS = 0x1, 0x4
_RUN_DURATION, _RUN_SIZE, _RUN_FLAGS, _RUN_COMPOSITION = 0x100, 0x200, 0x400, 0x800


@attrs.frozen
class Track:
    """What an init segment says about a track.

    `handler` is `vide` or `soun`. `entry` is the type of the first sample entry, `config` its payload (section 8.5.2).
    `duration`, `size` and `flags` are the defaults of the samples (section 8.8.3).
    """

    id: int
    timescale: int
    handler: str
    entry: bytes
    config: bytes
    duration: int
    size: int
    flags: int


@attrs.frozen
class Sample:
    """One frame: decode time, presentation time and duration in ticks. `sync`: decoding can begin here."""

    dts: int
    pts: int
    duration: int
    sync: bool
    data: bytes


def read_track(moov: bytes) -> Track:
    """The only track in the payload of a `moov` box. Raises `BoxError` if there is no track or more than one."""
    tracks = [inner.payload for inner in children(moov) if inner.type == b"trak"]
    if len(tracks) != 1:
        raise BoxError(f"one track was expected, not {len(tracks)}")
    header, media = child(tracks[0], b"tkhd"), child(tracks[0], b"mdia", b"mdhd")
    (track_id,) = unpack(">I", header, 20 if header[:1] == b"\x01" else 12)
    (timescale,) = unpack(">I", media, 20 if media[:1] == b"\x01" else 12)
    if not timescale:
        raise BoxError("a track's timescale is 0")
    handler = child(tracks[0], b"mdia", b"hdlr")[8:12].decode("latin-1")
    entry = next(children(child(tracks[0], b"mdia", b"minf", b"stbl", b"stsd"), 8), None)
    if entry is None:
        raise BoxError("a track has no sample entry")
    extends = next((b.payload for b in children(moov) if b.type == b"mvex"), b"")
    defaults = next((b.payload for b in children(extends) if b.type == b"trex"), bytes(24))
    duration, size, flags = unpack(">III", defaults, 12)
    return Track(track_id, timescale, handler, entry.type, entry.payload, duration, size, flags)


def read_samples(track: Track, moof: bytes, mdat: bytes) -> list[Sample]:
    """The track's samples in a movie fragment, in decoding order.

    `moof` and `mdat` are the payloads of the two boxes; in the stream, the one must directly follow the other. ffmpeg
    writes negative decode times (priming of AAC, reordered video) as values near 2^64: here they are negative again.

    Raises `BoxError` if a box is damaged, or if a sample lies outside the `mdat`.
    """
    samples: list[Sample] = []
    # Offsets count from the first byte of the moof box (default-base-is-moof). Each of the two headers has 8 bytes.
    shift = len(moof) + 16
    for fragment in (inner.payload for inner in children(moof) if inner.type == b"traf"):
        header = child(fragment, b"tfhd")
        if unpack(">I", header, 4)[0] == track.id:
            samples += _fragment(track, fragment, header, mdat, shift)
    return samples


def _fragment(track: Track, fragment: bytes, header: bytes, mdat: bytes, shift: int) -> Iterator[Sample]:
    _, has = version_and_flags(header)
    if has & _BASE_OFFSET or not has & _DEFAULT_BASE_IS_MOOF:
        raise BoxError("data offsets of a fragment must count from its moof box (default_base_moof)")
    defaults, at = [track.duration, track.size, track.flags], 8 + 4 * bool(has & _DESCRIPTION)
    for index, flag in enumerate((_DURATION, _SIZE, _FLAGS)):
        if has & flag:
            (defaults[index],) = unpack(">I", header, at)
            at += 4
    decode = child(fragment, b"tfdt")
    (time,) = unpack(">Q" if version_and_flags(decode)[0] else ">I", decode, 4)
    time -= _WRAP if time >= _WRAP // 2 else 0
    position = 0
    for run in (inner.payload for inner in children(fragment) if inner.type == b"trun"):
        for duration, size, flags, composition, offset in _run(run, defaults):
            if offset is not None:
                position = offset - shift
            if position < 0 or position + size > len(mdat):
                raise BoxError("a sample lies outside its fragment")
            data = mdat[position : position + size]
            yield Sample(time, time + composition, duration, not flags & NON_SYNC, data)
            time, position = time + duration, position + size


def _run(run: bytes, defaults: Sequence[int]) -> Iterator[tuple[int, int, int, int, int | None]]:
    """Duration, size, flags and composition offset of each sample of a `trun`, and the data offset of the first."""
    version, has = version_and_flags(run)
    (count,) = unpack(">I", run, 4)
    at, offset, first_flags = 8, None, None
    if has & _RUN_OFFSET:
        ((offset,), at) = unpack(">i", run, at), at + 4
    if has & _RUN_FIRST_FLAGS:
        ((first_flags,), at) = unpack(">I", run, at), at + 4
    fields = [has & flag for flag in (_RUN_DURATION, _RUN_SIZE, _RUN_FLAGS)]
    layout = struct.Struct(">" + "I" * sum(map(bool, fields)) + ("iI"[not version] if has & _RUN_COMPOSITION else ""))
    if at + count * layout.size > len(run):
        raise BoxError(f"a run of {count} samples does not fit into {len(run)} bytes")
    for index in range(count):
        values = iter(layout.unpack_from(run, at + index * layout.size))
        duration, size, flags = (
            next(values) if there else default for there, default in zip(fields, defaults, strict=True)
        )
        if index == 0 and first_flags is not None:
            flags = first_flags
        yield duration, size, flags, next(values, 0), offset if index == 0 else None


def write_fragment(sequence: int, track: int, samples: Sequence[Sample]) -> bytes:
    """A `moof` and an `mdat` with these samples in one run. Each sample must begin where the one before it ends.

    Composition offsets are signed (`trun` version 1). A value that all samples share is written once, so that audio
    costs four bytes a frame.
    """
    durations = {sample.duration for sample in samples}
    syncs = {sample.sync for sample in samples}
    flags = [SYNC_FLAGS if sample.sync else NON_SYNC_FLAGS for sample in samples]
    has_header, defaults = _DEFAULT_BASE_IS_MOOF, b""
    columns: list[Iterable[int]] = []
    has_run = _RUN_OFFSET | _RUN_SIZE
    if len(durations) == 1:
        has_header |= _DURATION
        defaults += struct.pack(">I", samples[0].duration)
    else:
        has_run |= _RUN_DURATION
        columns.append(sample.duration for sample in samples)
    columns.append(len(sample.data) for sample in samples)
    if len(syncs) == 1:
        has_header |= _FLAGS
        defaults += struct.pack(">I", flags[0])
    else:
        has_run |= _RUN_FLAGS
        columns.append(flags)
    if any(sample.pts != sample.dts for sample in samples):
        has_run |= _RUN_COMPOSITION
        columns.append((sample.pts - sample.dts) & 0xFFFFFFFF for sample in samples)
    table = [value for row in zip(*columns, strict=True) for value in row]
    rows = struct.pack(f">{len(table)}I", *table)
    size = 8 + 16 + 8 + (16 + len(defaults)) + 20 + (20 + len(rows))
    moof = box(
        b"moof",
        full_box(b"mfhd", 0, 0, struct.pack(">I", sequence)),
        box(
            b"traf",
            full_box(b"tfhd", 0, has_header, struct.pack(">I", track), defaults),
            full_box(b"tfdt", 1, 0, struct.pack(">Q", samples[0].dts)),
            full_box(b"trun", 1, has_run, struct.pack(">Ii", len(samples), size + 8), rows),
        ),
    )
    return moof + box(b"mdat", *(sample.data for sample in samples))


def write_init(ftyp: bytes, moov: bytes, delay: int) -> bytes:
    """An init segment from the payloads of a `ftyp` and a `moov`. Its edit list shows each frame `delay` ticks earlier.

    The decode times of a segment begin at the segment's own start. So with reordered frames all composition times are
    later than the presentation times, by `delay`. The edit list (section 8.6.6) corrects this; ffmpeg's own segmenters
    write the same. All other edits are removed.
    """
    edits = box(b"edts", full_box(b"elst", 0, 0, struct.pack(">IIihh", 1, 0, delay, 1, 0))) if delay else b""
    parts: list[bytes] = []
    for inner in children(moov):
        if inner.type == b"trak":
            kept = [(b.type, box(b.type, b.payload)) for b in children(inner.payload) if b.type != b"edts"]
            parts.append(box(b"trak", *(data + (edits if kind == b"tkhd" else b"") for kind, data in kept)))
        elif inner.type != b"udta":  # it contains ffmpeg's name and version, which are not published
            parts.append(box(inner.type, inner.payload))
    return box(b"ftyp", ftyp) + box(b"moov", *parts)
