"""What this project needs of a reactor, as one interface."""

from typing import cast

from twisted.internet.interfaces import IReactorCore, IReactorFDSet, IReactorProcess, IReactorThreads, IReactorTime


class IReactor(IReactorCore, IReactorFDSet, IReactorProcess, IReactorThreads, IReactorTime):
    """Descriptors, time, processes and threads: every reactor on a POSIX system."""


def as_reactor(reactor: object) -> IReactor:
    """The same object, for the type checker: Twisted declares the parts, and no name for the whole."""
    return cast(IReactor, reactor)
