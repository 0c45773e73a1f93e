"""Copy the page of the Admin UI that the server can hand out out of its npm package.

    python scripts/update_admin_page.py [VERSION]

VERSION is an npm version or range of `@socket.io/admin-ui`, "0.5.1" when left out. The files are
copied byte for byte, so that anybody can compare them with the package; source maps stay out, as
they are three times as large as the rest.
"""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from scripts.update_client_bundle import npm, refuse_traces

PACKAGE = "@socket.io/admin-ui"
DEFAULT_VERSION = "0.5.1"
PAGE = "package/ui/dist/"
LICENSE = "package/LICENSE"
TARGET = Path(__file__).parents[1] / "src/sockwave/admin/ui_dist"


def download(version: str, directory: Path) -> dict[str, bytes]:
    """Fetch the package into `directory`; return the content of each file we ship."""
    report = json.loads(npm("pack", f"{PACKAGE}@{version}", "--json", cwd=directory))
    # npm 12 answers with an object keyed by package, older ones with a list.
    (packed,) = report.values() if isinstance(report, dict) else report
    files = {"VERSION": f"{packed['version']}\n".encode()}
    archive_name = next(directory.glob("*.tgz"))
    with tarfile.open(archive_name) as archive:
        for member in archive.getmembers():
            content = archive.extractfile(member)
            name = "LICENSE" if member.name == LICENSE else member.name.removeprefix(PAGE)
            is_shipped = name == "LICENSE" or member.name.startswith(PAGE)
            if content is not None and is_shipped and not name.endswith(".map"):
                files[name] = content.read()
    if not {"LICENSE", "index.html"} <= files.keys():
        raise SystemExit(f"{PACKAGE} {packed['version']} has no page, or no licence")
    return files


def main() -> None:
    """Replace the shipped files by those of the version on the command line."""
    version = sys.argv[1] if len(sys.argv) > 1 else DEFAULT_VERSION
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        files = download(version, directory)
        registry = urlsplit(npm("config", "get", "registry", cwd=directory).strip())
    if registry.hostname:
        refuse_traces(files, registry.hostname)
    shutil.rmtree(TARGET, ignore_errors=True)
    for name, body in files.items():
        path = TARGET / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    print(f"{PACKAGE} {files['VERSION'].decode().strip()}: {len(files)} files")


if __name__ == "__main__":
    main()
