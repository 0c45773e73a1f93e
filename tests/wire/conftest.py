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


AGAIN: Final = {"hosted", "mounted", "workers", "workers-hosted"}
"""Fronts that hand what has come to the code of the others: of no interest on a second Python."""

NOT_OVER_WORKERS: Final = {
    "test_connections_over_the_limit_are_refused",
    "test_connections_over_the_limit_of_an_address_are_refused",
}
"""Tests of connections on which nothing is asked: they stay with the worker that has accepted them,
and that one counts them."""

RELAYED_TOO: Final = {"cors", "polling", "slow_readers", "upgrade", "websocket"}
"""Files whose tests come by way of another process, too, and by way of another machine: between
them whatever a client may do."""


NOT_CARRIED: Final = {
    # Clients of Engine.IO 3 are not relayed.
    "test_large_script_is_compressed_whole",
    "test_old_client_closed_while_upgrading_hears_it_on_the_second_transport",
    # What breaks off at another machine is told in other words.
    "test_aborted_poll_closes_the_session",
    "test_aborted_post_closes_the_session",
    # A session is not for this request: the reference's cluster engine takes it for unknown.
    "test_another_second_transport_is_turned_away",
    "test_second_transport_for_a_session_on_websocket_is_turned_away",
    "test_upgrade_may_begin_after_the_server_has_closed",
    "test_poll_after_the_upgrade_is_refused_and_the_session_goes_on",
    # Handlers of headers are those of the server to which a request has come.
    "test_application_may_add_and_change_headers",
    "test_session_that_upgrades_asks_for_headers_three_times",
    # Its body may come to an end: nothing of it reaches the session.
    "test_post_that_is_uploading_during_the_upgrade_is_cut",
}
"""Tests of what is different where a request comes to another machine."""


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the marker."""
    config.addinivalue_line("markers", "logs_errors: an error in the log is part of the test")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Fixtures that stand for a front end: all of them, the usual ones, or the native listener."""
    is_relayed = metafunc.module.__name__.rpartition(".test_")[2] in RELAYED_TOO
    choices = {
        "front": [*COMMON, "relayed", "carried"] if is_relayed else COMMON,
        "every_front": [name for name in FRONTS if name != "carried"],
        "native_front": ["native", "hosted", "workers"],
        "native": ["native"],
    }
    for name, chosen in choices.items():
        if name in metafunc.fixturenames:
            is_left_out = metafunc.function.__name__ in NOT_OVER_WORKERS
            is_not_carried = metafunc.function.__name__ in NOT_CARRIED
            parameters = [
                _parameter(front)
                for front in chosen
                if not (is_left_out and FRONTS[front].has_workers)
                if not (is_not_carried and front == "carried")
            ]
            metafunc.parametrize(name, parameters)
    if "transport" in metafunc.fixturenames:
        metafunc.parametrize("transport", ["polling", "websocket"])


def _parameter(name: str) -> ParameterSet:
    """A front end for pytest; some take what Windows lacks."""
    front = FRONTS[name]
    marks = [pytest.mark.unix] if front.has_workers or name == "relayed" else []
    if name in AGAIN:
        marks.append(pytest.mark.once)
    if name in ("relayed", "carried"):  # the same bytes as by hand-over, and other minutes
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
