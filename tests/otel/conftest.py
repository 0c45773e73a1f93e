"""Runs coroutines as tests, and keeps the spans that they end."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from tests.otel.recording import Recording


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine function as a test."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(test).parameters}
    uncaught: list[dict[str, Any]] = []
    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(lambda loop, context: uncaught.append(context))
        runner.run(test(**arguments))
    assert not uncaught
    return True


@pytest.fixture
def recording() -> Recording:
    """What was traced."""
    return Recording()
