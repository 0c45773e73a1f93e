"""What goes into the wheel."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hatchling.build import build_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        name = build_wheel(str(folder))
    with zipfile.ZipFile(folder / name) as archive:
        yield archive


def test_wheel_carries_every_tracked_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--", "sockwave"],
        cwd=ROOT / "src",
        check=True,
        stdout=subprocess.PIPE,
    )
    tracked = {
        name for name in listing.stdout.decode().split("\0") if (ROOT / "src" / name).is_file()
    }
    assert tracked
    assert tracked <= set(wheel.namelist())


def test_wheel_says_that_it_is_typed(wheel: zipfile.ZipFile) -> None:
    assert "sockwave/py.typed" in wheel.namelist()


def test_wheel_carries_no_tests_and_no_tools(wheel: zipfile.ZipFile) -> None:
    folders = {name.partition("/")[0] for name in wheel.namelist()}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"sockwave"}
