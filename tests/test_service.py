"""The service as an application has it: made, started, stopped, and made again in the same process."""

from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import capturedLogs, formatEvent

from tests.support.programs import idle_programs
from tests.web.server import Server, reactor
from transcoded import Settings, SettingsError, Transcoded, service


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "films").mkdir()
    idle = idle_programs(tmp_path)
    media = (f"films={tmp_path / 'films'}",)
    return Settings(media=media, state_dir=str(tmp_path / "state"), ffmpeg=idle.ffmpeg, ffprobe=idle.ffprobe)


async def serves(transcoded: Transcoded) -> None:
    transcoded.startService()
    server = Server(transcoded.resource())
    answer = await server.ask("/healthz")
    assert answer.json == {"status": "ok"}
    await server.close()
    await transcoded.stopService()


@pytest_twisted.ensureDeferred
async def test_it_may_be_made_again_when_it_has_stopped(settings: Settings) -> None:
    """An application that changes a setting does that."""
    for _ in range(2):
        await serves(Transcoded(reactor, settings))


@pytest_twisted.ensureDeferred
async def test_it_may_be_made_again_when_it_could_not_be_made(settings: Settings) -> None:
    for changes in ({"ffmpeg": "/nowhere/ffmpeg"}, {"media": ("/nowhere",)}):
        changed: Any = changes
        with pytest.raises(SettingsError):
            Transcoded(reactor, attrs.evolve(settings, **changed))
    await serves(Transcoded(reactor, settings))


@pytest.mark.parametrize("step", ["build_engine", "build_site"])
@pytest_twisted.ensureDeferred
async def test_a_fault_of_ours_leaves_nothing_open_either(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(service, step, broken)
        with pytest.raises(ZeroDivisionError):
            Transcoded(reactor, settings)
    await serves(Transcoded(reactor, settings))


@pytest_twisted.ensureDeferred
async def test_a_stop_in_which_a_step_fails_gives_the_state_directory_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    first = Transcoded(reactor, settings)
    first.startService()
    monkeypatch.setattr(first._engine.events, "stop", broken)
    with pytest.raises(ZeroDivisionError):
        await first.stopService()
    first._engine.threads.stop()
    await serves(Transcoded(reactor, settings))


@pytest_twisted.ensureDeferred
async def test_a_stop_waits_for_webhooks_for_a_moment_only_and_calls_nothing_off(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is waited for goes on, so nothing of it fails with a cancellation that nobody looks at."""
    called_off: list[object] = []
    told: Deferred[None] = Deferred(called_off.append)
    transcoded = Transcoded(reactor, settings)
    transcoded.startService()
    monkeypatch.setattr(service, "WEBHOOK_TIMEOUT", 0.01)
    monkeypatch.setattr(transcoded._engine.webhooks, "when_idle", lambda: gatherResults([told]))
    await transcoded.stopService()
    assert not called_off


@pytest.mark.parametrize(("secret", "warned"), [(None, True), ("sixteen letters or more", False)])
@pytest_twisted.ensureDeferred
async def test_the_start_warns_if_nobody_can_tell_who_sent_a_webhook(
    settings: Settings, secret: str | None, warned: bool
) -> None:
    hooked = attrs.evolve(settings, webhook=("http://127.0.0.1:1/hush-hush",), webhook_secret=secret)
    transcoded = Transcoded(reactor, hooked)
    with capturedLogs() as events:
        transcoded.startService()
    await transcoded.stopService()
    said = [formatEvent(event) for event in events]
    assert any("set webhook_secret" in line for line in said) is warned
    assert "hush-hush" not in str(said)
