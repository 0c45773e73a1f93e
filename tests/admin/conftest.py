"""Tests that are coroutines run to their end in a loop of their own, on asyncio and on uvloop.

What the loop reports of exceptions that nobody caught fails the test. With the mark `patient` it is
a loop in which waiting takes no time: time-outs are tested so, which would judge a busy machine.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.patient_loop import PatientLoop

if TYPE_CHECKING:
    from collections.abc import Callable

LOOPS: Final[dict[str, Callable[[], asyncio.AbstractEventLoop]]] = {
    "asyncio": asyncio.new_event_loop
}
try:
    import uvloop
except ImportError:
    pass  # there is none on Windows
else:
    LOOPS["uvloop"] = uvloop.new_event_loop


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the marker."""
    config.addinivalue_line("markers", "patient: waiting takes no time")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each coroutine is a test per kind of loop, and of transport if it has that argument."""
    if "transport" in metafunc.fixturenames:
        metafunc.parametrize("transport", ["websocket", "polling"])
    if inspect.iscoroutinefunction(metafunc.function):
        metafunc.fixturenames.append("loop_kind")
        is_patient = metafunc.definition.get_closest_marker("patient") is not None
        metafunc.parametrize("loop_kind", ["patient"] if is_patient else LOOPS)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine."""
    function = pyfuncitem.obj
    if not inspect.iscoroutinefunction(function):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(function).parameters}
    kind = pyfuncitem.callspec.params["loop_kind"]
    uncaught: list[dict[str, Any]] = []
    factory = PatientLoop if kind == "patient" else LOOPS[str(kind)]
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.get_loop().set_exception_handler(lambda loop, context: uncaught.append(context))
        runner.run(function(**arguments))
    assert not uncaught
    return True
