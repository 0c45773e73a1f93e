"""Build what is handed out, and see that it is whole: `python -m scripts.release`.

The wheel and the archive of the sources go to `dist/`. They are looked at from outside: what is in
them, what the index will show, and whether the wheel alone, in an empty environment of each Python
at hand, serves the demo, carries events from a client to a server, and has types.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scripts import pythons
from scripts.quiet import is_ci, say, succeeds

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["faults_of_archive", "faults_of_metadata", "faults_of_wheel"]

ROOT: Final = Path(__file__).resolve().parent.parent
DIST: Final = ROOT / "dist"
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())
VERSION: Final = PROJECT["project"]["version"]
LICENCES: Final = (
    "LICENSE",
    "src/sockwave/admin/ui_dist/LICENSE",
    "src/sockwave/socketio/server/client_dist/LICENSE",
)
STARTS_WITHIN: Final = 60.0
ALONE: Final = {"PYTHONPATH": ""}
"""In the environment of what is tried: the folder of the sources must not help."""

PIP: Final = ("-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")

SMOKE: Final = """
import asyncio, sockwave

async def main():
    io = sockwave.Server()

    @io.on("connection")
    def connection(socket):
        socket.on("echo", lambda value: value)

    async with io.listen(host="127.0.0.1", port=0) as listening:
        url, sent = f"http://127.0.0.1:{listening.port}", {"bytes": b"\\0\\1", "none": None}
        for transport in ("polling", "websocket"):
            async with sockwave.connect(url, transports=[transport]) as client:
                assert await client.emit_with_ack("echo", sent, timeout=30) == sent

assert "site-packages" in sockwave.__file__, sockwave.__file__
asyncio.run(main())
"""


def build() -> tuple[Path, Path] | None:
    """Build both anew; the archive first, and the wheel from it, as whoever builds it will."""
    shutil.rmtree(DIST, ignore_errors=True)
    if not succeeds((sys.executable, "-m", "build", "--no-isolation", "--outdir", DIST, ROOT)):
        return None
    (wheel,), (archive,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    return wheel, archive


def faults_of_wheel(wheel: Path, *, maps_wanted: bool = False) -> Iterator[str]:
    """What is wrong with the files of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith("/METADATA")))
    folders = {name.partition("/")[0] for name in names}
    if strangers := {name for name in folders if not name.endswith(".dist-info")} - {"sockwave"}:
        yield f"the wheel has other folders: {sorted(strangers)}"
    if any(name.endswith(".map") for name in names) is not maps_wanted:
        yield "the wheel has source maps" if not maps_wanted else "the wheel has no source maps"
    if "sockwave/py.typed" not in names:
        yield "the wheel does not say that it is typed"
    for licence in LICENCES:
        if not any(name.endswith(f".dist-info/licenses/{licence}") for name in names):
            yield f"the wheel has no {licence} among its licences"
    yield from faults_of_metadata(metadata)


def faults_of_metadata(metadata: bytes) -> Iterator[str]:
    """What is wrong with what the index shows."""
    message = message_from_bytes(metadata)
    repository = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["custom"]["repository"]
    urls = message.get_all("Project-URL") or []
    if not urls:
        yield "there are no addresses of the project"
    for url in urls:
        if not url.partition(", ")[2].startswith(repository):
            yield f"an address is not made of that of the repository: {url}"
    text = str(message.get_payload())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("https://", "http://", "#")):
            yield f"the README links to {target}, which is nowhere outside the repository"
    promised = {
        line.rpartition(" ")[2]
        for line in message.get_all("Classifier") or []
        if re.search(r"Python :: 3\.\d+$", line)
    }
    tested = {f"{major}.{minor}" for major, minor in pythons.SUPPORTED}
    if promised != tested:
        yield f"classifiers name {sorted(promised)}, tests run on {sorted(tested)}"


def faults_of_archive(archive: Path) -> Iterator[str]:
    """What is wrong with the sources that are handed out."""
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    for wanted in (
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "src/sockwave/py.typed",
        "docs/index.md",
    ):
        if wanted not in names:
            yield f"the archive has no {wanted}"
    if private := sorted(n for n in names if n.startswith((".ci", ".github", ".cache", ".venv"))):
        yield f"the archive has {private[0]}"


def faults_on(version: tuple[int, int], python: Path, wheel: Path) -> Iterator[str]:
    """What is wrong when only the wheel is there, in an empty environment."""
    named = f"Python {version[0]}.{version[1]}"
    say(f"Trying the wheel on {named}")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        inside = place / "env" / "bin" / "python"
        if not succeeds((python, "-m", "venv", place / "env")):
            yield f"{named}: no environment could be made"
            return
        constraints = ("-c", ROOT / "requirements" / "constraints.txt")
        wanted = (f"{wheel}[client,redis,postgres,nats]", "mypy")
        if not succeeds(
            (inside, *PIP, "install", "--no-compile", *wanted, *constraints), cwd=place
        ):
            yield f"{named}: the wheel cannot be installed"
            return
        if not succeeds((inside, "-c", SMOKE), cwd=place, env=ALONE):
            yield f"{named}: no event goes from a client to a server"
        if not _serves_demo(inside, place):
            yield f"{named}: the demo does not serve its page"
        (place / "typing").mkdir()
        for each in (ROOT / "tests" / "typing").glob("*_api.py"):
            shutil.copy(each, place / "typing")
        if not succeeds((inside, "-m", "mypy", "--strict", "typing"), cwd=place, env=ALONE):
            yield f"{named}: the types are not what they should be"


def _serves_demo(inside: Path, place: Path) -> bool:
    demo = subprocess.Popen(
        (inside.parent / "sockwave", "demo", "--port", "0"),
        cwd=place,
        env={**os.environ, **ALONE},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert demo.stdout is not None
        for line in demo.stdout:
            if match := re.search(r"http://127\.0\.0\.1:\d+", line):
                with urllib.request.urlopen(match[0], timeout=STARTS_WITHIN) as page:
                    return b"<title>" in page.read()
        return False
    finally:
        demo.terminate()
        demo.wait()


def main() -> int:
    """Build, look, try; returns the exit status."""
    say(f"Building sockwave {VERSION}")
    built = build()
    if built is None:
        return 1
    wheel, archive = built
    faults = [*faults_of_wheel(wheel), *faults_of_archive(archive)]
    if not succeeds((sys.executable, "-m", "twine", "check", "--strict", wheel, archive)):
        faults.append("twine finds fault with it")
    at_hand: dict[tuple[int, int], Path] = {}
    for version in pythons.SUPPORTED:
        python = pythons.find_python(version)
        if python is None:
            say(f"Python {version[0]}.{version[1]} is not at hand")
        else:
            at_hand[version] = python
    with ThreadPoolExecutor() as pool:  # each of them uses one core
        for found in pool.map(
            lambda version, python: list(faults_on(version, python, wheel)),
            at_hand.keys(),
            at_hand.values(),
        ):
            faults += found
    if not at_hand and is_ci():
        faults.append("no Python was at hand to try it on")
    for fault in faults:
        say(fault, failed=True)
    if faults:
        return 1
    say(f"{wheel.name} and {archive.name} are in dist/, tried on {len(at_hand)} Pythons")
    return 0


if __name__ == "__main__":
    sys.exit(main())
