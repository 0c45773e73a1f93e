"""Runs coroutine tests in an event loop, each with a time limit."""

from __future__ import annotations

import asyncio
import inspect
from typing import Final

import pytest

from tests.support.raw import within

LIMIT: Final = 20.0
"""Seconds for one test."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    with asyncio.Runner() as runner:
        runner.run(within(pyfuncitem.obj(**arguments), LIMIT))
    return True
