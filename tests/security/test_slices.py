"""The suites of the protocol over a network that slices and merges what is sent (F21).

They run as they are, in a process of their own that is told by `SOCKWAVE_NETWORK` to put a proxy
between their clients and the server (`tests/support/fronts.py`).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Final

import pytest

from tests.security.settings import IS_FULL
from tests.support.fronts import NETWORKS

SUITES: Final = ("socketio", "upgrade", "websocket")
ALL_SUITES: Final = (*SUITES, "bad_input", "eio3", "handshake", "polling", "session_events")

TIMED: Final = "test_time_without_a_ping_counts_anew_after_an_upgrade"
"""Counts in tenths of a second what takes longer byte by byte."""

DEADLINE: Final = 600.0


@pytest.mark.timeout(DEADLINE)
@pytest.mark.parametrize("network", NETWORKS)
def test_f21_protocol_is_the_same_over_slices_and_merges(network: str) -> None:
    suites = ALL_SUITES if IS_FULL else SUITES
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short"]
    command += [f"tests/wire/test_{suite}.py" for suite in suites]
    fronts = "native or wrapped" if IS_FULL else "native"
    command += ["-k", f"({fronts}) and not asyncio and not {TIMED}"]
    done = subprocess.run(
        command,
        env={**os.environ, "SOCKWAVE_NETWORK": network},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-10_000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None and int(passed[1]) >= 150, done.stdout[-500:]
