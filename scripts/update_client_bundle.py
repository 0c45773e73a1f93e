"""Copy the browser client that the server serves out of its npm package.

    python scripts/update_client_bundle.py [VERSION]

VERSION is an npm version or range of `socket.io-client`, "~4.8" when left out. The files are copied
byte for byte, so that their source maps fit and anybody can compare them with the package.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

PACKAGE = "socket.io-client"
DEFAULT_VERSION = "~4.8"
SCRIPTS = (
    "socket.io.js",
    "socket.io.min.js",
    "socket.io.msgpack.min.js",
    "socket.io.esm.min.js",
)
MEMBERS = {
    "LICENSE": "package/LICENSE",
    **{name: f"package/dist/{name}" for script in SCRIPTS for name in (script, f"{script}.map")},
}
TARGET = Path(__file__).parents[1] / "src/sockwave/socketio/server/client_dist"


def npm(*arguments: str, cwd: Path) -> str:
    """Run npm and return what it prints."""
    return subprocess.run(
        ("npm", *arguments), cwd=cwd, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def download(version: str, directory: Path) -> dict[str, bytes]:
    """Fetch the package into `directory`; return the content of each file we ship."""
    report = json.loads(npm("pack", f"{PACKAGE}@{version}", "--json", cwd=directory))
    # npm 12 answers with an object keyed by package, older ones with a list.
    (packed,) = report.values() if isinstance(report, dict) else report
    files = {"VERSION": f"{packed['version']}\n".encode()}
    with tarfile.open(directory / packed["filename"]) as archive:
        for name, member in MEMBERS.items():
            content = archive.extractfile(member)
            if content is None:
                raise SystemExit(f"{member} of {PACKAGE} {packed['version']} is not a file")
            files[name] = content.read()
    return files


def refuse_traces(files: dict[str, bytes], host: str) -> None:
    """Stop when a file names the registry it came from: a mirror's name is private."""
    tainted = sorted(name for name, body in files.items() if host.encode() in body)
    if tainted:
        raise SystemExit(f"{host} is named in {', '.join(tainted)}")


def main() -> None:
    """Replace the shipped files by those of the version on the command line."""
    version = sys.argv[1] if len(sys.argv) > 1 else DEFAULT_VERSION
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        files = download(version, directory)
        registry = urlsplit(npm("config", "get", "registry", cwd=directory).strip())
    if registry.hostname:
        refuse_traces(files, registry.hostname)
    TARGET.mkdir(parents=True, exist_ok=True)
    for old in TARGET.iterdir():
        old.unlink()
    for name, body in files.items():
        (TARGET / name).write_bytes(body)
    print(f"{PACKAGE} {files['VERSION'].decode().strip()}: {len(files)} files")


if __name__ == "__main__":
    main()
