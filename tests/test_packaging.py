"""What goes into the wheel, and what the index shows of it."""

from __future__ import annotations

import re
import subprocess
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from hatchling.build import build_wheel

from hatch_build import MAPS_WANTED, with_absolute_links
from scripts import release

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
WHEEL = "sockwave-0.1.0-py3-none-any.whl"


def build(folder: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return folder / build_wheel(str(folder))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


def test_wheel_carries_every_tracked_file_of_the_package_but_source_maps(wheel: Path) -> None:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--", "sockwave"],
        cwd=ROOT / "src",
        check=True,
        stdout=subprocess.PIPE,
    )
    tracked = {
        name for name in listing.stdout.decode().split("\0") if (ROOT / "src" / name).is_file()
    }
    wanted = {name for name in tracked if not name.endswith(".map")}
    assert tracked > wanted > set()
    assert wanted <= set(zipfile.ZipFile(wheel).namelist())


def test_wheel_has_nothing_that_a_release_would_be_refused_for(wheel: Path) -> None:
    assert list(release.faults_of_wheel(wheel)) == []


def test_source_maps_come_with_the_wheel_when_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MAPS_WANTED, "1")
    assert list(release.faults_of_wheel(build(tmp_path), maps_wanted=True)) == []


def rewritten(wheel: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if (data := change(name, old.read(name))) is not None:
                new.writestr(name, data)
    return target


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("LICENSE", lambda name, data: None if name.endswith("client_dist/LICENSE") else data),
        ("typed", lambda name, data: None if name.endswith("py.typed") else data),
        ("nowhere", lambda name, data: data.replace(b"](https://example.org", b"](docs")),
        (
            "address",
            lambda name, data: data.replace(b"Repository, https://", b"Repository, http://"),
        ),
        ("classifiers", lambda name, data: data.replace(b"Python :: 3.11\n", b"Python :: 3.10\n")),
    ],
)
def test_release_is_refused_for(
    wheel: Path, tmp_path: Path, what: str, change: Callable[[str, bytes], bytes | None]
) -> None:
    faults = list(release.faults_of_wheel(rewritten(wheel, tmp_path / WHEEL, change)))
    assert faults
    assert all(what in fault for fault in faults)


def test_links_of_the_readme_are_absolute_where_there_is_no_repository() -> None:
    text = "[a](guide/a.md#b) ![p](guide/p.png) [w](https://w.org) [h](#here)"
    assert with_absolute_links(text, "https://r", "v1") == (
        "[a](https://r/blob/v1/guide/a.md#b) ![p](https://r/raw/v1/guide/p.png) "
        "[w](https://w.org) [h](#here)"
    )


def targets_of_ci() -> set[str]:
    script = (ROOT / ".ci" / "run").read_text()
    found = re.search(r"^for target in ([^;]+);", script, re.MULTILINE)
    together = re.search(r"^run ([a-z -]+?)(?: +#|$)", script, re.MULTILINE)
    assert found and together
    return {*found[1].split(), *together[1].split()}


def test_the_workflow_runs_what_ci_runs() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    commands = {
        job: [step["run"] for step in body["steps"] if "run" in step]
        for job, body in workflow["jobs"].items()
    }
    ours = {f"make {target}" for target in targets_of_ci()}
    assert set(commands["everything"]) == ours
    # On other systems that part of it which needs nothing but Python.
    assert commands["systems"] == ["make test"]
    assert "test" in re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f'"{project["version"]}"' in (ROOT / "src/sockwave/__init__.py").read_text()
