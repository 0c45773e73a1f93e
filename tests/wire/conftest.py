"""Runs coroutine tests in an event loop, over each front end; no test may leave an error behind."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.fronts import FRONTS, Front
from tests.support.raw import DEADLINE
from tests.support.running import run_coroutine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.mark import ParameterSet

COMMON = ["native", "hosted", "wrapped", "workers"]


NOT_OVER_WORKERS: Final = {
    "test_connections_over_the_limit_are_refused",
    "test_connections_over_the_limit_of_an_address_are_refused",
}
"""Tests of connections on which nothing is asked: they stay with the worker that has accepted them,
and that one counts them."""

RELAYED_TOO: Final = {"cors", "polling", "slow_readers", "upgrade", "websocket"}
"""Files whose tests come by way of another process, too: between them whatever a client may do."""


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the marker."""
    config.addinivalue_line("markers", "logs_errors: an error in the log is part of the test")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Fixtures that stand for a front end: all of them, the usual ones, or the native listener."""
    is_relayed = metafunc.module.__name__.rpartition(".test_")[2] in RELAYED_TOO
    choices = {
        "front": [*COMMON, "relayed"] if is_relayed else COMMON,
        "every_front": list(FRONTS),
        "native_front": ["native", "hosted", "workers"],
        "native": ["native"],
    }
    for name, chosen in choices.items():
        if name in metafunc.fixturenames:
            is_left_out = metafunc.function.__name__ in NOT_OVER_WORKERS
            parameters = [
                _parameter(front)
                for front in chosen
                if not (is_left_out and FRONTS[front].has_workers)
            ]
            metafunc.parametrize(name, parameters)
    if "transport" in metafunc.fixturenames:
        metafunc.parametrize("transport", ["polling", "websocket"])


def _parameter(name: str) -> ParameterSet:
    """A front end for pytest; some take what Windows lacks."""
    front = FRONTS[name]
    marks = [pytest.mark.unix] if front.has_workers or name == "relayed" else []
    if name == "relayed":  # the same bytes as by hand-over, and another minute
        marks.append(pytest.mark.slow)
    return pytest.param(front, id=name, marks=marks)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test in a loop of the front end's choice."""
    values = pyfuncitem.funcargs.values()
    front = next((value for value in values if isinstance(value, Front)), None)
    factory = front.loop_factory if front is not None else asyncio.new_event_loop
    return run_coroutine(pyfuncitem, 2 * DEADLINE, factory)


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
