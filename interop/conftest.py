"""Runs `async def` tests, all in one event loop, and gives them servers and clients."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING

import pytest

from interop.browsers import Browser, Chromium, Firefox
from interop.fronts import FRONTS, all_ended
from interop.node import NodeDriver
from interop.stage import TRANSPORTS, Stage
from sockwave.platform import new_event_loop
from tests.support import peers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Tests that others inherit: what they compare is shown.
pytest.register_assert_rewrite("interop.cluster.matrix", "interop.cluster.emitters")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine function as a test."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    runner = pyfuncitem.funcargs["runner"]
    assert isinstance(runner, asyncio.Runner)
    names = inspect.signature(pyfuncitem.obj).parameters
    runner.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(scope="session", autouse=True)
def runner() -> Iterator[asyncio.Runner]:
    """The event loop of all tests."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        yield runner
        runner.run(all_ended())


@pytest.fixture(scope="session")
def driver(runner: asyncio.Runner) -> Iterator[NodeDriver]:
    """One Node process for all tests."""
    driver = NodeDriver(peers.node())
    runner.run(driver.__aenter__())
    yield driver
    runner.run(driver.__aexit__(None, None, None))


@pytest.fixture(scope="session", params=["chromium", "firefox"])
def browser(request: pytest.FixtureRequest, runner: asyncio.Runner) -> Iterator[Browser]:
    """Each browser, started once."""
    browser: Browser
    if request.param == "chromium":
        browser = Chromium(peers.browser().browser)
    else:
        browser = Firefox(peers.firefox())
    runner.run(browser.__aenter__())
    yield browser
    runner.run(browser.__aexit__(None, None, None))


@pytest.fixture(params=FRONTS)
def front(request: pytest.FixtureRequest) -> str:
    """Each front end."""
    name: str = request.param
    return name


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """Polling, WebSocket, and from one to the other."""
    name: str = request.param
    return name


@pytest.fixture
def stage(
    front: str, transport: str, driver: NodeDriver, runner: asyncio.Runner
) -> Iterator[Stage]:
    """Where a test plays: on every front end, with every transport."""
    stage = Stage(front, transport, driver)
    yield stage
    runner.run(stage.aclose())


@pytest.fixture
def native_stage(driver: NodeDriver, runner: asyncio.Runner) -> Iterator[Callable[[str], Stage]]:
    """Stages on the native listener, for what does not depend on the front end."""
    stages: list[Stage] = []

    def make(transport: str) -> Stage:
        stages.append(Stage("native", transport, driver))
        return stages[-1]

    yield make
    for stage in stages:
        runner.run(stage.aclose())
