"""Sockwave on a system that is no Linux: tests run again where what only Unix has is taken away.

This runs a part of them; `make test-elsewhere` runs them all.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

CORE = ["engine/core", "socketio/core", "codec/test_websocket.py"]
SERVER = ["engine/server/test_driver.py", "socketio/server/test_server.py"]
WIRE = ["wire/test_socketio.py", "wire/test_process.py", "wire/test_tls.py"]
CLIENT = ["engine/client/test_options.py", "client/test_details.py", "sync"]
COMMAND = ["cli/test_run.py", "cli/test_connect.py", "cli/demo/test_command.py"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "tests",
    [CORE, SERVER, WIRE, CLIENT, COMMAND],
    ids=["core", "server", "wire", "client", "command"],
)
def test_it_works_where_resource_uvloop_unix_sockets_and_loop_signals_are_missing(
    tests: list[str],
) -> None:
    folders = [str(ROOT / "tests" / "elsewhere"), os.environ.get("PYTHONPATH", "")]
    result = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:anyio", "-p", "no:cacheprovider"),
            "tests/elsewhere",
            *(f"tests/{each}" for each in tests),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, folders))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-5_000:]
