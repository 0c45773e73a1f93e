"""Runs coroutine tests in an event loop, each with a time limit."""

from __future__ import annotations

from typing import Final

import pytest

from tests.support.running import run_coroutine

LIMIT: Final = 20.0
"""Seconds for one test."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test."""
    return run_coroutine(pyfuncitem, LIMIT)
