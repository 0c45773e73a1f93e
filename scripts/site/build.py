"""Build the documentation site: `python -m scripts.site.build`, or `make docs`.

Nothing is fetched. Warnings are errors. What has not changed is not built again, unless the last
build failed: then all is, so that no warning is lost.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import time
from pathlib import Path
from typing import Final

from sphinx.cmd.build import build_main

from scripts.site.published import published
from scripts.site.staging import ROOT, stage

__all__ = ["OUTPUT", "build", "main"]

HERE: Final = Path(__file__).resolve().parent
CACHE: Final = ROOT / ".cache" / "site"
OUTPUT: Final = ROOT / "build" / "site"


def build(output: Path = OUTPUT, cache: Path = CACHE) -> int:
    """Build the site.

    Args:
        output: Where the pages go.
        cache: Where the next build finds what this one has read.

    Returns:
        0, or the status of Sphinx, which has printed why.
    """
    stage(cache / "pages")
    names = hashlib.sha256(repr([each.path for each in published()]).encode()).hexdigest()
    where = ["-c", str(HERE), "-d", str(cache / "doctrees"), str(cache / "pages"), str(output)]
    how = ["-q", "-W", "-j", "auto", "-D", f"site_names={names}", "-b", "html"]
    status = build_main([*how, *where])
    if status:
        shutil.rmtree(cache / "doctrees", ignore_errors=True)
    return status


def main() -> int:
    """Build it, and say where it is."""
    began = time.monotonic()
    status = build()
    if not status:
        took = time.monotonic() - began
        print(f"{(OUTPUT / 'index.html').relative_to(ROOT)}: built in {took:.0f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
