"""Errors: without the right status a player retries what is hopeless, and without a sentence its user is left alone."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import transcoded
from transcoded.plan import errors
from transcoded.plan.errors import (
    BadParameter,
    BadRequest,
    Forbidden,
    Gone,
    MethodNotAllowed,
    NotFound,
    NotMedia,
    PreconditionFailed,
    RangeNotSatisfiable,
    TimedOut,
    TooManyAttempts,
    TranscodedError,
    TranscodeFailed,
    Unauthorized,
    Unavailable,
)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadParameter("height", "give less."), 400),
        (BadRequest("What?"), 400),
        (Unauthorized("A key is needed."), 401),
        (Forbidden("Not with this key."), 403),
        (NotFound("Nothing."), 404),
        (MethodNotAllowed(["GET", "HEAD"]), 405),
        (Gone("It has changed."), 410),
        (PreconditionFailed("It is not so."), 412),
        (NotMedia("A text."), 415),
        (RangeNotSatisfiable(10), 416),
        (TooManyAttempts(7), 429),
        (TranscodeFailed("It ended."), 500),
        (Unavailable("Full."), 503),
        (TimedOut("Too slow."), 504),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, TranscodedError) else "",
)
def test_each_error_has_the_status_of_the_contract_and_its_message_is_the_detail(
    error: TranscodedError, status: int
) -> None:
    assert error.status == status
    assert error.detail == str(error)
    assert error.detail


def test_whatever_looks_alike_to_a_client_has_the_same_status() -> None:
    """A title is the kind of problem, for programs: it must not stand for a mistake of the client's here and ours there."""
    public = [kind for kind in TranscodedError.__subclasses__() if kind.__module__ == errors.__name__]
    assert all(400 <= kind.status <= 599 for kind in public)
    assert len({kind.title for kind in public}) == len({(kind.title, kind.status) for kind in public})


def test_a_program_can_tell_which_parameter_is_wrong() -> None:
    error = BadParameter("height", "too small.")
    assert error.extra == {"parameter": "height"}
    assert error.detail == "height: too small."


def test_after_a_416_the_client_knows_the_size_and_can_ask_again() -> None:
    assert RangeNotSatisfiable(1234).headers == {"Content-Range": "bytes */1234"}


def test_a_full_server_says_when_to_come_back() -> None:
    assert Unavailable("Full.").headers == {"Retry-After": "5"}
    assert Unavailable("Full.", retry_after=30).headers == {"Retry-After": "30"}


def test_a_failed_transcoder_is_quoted() -> None:
    assert TranscodeFailed("It ended.", "line 1\nline 2\n").extra == {"stderr_tail": ["line 1", "line 2"]}
    assert TranscodeFailed("It ended.").extra == {}


def test_a_client_is_told_which_methods_there_are_how_to_sign_in_and_how_long_to_wait() -> None:
    assert MethodNotAllowed(["GET", "OPTIONS"]).headers == {"Allow": "GET, OPTIONS"}
    assert Unauthorized("A key is needed.").headers["WWW-Authenticate"].startswith("Bearer ")
    assert TooManyAttempts(7).headers == {"Retry-After": "7"}


def test_all_errors_that_a_client_can_be_told_live_in_one_module() -> None:
    """A program that handles them finds them in one place, and the documents tell all of them."""
    for module in pkgutil.walk_packages(transcoded.__path__, "transcoded."):
        importlib.import_module(module.name)

    def kinds(of: type[TranscodedError]) -> Iterator[type[TranscodedError]]:
        for kind in of.__subclasses__():
            yield kind
            yield from kinds(kind)

    elsewhere = {
        k for k in kinds(TranscodedError) if k.__module__.startswith("transcoded.") and k.__module__ != errors.__name__
    }
    assert elsewhere == set()
