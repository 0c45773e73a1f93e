"""Runs `async def` tests, each in a loop of its own."""

from __future__ import annotations

from typing import Final

import pytest

from sockwave.platform import new_event_loop
from tests.support.running import run_coroutine

LIMIT: Final = 100.0
"""Seconds for one test."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test."""
    return run_coroutine(pyfuncitem, LIMIT, new_event_loop)
