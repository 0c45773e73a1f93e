"""pyright, of the npm packages of `interop/`, on this source and with this Python's packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from scripts.node import INTEROP, NODE_MODULES
from tests.support import peers

__all__ = ["SOURCE", "pyright", "said"]

SOURCE: Final = INTEROP.parent / "src"


def pyright(*arguments: str | Path) -> dict[str, Any]:
    """What it reports; skips where it cannot be had."""
    node = peers.node()
    # It asks the first Python of PATH where packages are: `--verifytypes` knows no other way.
    path = f"{Path(sys.executable).parent}{os.pathsep}{node.env.get('PATH', '')}"
    run = subprocess.run(
        [node.executable, NODE_MODULES / "pyright" / "index.js", "--outputjson", *arguments],
        env={**node.env, "PATH": path, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert run.stdout, run.stderr
    report: dict[str, Any] = json.loads(run.stdout)
    return report


def said(report: dict[str, Any]) -> list[str]:
    """Its complaints: file, line and text."""
    return [
        f"{Path(each['file']).name}:{each['range']['start']['line'] + 1}: {each['message']}"
        for each in report["generalDiagnostics"]
    ]
