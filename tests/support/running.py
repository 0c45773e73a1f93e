"""Runs coroutine tests, for the hooks of conftest files."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING

from tests.support.raw import within

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

__all__ = ["run_coroutine"]


def run_coroutine(
    test: pytest.Function,
    seconds: float,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> bool | None:
    """Run a test that is a coroutine function in a loop of its own; others are left to pytest.

    Args:
        seconds: Within which it must end.
    """
    if not inspect.iscoroutinefunction(test.obj):
        return None
    arguments = {name: test.funcargs[name] for name in test._fixtureinfo.argnames}
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(within(test.obj(**arguments), seconds))
    return True
