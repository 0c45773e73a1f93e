"""Runs each `async def` test in an event loop of its own, with a time limit, and counts what it
leaves behind. `server` is the URL of a peer; `options` say by which transport to reach it."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.platform import new_event_loop
from tests.client.servers import HASH, PEERS, serving, start_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODES: dict[str, dict[str, Any]] = {
    "polling": {"transports": ["polling"]},
    "websocket": {"transports": ["websocket"]},
    "upgrade": {},
}
if HASH is not None:
    MODES |= {
        "webtransport": {"transports": ["webtransport"], "server_certificate_hashes": [HASH]},
        "webtransport-upgrade": {
            "transports": ["polling", "websocket", "webtransport"],
            "server_certificate_hashes": [HASH],
        },
    }
LIMIT = 60.0
"""Seconds for one test: it takes one, or less, where nobody else uses the machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """WebTransport is for our own `server` here; interop/ has that of the reference."""

    def is_wanted(item: pytest.Item) -> bool:
        params = (
            item.callspec.params
            if isinstance(item, pytest.Function) and hasattr(item, "callspec")
            else {}
        )
        mode, peer = str(params.get("options", "")), params.get("server")
        return peer == "sockwave" or not mode.startswith("webtransport")

    items[:] = filter(is_wanted, items)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine function as a test."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(test).parameters}
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        marker = pyfuncitem.get_closest_marker("timeout")
        runner.run(_run(test, arguments, marker.args[0] - 5 if marker else LIMIT))
    return True


async def _run(test: Any, arguments: dict[str, Any], limit: float) -> None:
    problems: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: problems.append(str(context)))
    async with asyncio.timeout(limit):
        peer = arguments.get("server")
        if isinstance(peer, tuple):
            async with serving(*peer) as url:
                await test(**{**arguments, "server": url})
        else:
            await test(**arguments)
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, left
    assert not problems, problems


@pytest.fixture(scope="session")
def start() -> Iterator[Callable[..., str]]:
    """Starts a peer in a process, once."""
    with ExitStack() as stack:
        running: dict[tuple[str, ...], str] = {}

        def start(peer: str, **env: str) -> str:
            key = (peer, *env)
            if key not in running:
                running[key] = stack.enter_context(start_process(peer, **env))
            return running[key]

        yield start


@pytest.fixture(params=PEERS)
def server(request: pytest.FixtureRequest, start: Callable[..., str]) -> tuple[str, str | None]:
    """Each peer in turn; the test gets its URL."""
    peer = str(request.param)
    return peer, None if peer == "sockwave" else start(peer)


@pytest.fixture(params=MODES)
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each way to reach a server in turn."""
    return {**MODES[request.param], "reconnection_delay": 0.02, "reconnection_delay_max": 0.1}
