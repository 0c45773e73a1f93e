"""Runs coroutine tests in an event loop, over each front end; no test may leave an error behind."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING

import pytest

from tests.support.fronts import FRONTS, Front
from tests.support.raw import DEADLINE, within

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMON = ["native", "hosted", "wrapped"]


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the marker."""
    config.addinivalue_line("markers", "logs_errors: an error in the log is part of the test")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Fixtures that stand for a front end: all of them, the usual ones, or the native listener."""
    choices = {
        "front": COMMON,
        "every_front": list(FRONTS),
        "native_front": ["native", "hosted"],
        "native": ["native"],
    }
    for name, chosen in choices.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, [FRONTS[front] for front in chosen], ids=chosen)
    if "transport" in metafunc.fixturenames:
        metafunc.parametrize("transport", ["polling", "websocket"])


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test in a loop of the front end's choice."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    front = next((value for value in arguments.values() if isinstance(value, Front)), None)
    factory = front.loop_factory if front is not None else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(within(pyfuncitem.obj(**arguments), 4 * DEADLINE))
    return True


@pytest.fixture(autouse=True)
def _no_errors_logged(
    caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Whatever a peer does, nothing is logged as an error, unless the test says so."""
    caplog.set_level(logging.INFO, "sockwave")
    yield
    if request.node.get_closest_marker("logs_errors") is None:
        errors = [
            record.getMessage()
            for record in caplog.get_records("call")
            if record.levelno > logging.INFO
        ]
        # uvicorn says so of every refused WebSocket that gets an HTTP response.
        assert set(errors) <= {"ASGI callable returned without completing handshake."}
