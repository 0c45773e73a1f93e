"""Runs coroutine tests in an event loop of their own."""

from __future__ import annotations

import pytest

from sockwave.platform import new_event_loop
from tests.support.raw import DEADLINE
from tests.support.running import run_coroutine


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test."""
    return run_coroutine(pyfuncitem, 2 * DEADLINE, new_event_loop)
