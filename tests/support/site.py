"""The documentation site, built once for all tests of a process, and what is in it."""

from __future__ import annotations

import functools
import http.server
import subprocess
import sys
import threading
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from scripts.site.build import OUTPUT
from scripts.site.staging import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["inventory", "serve_site", "site"]


@functools.cache
def site() -> Path:
    """The folder of its pages. Built where `make docs` does it: what has not changed is taken."""
    # In a process of its own: there warnings of the libraries are nobody's failure.
    command = [sys.executable, "-m", "scripts.site.build"]
    subprocess.run(command, cwd=ROOT, check=True, stdin=subprocess.DEVNULL)
    return OUTPUT


@functools.cache
def inventory() -> dict[str, str]:
    """Page and address of each name of the API, from `objects.inv`."""
    data = (site() / "objects.inv").read_bytes()
    lines = data.split(b"\n", 4)
    assert b"Version: " in lines[2] or b"Version: " in lines[1]
    found: dict[str, str] = {}
    for line in zlib.decompress(lines[4]).decode().splitlines():
        name, kind, _, place, _ = line.split(" ", 4)
        if kind.startswith("py:"):
            found[name] = place.replace("$", name)
    return found


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serve_site() -> Iterator[str]:
    """Its address, on a free port, as long as the block runs."""
    handler = functools.partial(_Quiet, directory=str(site()))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
