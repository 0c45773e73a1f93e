"""Tests that are coroutines run to their end in a loop of their own, on asyncio and on uvloop."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Final

import pytest
import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable

LOOPS: Final[dict[str, Callable[[], asyncio.AbstractEventLoop]]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each coroutine is a test per kind of loop."""
    if inspect.iscoroutinefunction(metafunc.function):
        metafunc.fixturenames.append("loop_kind")
        metafunc.parametrize("loop_kind", LOOPS)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine."""
    function = pyfuncitem.obj
    if not inspect.iscoroutinefunction(function):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(function).parameters}
    kind = pyfuncitem.callspec.params["loop_kind"]
    with asyncio.Runner(loop_factory=LOOPS[str(kind)]) as runner:
        runner.run(function(**arguments))
    return True
