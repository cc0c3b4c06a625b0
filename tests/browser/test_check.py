"""The check of the JavaScript says why it cannot run, and what it installs is recorded without addresses."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import HERE

ROOT = HERE.parents[1]


@pytest.mark.parametrize(("environment", "status"), [({}, 0), ({"CI": "true"}, 1)])
def test_without_npm_it_says_so_and_fails_in_continuous_integration_only(
    tmp_path: Path, environment: dict[str, str], status: int
) -> None:
    bash = shutil.which("bash")
    assert bash
    command = [bash, os.fspath(ROOT / ".ci" / "check-javascript")]
    done = subprocess.run(command, env={"PATH": os.fspath(tmp_path), **environment}, capture_output=True, check=False)
    assert done.returncode == status
    assert done.stderr == b"The JavaScript is not checked: there is no npm.\n"
    assert not done.stdout


@pytest.mark.parametrize("directory", [ROOT, HERE], ids=["checks", "players"])
def test_a_lock_file_has_checksums_and_no_address(directory: Path) -> None:
    """An address would bind everyone to one registry. `npm install` also writes where to give money; take `funding` out."""
    text = (directory / "package-lock.json").read_text("utf-8")
    assert "://" not in text
    assert '"resolved"' not in text
    lock: dict[str, Any] = json.loads(text)
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())


def test_the_checks_are_pinned_exactly() -> None:
    """Another version finds other faults, in code that has not changed."""
    package: dict[str, Any] = json.loads((ROOT / "package.json").read_text("utf-8"))
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in package["devDependencies"].values())
