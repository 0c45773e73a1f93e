"""The JavaScript packages are the versions that `package.json` names, and they load."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.support.peers import INTEROP, node

pytestmark = pytest.mark.interop

PACKAGES: dict[str, str] = json.loads((INTEROP / "package.json").read_text())["dependencies"]

COMMANDS = {"pyright"}
"""They begin their work when they are loaded, so that they are only looked up."""


@pytest.mark.parametrize("package", PACKAGES)
def test_reference_package_loads_in_its_version(package: str) -> None:
    peer = node()
    load = "require.resolve" if package in COMMANDS else "require"
    script = (
        f"{load}({package!r});"
        f"console.log(require('fs').readFileSync('node_modules/{package}/package.json', 'utf8'))"
    )
    run = subprocess.run(
        [peer.executable, "-e", script],
        cwd=INTEROP,
        env=peer.env,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    wanted = PACKAGES[package].rpartition("@")[2]
    assert json.loads(run.stdout)["version"] == wanted
