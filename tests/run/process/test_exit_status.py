"""How an exit is told. An Ending that confuses a crash with an exit code sends its reader to the wrong place."""

import signal

import pytest
from twisted.internet.error import ProcessDone, ProcessTerminated

from transcoded.run.process.exit_status import exit_of


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        pytest.param(ProcessDone(0), (0, None), id="well"),
        pytest.param(ProcessTerminated(69, None, 69 << 8), (69, None), id="with a status"),
        pytest.param(ProcessTerminated(None, signal.SIGSEGV, 11), (None, "SIGSEGV"), id="by a signal"),
        pytest.param(
            ProcessTerminated(None, signal.SIGRTMIN + 1, 35),
            (None, f"SIG{signal.SIGRTMIN + 1}"),
            id="one without a name",
        ),
    ],
)
def test_what_twisted_tells(how: Exception, expected: tuple[int | None, str | None]) -> None:
    assert exit_of(how) == expected
