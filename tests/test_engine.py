"""How the parts are connected. A forgotten connection is missed only when it is needed: no watchdog, no ending log, no events."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.support.programs import idle_programs
from tests.web.server import reactor
from transcoded.config import Settings
from transcoded.engine import Engine, build_engine
from transcoded.host import Host
from transcoded.plan.http.subkeys import Subkeys
from transcoded.run.segments.disk_files import DiskFiles
from transcoded.version import VERSION


def open_host(films: Path, state: str) -> Host:
    """A host whose programs do nothing."""
    idle = idle_programs(films)
    return Host.open(Settings(media=(f"films={films}",), state_dir=state, ffmpeg=idle.ffmpeg, ffprobe=idle.ffprobe))


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    (tmp_path / "films").mkdir()
    host = open_host(tmp_path / "films", str(tmp_path / "state"))
    yield host
    host.close()


def parts_of(engine: Engine) -> dict[str, Any]:
    """The parts that were built, by their names."""
    return {name: part for name, part in attrs.asdict(engine, recurse=False).items() if name != "host"}


def observers_of(engine: Engine) -> list[object]:
    """The observers of the streams, in the order in which they are called."""
    return list(engine.streams._observers._observers)


def test_every_part_with_a_tick_is_ticked(host: Host) -> None:
    engine = build_engine(reactor, host)
    ticking = {name: part for name, part in parts_of(engine).items() if hasattr(part, "tick")}
    assert set(ticking) == {"peers", "admission", "segments", "viewings", "prepares", "orphans", "events"}
    owners = [getattr(tick, "__self__", None) for tick in engine.ticks]
    assert all(any(part is owner for owner in owners) for part in ticking.values())
    assert engine.notifier.watchdog in engine.ticks


def test_the_watchdog_is_told_last(host: Host) -> None:
    """systemd must hear nothing from a daemon whose other ticks do not come to their end."""
    engine = build_engine(reactor, host)
    assert engine.ticks[-1] == engine.notifier.watchdog


def test_every_observer_of_streams_is_called_and_the_ending_log_first(host: Host) -> None:
    """What a client is told about an Ending must be in the log by then."""
    engine = build_engine(reactor, host)
    observing = {name for name, part in parts_of(engine).items() if hasattr(part, "stream_ended")}
    assert observing == {"ending_log", "events", "metrics", "webhooks", "prepares"}
    observers = observers_of(engine)
    assert observers == [engine.ending_log, engine.events, engine.metrics, engine.webhooks, engine.prepares]


def test_without_a_state_directory_there_is_no_ending_log(tmp_path: Path) -> None:
    host = open_host(tmp_path, "off")
    engine = build_engine(reactor, host)
    assert engine.ending_log is None
    assert observers_of(engine) == [engine.events, engine.metrics, engine.webhooks, engine.prepares]
    host.close()


def test_nothing_is_scheduled_before_the_start(host: Host) -> None:
    """An application may build the service, and then decide not to start it."""
    before = set(reactor.getDelayedCalls())
    build_engine(reactor, host)
    assert set(reactor.getDelayedCalls()) == before


def test_the_key_that_signs_is_that_of_the_settings_or_a_new_one(host: Host) -> None:
    first, second = build_engine(reactor, host), build_engine(reactor, host)
    assert first.subkeys != second.subkeys
    given = attrs.evolve(host, settings=attrs.evolve(host.settings, signing_key="k" * 32))
    subkeys = build_engine(reactor, given).subkeys
    assert subkeys == Subkeys.of("k" * 32)
    shown = repr(build_engine(reactor, given)).replace(repr(given), "")
    assert "k" * 32 not in shown
    assert repr(subkeys.urls) not in shown


def test_segments_are_kept_on_disk_as_the_settings_say(host: Host, tmp_path: Path) -> None:
    assert build_engine(reactor, host).disk is None
    files = DiskFiles.open(str(tmp_path / "segments"))
    with closing(files):
        kept = attrs.evolve(host, segments=files, settings=attrs.evolve(host.settings, cache_disk_max=1 << 30))
        engine = build_engine(reactor, kept)
        assert engine.disk is not None
        assert engine.disk.quota == 1 << 30
        assert engine.cache.second is engine.disk
        assert host.tools.version in engine.made_with, "another ffmpeg makes other bytes"
        assert VERSION in engine.made_with
