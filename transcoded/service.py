"""The composition root: puts the parts together, starts them and stops them in order. Nothing else connects them."""

import os
from collections.abc import Mapping, Sequence

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web.resource import IResource

from transcoded.config import Settings, SettingsError, roots
from transcoded.plan.argv import Options
from transcoded.plan.endings import Ending, Reason
from transcoded.run.commands import Commands
from transcoded.run.demo import make_clips
from transcoded.run.ireactor import as_reactor
from transcoded.run.library import Library
from transcoded.run.probe import Prober
from transcoded.run.streams import Streams
from transcoded.run.threads import Threads
from transcoded.run.tools import ToolError, Tools, find_tools
from transcoded.web.admin import Admin
from transcoded.web.app import resource
from transcoded.web.page import Page
from transcoded.web.play import Play

_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LIBVA_DRIVER_NAME", "TMPDIR")


class Transcoded(Service):
    """The daemon without its listening ports: a service to be a child of yours, and a resource to be mounted anywhere.

    Stopping the service ends every transcoder; the Deferred of `stopService` fires when the last one is reaped.

    Raises `SettingsError` if the settings cannot work on this machine.
    """

    _log = Logger()

    def __init__(self, reactor: object, settings: Settings | None = None) -> None:
        self.settings = settings = settings or Settings()
        self._reactor = as_reactor(reactor)
        self._tools = _tools(settings)
        library = Library(_library(settings, self._tools))
        environment = _environment(os.environ)
        self._threads = Threads(self._reactor)
        self._commands = Commands(self._reactor, self._tools.launcher, environment, settings.grace)
        self._streams = Streams(self._reactor, self._tools.launcher, environment, settings.grace)
        prober = Prober(self._commands, self._tools.ffprobe)
        options = Options(settings.threads, settings.input_args, settings.output_args, self._tools.tone_maps)
        play = Play(library, self._threads, prober, self._streams, self._tools, options)
        self._resource = resource(play, Admin(library, self._threads, self._streams), Page())

    def resource(self) -> IResource:
        """The resource with all routes."""
        return self._resource

    def release(self, path: str) -> "Deferred[list[Ending]]":
        """End every stream on a file, or below a directory, of the library; fires when no process has it open any more."""
        return self._streams.end_all(self._streams.on(path), Reason.FILE_RELEASED)

    def startService(self) -> None:
        """Begin to serve."""
        super().startService()
        self._log.info("using ffmpeg {version} ({path})", version=self._tools.version, path=self._tools.ffmpeg)
        for gap in self._tools.launcher.gaps:
            self._log.warn("protection is off: {gap}", gap=gap)

    def stopService(self) -> "Deferred[None]":
        """Refuse new streams, end all, wait until all are reaped."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        endings = await self._streams.stop()
        await self._commands.stop()
        self._threads.stop()
        self._log.info("stopped; {count} streams ended by it", count=len(endings))


def _tools(settings: Settings) -> Tools:
    try:
        return find_tools(settings.ffmpeg, settings.ffprobe)
    except ToolError as error:
        raise SettingsError(error.name, str(error).removeprefix(f"{error.name}: ")) from error


def _library(settings: Settings, tools: Tools) -> Mapping[str, str]:
    media: Sequence[str] = settings.media
    if settings.demo:
        try:
            media = [*media, f"demo={make_clips(tools.ffmpeg, os.path.join(settings.cache_dir, 'demo'))}"]
        except (OSError, ValueError) as error:
            raise SettingsError("demo", f"the clips cannot be made: {error}") from error
    if not media:
        raise SettingsError("media", "nothing to serve; name a directory (--media DIR), or try --demo")
    return roots(media)


def _environment(environment: Mapping[str, str]) -> Mapping[str, str]:
    """What a transcoder sees of the daemon's environment: where programs, libraries and drivers are, and no secret."""
    return {**{name: environment[name] for name in _KEPT_VARIABLES if name in environment}, "LC_ALL": "C"}
