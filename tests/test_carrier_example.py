"""The carrier of `docs/carriers.md`: the page shows it, and it does what every carrier must."""

from __future__ import annotations

import ast
import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave import Server
from sockwave.testing import AdapterMaker, AdapterSuite, DriverSuite, LinkedClient
from tests.support.documents import blocks
from tests.support.examples import EXAMPLES
from tests.support.process import DEADLINE, ServerProcess, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from sockwave.adapters import Driver

sys.path.insert(0, str(EXAMPLES / "carrier"))
from hub_driver import HubAdapter, HubDriver  # as the page has it

pytestmark = pytest.mark.unix

FOLDER: Final = EXAMPLES / "carrier"


def hub(directory: Path, port: int) -> ServerProcess:
    return ServerProcess("hub.py", str(port), directory=directory, port=port, cwd=FOLDER)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a hub that all tests share which do not break it."""
    with hub(tmp_path_factory.mktemp("hub"), free_port()) as process:
        yield process.port


class OnPort:
    """Finds the hub."""

    @pytest.fixture(autouse=True)
    def find_port(self, port: int) -> None:
        self.port = port


class TestDriver(OnPort, DriverSuite):
    async def make_driver(self) -> Driver:
        return HubDriver("127.0.0.1", self.port)


class TestAdapter(OnPort, AdapterSuite):
    async def make_adapter(self) -> AdapterMaker:
        return HubAdapter("127.0.0.1", self.port)


def lines(code: str) -> list[str]:
    return [line.strip() for line in code.splitlines() if line.strip()]


def test_page_shows_the_driver() -> None:
    source = (FOLDER / "hub_driver.py").read_text()
    docstring = ast.parse(source).body[0]
    code = "\n".join(source.splitlines()[docstring.end_lineno :])
    assert lines("\n".join(blocks("carriers.md", "python"))) == lines(code)


def test_suites_of_the_page_are_those_that_are_run_here() -> None:
    (code,) = blocks("carriers.md", "python tests")
    names: dict[str, Any] = {}
    exec(compile(code, "carriers.md", "exec"), names)
    assert issubclass(names["TestDriver"], DriverSuite)
    assert issubclass(names["TestAdapter"], AdapterSuite)
    assert isinstance(asyncio.run(names["TestDriver"]().make_driver()), HubDriver)
    assert isinstance(asyncio.run(names["TestAdapter"]().make_adapter()), HubAdapter)


# --- a hub that breaks ----------------------------------------------------------------------------


@asynccontextmanager
async def two_servers(port: int) -> AsyncIterator[tuple[Server, Server, LinkedClient]]:
    """With a client at the second one."""
    async with AsyncExitStack() as stack:
        a, b = (Server(adapter=HubAdapter("127.0.0.1", port)) for _ in range(2))
        for server in (a, b):
            await stack.enter_async_context(server.listen("127.0.0.1", 0))
        yield a, b, await stack.enter_async_context(LinkedClient(b))


async def delivered(sender: Server, client: LinkedClient) -> None:
    """Emit until something arrives, which is then the last of it."""
    async with asyncio.timeout(DEADLINE):
        number = 0
        while True:
            number += 1
            sender.emit("news", number)
            try:
                async with asyncio.timeout(0.1):
                    name, args = await client.received()
            except TimeoutError:
                continue
            while args != [number]:
                name, args = await client.received()
            assert name == "news"
            return


async def until_it_is(server: Server, *, healthy: bool) -> None:
    async with asyncio.timeout(DEADLINE):
        while server.cluster.is_healthy is not healthy:
            await asyncio.sleep(0.01)


def test_hub_that_is_started_anew_is_found(tmp_path: Path) -> None:
    port = free_port()

    async def scenario() -> None:
        process = await asyncio.to_thread(hub(tmp_path, port).__enter__)
        async with two_servers(port) as (a, b, client):
            await delivered(a, client)
            for _ in range(3):
                await asyncio.to_thread(process.kill)
                b.emit("here", 1)
                assert await client.received() == ("here", [1])
                process = await asyncio.to_thread(hub(tmp_path, port).__enter__)
                await delivered(a, client)
            assert any("the hub was away" in each for each in b.cluster.errors)
        await asyncio.to_thread(process.kill)

    asyncio.run(scenario())


def test_hub_that_stands_still_is_noticed(tmp_path: Path) -> None:
    async def scenario(process: ServerProcess) -> None:
        async with two_servers(process.port) as (a, b, client):
            await delivered(a, client)
            os.kill(process.pid, signal.SIGSTOP)
            try:
                await until_it_is(b, healthy=False)
            finally:
                os.kill(process.pid, signal.SIGCONT)
            await delivered(a, client)

    with hub(tmp_path, free_port()) as process:
        asyncio.run(scenario(process))


def test_what_is_not_kept_is_told() -> None:
    async def scenario() -> None:
        driver = HubDriver("127.0.0.1", free_port(), max_backlog=1_000)
        lost: list[str] = []

        class Ear:
            def message_received(self, message: bytes) -> None: ...

            def messages_lost(self, what: str) -> None:
                lost.append(what)

            def addresses_gone(self, addresses: object) -> None: ...

        with pytest.raises(ConnectionRefusedError):
            await driver.start()
        waiting = asyncio.create_task(driver.subscribe("/", "a", Ear()))
        await asyncio.sleep(0)
        driver.publish("/", b"x" * 900)
        driver.publish("/", b"x" * 900)
        assert lost == [], "never within a call"
        await asyncio.sleep(0)
        assert lost == ["the hub takes nothing, and more is not kept"]
        await driver.aclose()
        await waiting

    asyncio.run(scenario())
