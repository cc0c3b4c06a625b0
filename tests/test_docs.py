"""The documents name what the code has: every setting with its flag, variable, default and meaning, every route, field and status.

A user who trusts them would otherwise look in vain for what exists, or try what does not.
"""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import pytest

import transcoded.plan
import transcoded.run
import transcoded.web
from tests.support import REPOSITORY
from transcoded.config import Settings, about, names
from transcoded.config_sources import load
from transcoded.plan.endings import Ending, Reason
from transcoded.plan.errors import TranscodedError
from transcoded.plan.http import ignored
from transcoded.plan.media.formats import FORMATS
from transcoded.plan.media.media_types import suffixes_by_type
from transcoded.plan.media.params import StreamParams
from transcoded.run.process.lifecycle import State
from transcoded.run.streams.stream_info import StreamInfo
from transcoded.web.route import Route

DOCS = REPOSITORY / "docs"
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *DOCS.glob("*.md")])


def read(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def rows(text: str) -> Sequence[Sequence[str]]:
    """The cells of all lines of tables; a bar in a cell is written with a backslash."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("|") and not line.startswith("|---")]
    return [[cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


# Settings.

SETTINGS: Mapping[str, Sequence[str]] = {
    row[0].strip("`"): row[1:] for row in rows(read("settings.md")) if len(row) == 5
}
OF_THE_MACHINE = {
    "max_connections": "4096, or half of the descriptors allowed",
    "max_streams": "the number of CPUs, at least 2",
    "cache_dir": "`~/.cache/transcoded`",
}


@pytest.mark.parametrize("name", names())
def test_every_setting_is_told_with_flag_variable_default_and_meaning(name: str) -> None:
    assert name in SETTINGS, f"docs/settings.md lacks the setting {name}"
    flag, variable, default, meaning = SETTINGS[name]
    assert flag == f"`--{name.replace('_', '-')}`"
    assert variable == f"`TRANSCODED_{name.upper()}`"
    # A default of the machine is given in words.
    if name in OF_THE_MACHINE:
        assert default == OF_THE_MACHINE[name]
    elif default in {"not set", "off"}:
        assert getattr(Settings(), name) in {None, ()}
    else:
        given = default.strip("`")
        assert getattr(load({name: given}, {}), name) == getattr(Settings(), name)
    assert meaning.startswith(about(name).help)


def test_no_setting_is_told_that_there_is_not() -> None:
    assert set(SETTINGS) - {"setting"} == set(names())


# Routes.


def routes() -> Iterator[Route]:
    """Every route of the package: `route` marks methods, and there is no other way to make one."""
    for module in pkgutil.iter_modules(transcoded.web.__path__, "transcoded.web."):
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if kind.__module__ == module.name:
                marked = [getattr(member, "route", None) for _, member in inspect.getmembers(kind, inspect.isfunction)]
                yield from (one for one in marked if isinstance(one, Route))


ROUTES = {
    (re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", one.url), method): one
    for one in routes()
    for method in one.methods
    if method != "HEAD"
}


def told_routes() -> Mapping[tuple[str, str], str]:
    """What docs/http-api.md tells in its overview: the access of each route and method."""
    told = {}
    for row in rows(read("http-api.md").partition("## Overview")[2].partition("\n## ")[0]):
        for url in re.findall(r"`(/[^`]*)`", row[0]):
            told.update({(url, method): row[3] for method in row[1].split(", ")})
    return told


@pytest.mark.parametrize("route", ROUTES.values(), ids=lambda one: f"{one.methods[0]} {one.url}")
def test_every_route_is_told_with_what_it_takes_to_use_it(route: Route) -> None:
    told = told_routes()
    for (url, method), one in ROUTES.items():
        if one is route:
            assert (url, method) in told, f"docs/http-api.md lacks {method} {url}"
            assert told[url, method] == route.access.name.lower()


def test_no_route_is_told_that_there_is_not() -> None:
    assert set(told_routes()) == set(ROUTES)


# Names that programs rely on.


def kinds(of: type[TranscodedError]) -> Iterator[type[TranscodedError]]:
    yield of
    for kind in of.__subclasses__():
        yield from kinds(kind)


def test_every_status_is_told() -> None:
    list(routes())  # each module has its own problems
    told = {(row[0], title) for row in rows(read("http-api.md")) if row[0].isdigit() for title in row[1].split(", ")}
    for kind in kinds(TranscodedError):
        if kind.__module__.startswith("transcoded."):
            assert (str(kind.status), kind.title) in told, f"docs/http-api.md lacks {kind.status} {kind.title}"


@pytest.mark.parametrize(
    "name",
    [
        *StreamInfo.__struct_fields__,
        *Ending.__struct_fields__,
        *Reason,
        *(state for state in State if state is not State.REAPED),
        *FORMATS,
        *inspect.signature(StreamParams).parameters,
    ],
)
def test_every_field_reason_state_format_and_parameter_is_told(name: str) -> None:
    assert f"`{name}`" in read("http-api.md") or f'"{name}"' in read("http-api.md")


def test_every_metric_is_told() -> None:
    source = (REPOSITORY / "transcoded" / "web" / "metrics.py").read_text("utf-8")
    whole = set(re.findall(r'"(transcoded_[a-z_]+)"', source))
    # The gate's are put together from their last parts.
    parts = {f"transcoded_{name}" for name in re.findall(r'\("(?!transcoded)([a-z_]+)", "[A-Z]', source)}
    assert whole
    assert parts
    for name in whole | parts:
        assert f"`{name}" in read("operating.md"), f"docs/operating.md lacks {name}"


# Modules.


@pytest.mark.parametrize("layer", [transcoded.plan, transcoded.run, transcoded.web], ids=lambda layer: layer.__name__)
def test_every_module_is_told(layer: ModuleType) -> None:
    for module in pkgutil.walk_packages(layer.__path__, f"{layer.__name__}."):
        if module.ispkg:
            continue
        name = module.name.rpartition(".")[2]
        assert f"`{name}`" in read("architecture.md"), f"docs/architecture.md lacks {module.name}"


# Links.


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub and others make them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        where = document.parent / path if path else document
        assert where.exists(), f"{document.name} links to {target}"
        if anchor:
            assert anchor in anchors(where), f"{document.name} links to {target}"


TESTS = re.compile(r"`(test_[a-z_0-9]+)`")
PLACES = re.compile(r"\b((?:live|run|web|plan|security|deploy)/(?:[a-z_]+/)?test_[a-z_]+)")


def test_the_tests_that_are_named_as_proof_exist() -> None:
    text = read("guarantees.md")
    for place in set(PLACES.findall(text)):
        assert (REPOSITORY / "tests" / f"{place}.py").exists(), f"docs/guarantees.md names {place}"
    for row in rows(text):
        places = PLACES.findall(row[-1])
        code = "".join((REPOSITORY / "tests" / f"{place}.py").read_text("utf-8") for place in places)
        for name in TESTS.findall(row[-1]) if places else ():
            assert f"def {name}(" in code, f"docs/guarantees.md names {name}"


def test_every_promise_of_security_has_its_test() -> None:
    """There, a place can be short: `keys` stands for `security/test_keys`."""
    text = read("security.md")
    proofs = re.findall(r"`([a-z_/]+)`:((?:[,\s]*`test_[a-z_0-9]+`)+)", text)
    assert {name for _, named in proofs for name in TESTS.findall(named)} == set(TESTS.findall(text))
    for place, named in proofs:
        path = REPOSITORY / "tests" / (f"{place}.py" if "/" in place else f"security/test_{place}.py")
        assert path.exists(), f"docs/security.md names {place}"
        code = path.read_text("utf-8")
        for name in TESTS.findall(named):
            assert f"def {name}(" in code, f"docs/security.md names {place}: {name}"


def test_every_suffix_is_told_with_its_media_type() -> None:
    told = {row[0].strip("`"): re.findall(r"`(\.[^`]+)`", row[1]) for row in rows(read("http-api.md")) if len(row) == 2}
    for media_type, suffixes in suffixes_by_type().items():
        assert told.get(media_type) == suffixes, f"docs/http-api.md is wrong about {media_type}"


def test_every_parameter_that_is_ignored_is_told() -> None:
    text = read("http-api.md").partition("### Ignored parameters")[2].partition("\n### ")[0].lower()
    for name in ignored._NAMES:
        assert f"`{name}`" in text
    for prefix in ignored._PREFIXES:
        assert f"`{prefix}…`" in text
