"""Memory: with a wrong number, a healthy machine ends streams, or a full machine starts more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.policy.memory import group_directories, group_fraction, machine_fraction

MEMINFO = """\
MemTotal:        8000000 kB
MemFree:          100000 kB
MemAvailable:    6000000 kB
Buffers:          200000 kB
Cached:          5000000 kB
"""
STAT_2 = "anon 500\nfile 900\nkernel 10\ninactive_anon 1\ninactive_file 400\nactive_file 500\n"
STAT_1 = "cache 900\nrss 500\ninactive_file 100\ntotal_cache 900\ntotal_inactive_file 400\n"
NO_LIMIT_1 = "9223372036854771712"


def test_available_memory_includes_the_page_cache() -> None:
    assert machine_fraction(MEMINFO) == pytest.approx(0.25)


@pytest.mark.parametrize("text", ["", "MemTotal: 0 kB\nMemAvailable: 0 kB\n", "MemTotal:  5 kB\n", "nonsense"])
def test_an_invalid_meminfo_gives_none(text: str) -> None:
    assert machine_fraction(text) is None


@pytest.mark.parametrize(
    ("limit", "usage", "stat", "expected"),
    [
        pytest.param("2000\n", "1400\n", STAT_2, 0.5, id="version 2: inactive file cache does not count"),
        pytest.param("max\n", "1400\n", STAT_2, None, id="version 2 without a limit"),
        pytest.param("2000\n", "1400\n", STAT_2.replace("inactive_file", "x"), 0.7, id="cache not known"),
        pytest.param(f"{NO_LIMIT_1}\n", "1400\n", STAT_1, None, id="version 1 without a limit"),
        pytest.param("1000\n", "300\n", STAT_2, 0.0, id="more cache than usage"),
        pytest.param("0\n", "300\n", "", None, id="a limit of 0"),
        pytest.param("", "", "", None, id="missing files"),
        pytest.param("2000", "many", "", None, id="nonsense"),
    ],
)
def test_the_fraction_of_a_control_group(limit: str, usage: str, stat: str, expected: float | None) -> None:
    found = group_fraction(limit, usage, stat)
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("0::/system.slice/t.service\n", [(2, "/system.slice/t.service"), (2, "/")], id="version 2"),
        pytest.param("0::/\n", [(2, "/"), (2, "/")], id="in a container"),
        pytest.param(
            "5:cpu,cpuacct:/c\n4:memory:/docker/abc\n1:name=systemd:/s\n",
            [(1, "/memory/docker/abc"), (1, "/memory")],
            id="version 1",
        ),
        pytest.param(
            "4:hugetlb,memory:/x:y\n0::/\n", [(1, "/memory/x:y"), (1, "/memory"), (2, "/"), (2, "/")], id="both"
        ),
        pytest.param("", [], id="neither"),
        pytest.param("nonsense\n", [], id="nonsense"),
    ],
)
def test_the_places_of_the_memory_files(text: str, expected: list[tuple[int, str]]) -> None:
    assert group_directories(text) == expected


@given(st.text(), st.text(), st.text())
def test_any_text_is_read_without_an_error(limit: str, usage: str, stat: str) -> None:
    fraction = group_fraction(limit, usage, stat)
    assert fraction is None or fraction >= 0
    machine_fraction(stat)
    group_directories(stat)
