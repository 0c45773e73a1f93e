"""`docs/from-one-process-to-three-machines.md`, from its first block to its last.

The chat is changed as the page says, and all of its commands are run, on other ports. Ours alone is
that nginx has a log, and that the clients are programs.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import tomllib
from collections import defaultdict
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.request import urlopen

import pytest

from interop.node import NodeDriver
from interop.stage import TRANSPORTS
from tests.live.commands import Command, ours
from tests.live.guests import JsGuest, PythonGuest
from tests.live.sites import site
from tests.support import peers
from tests.support.examples import EXAMPLES
from tests.support.pages import Block, merged, sections, shape
from tests.support.process import DEADLINE, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from tests.live.guests import Guest

PAGE: Final = sections("from-one-process-to-three-machines.md")
_, ONE, WORKERS, THREE, RECOVERY, JOB, WATCH, *REST = PAGE

PLACES: Final = {"3001": "a", "3002": "b", "3003": "c"}
"""Ports and names of the servers."""

PORTS: Final = ("3000", *PLACES, "6379", "8000")
"""Those of the page."""


def test_no_block_of_the_page_is_left_out() -> None:
    assert [[block.mark for block in section] for section in PAGE] == [
        [],
        ["sh"],  # install, and run
        ["sh", "python", "sh"],  # workers, `who`, reload
        ["sh", "python", "python", "sh", "nginx"],  # Redis, two changes, three servers
        ["python", "python", "python", "sh"],  # changes, Redis
        ["sh", "python announce.py", "sh"],
        ["python", "python"],
        [],
    ]


def test_page_ends_with_the_example() -> None:
    example = (EXAMPLES / "three_machines.py").read_text()
    assert shape(chat_of(*PAGE)) == shape(example)


def chat_of(*parts: Sequence[Block]) -> str:
    """The chat of the tutorial, with what sections of the page make of it."""
    text = (EXAMPLES / "chat.py").read_text()
    for part in parts:
        for block in part:
            if block.mark == "python":
                text = merged(text, block.code)
    return text


class Desk:
    """The reader's folder, and terminals in it.

    Args:
        folder: With the page of the chat in it, from the first moment.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports = {name: str(free_port()) for name in PORTS}
        shutil.copy(EXAMPLES / "chat.html", folder)

    def text(self, block: Block) -> str:
        """A block, with the ports that are free here."""
        return re.sub(r"\b(3000|300[123]|6379|8000)\b", lambda m: self._ports[m[0]], block.code)

    def lines(self, block: Block) -> list[str]:
        """Commands of a block."""
        return self.text(block).splitlines()

    def port(self, name: str) -> int:
        """That stands for one of the page."""
        return int(self._ports[name])

    def url(self, name: str) -> str:
        """For clients."""
        return f"http://127.0.0.1:{self.port(name)}"

    def write(self, *parts: Sequence[Block]) -> None:
        """Change `chat.py` as the page says until there."""
        text = self.text(Block("", chat_of(*parts)))
        (self.folder / "chat.py").write_text(text)

    def terminal(self, line: str) -> Command:
        """What a line starts."""
        found = re.search(r"--port (\d+)", line)
        if found is None:  # which the page need not say
            line += f" --port {self._ports['3000']}"
        port = int(found[1]) if found else self.port("3000")
        return Command(line, self.folder, port=port)

    def run(self, line: str) -> None:
        """Run a line to its end."""
        subprocess.run(
            ["sh", "-c", ours(line)], cwd=self.folder, check=True, timeout=DEADLINE, env=self._env
        )

    @property
    def _env(self) -> dict[str, str]:
        return {**os.environ, "CARRIER": f"redis://127.0.0.1:{self.port('6379')}"}

    def site(self, block: Block) -> Command:
        """nginx, with a block as its site."""
        return site(self.text(block), self.port("8000"), self.folder)

    def health(self, name: str) -> dict[str, Any]:
        """What a server says of itself."""
        with urlopen(f"{self.url(name)}/health", timeout=DEADLINE) as answer:
            told: dict[str, Any] = json.loads(answer.read())
            return told


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    peers.package("starlette")
    return Desk(tmp_path)


@asynccontextmanager
async def guests(desk: Desk, port: str) -> AsyncIterator[list[Guest]]:
    """Guests with both kinds of clients by all ways, in the chat."""
    async with NodeDriver(peers.node()) as driver:
        them: list[Guest] = []
        try:
            for transport in TRANSPORTS:
                them.append(PythonGuest(desk.url(port), transport, f"Python {transport}"))
                them.append(JsGuest(driver, desk.url(port), transport, f"Node {transport}"))
            await asyncio.gather(*(guest.connected() for guest in them))
            yield them
        finally:
            await driver.close_clients()
            await asyncio.gather(*(guest.aclose() for guest in them))


async def check_that_all_talk(them: Sequence[Guest], word: str) -> None:
    """What each of them says all others hear."""
    for guest in them:
        assert await guest.ask("say", f"{word} of {guest.name}") == "delivered"
    for guest in them:
        lines = [f"{word} of {other.name}" for other in them if other is not guest]
        for line in lines:
            heard = await guest.said(line)
            assert heard.count(line) == 1


async def until_all_are_here(them: Sequence[Guest]) -> None:
    """Each of them sees all of them."""
    names = sorted(guest.name for guest in them)
    async with asyncio.timeout(DEADLINE):
        for guest in them:
            while await guest.ask("who") != names:
                await asyncio.sleep(0.01)


# --- the sections ---------------------------------------------------------------------------------


def test_what_is_installed_is_there() -> None:
    install = ONE[0].code.splitlines()[0]
    assert install == 'pip install "sockwave[redis]" starlette'
    project = tomllib.loads((EXAMPLES.parent / "pyproject.toml").read_text())["project"]
    assert "redis" in project["optional-dependencies"]
    for needed in ("redis", "starlette"):
        peers.package(needed)


@pytest.mark.interop
async def test_one_process_and_workers(desk: Desk) -> None:
    desk.write(ONE)
    _, run = desk.lines(ONE[0])
    with desk.terminal(run) as process:
        async with guests(desk, "3000") as them:
            await check_that_all_talk(them, "hello")
        assert await asyncio.to_thread(process.end) == 0
    desk.write(ONE, WORKERS)
    (run,), (reload,) = desk.lines(WORKERS[0]), desk.lines(WORKERS[2])
    with desk.terminal(run) as process:
        async with guests(desk, "3000") as them:
            await until_all_are_here(them)
            await check_that_all_talk(them, "hello")
            await asyncio.to_thread(desk.run, reload)
            await until_all_are_here(them)
            await check_that_all_talk(them, "again")
        assert await asyncio.to_thread(process.end) == 0
    assert "Traceback" not in process.output


@asynccontextmanager
async def three_servers(
    desk: Desk, redis: Block, *parts: Sequence[Block]
) -> AsyncIterator[tuple[Command, dict[str, Command], Command]]:
    """Redis, the servers by their names, and nginx in front."""
    desk.write(*parts)
    async with AsyncExitStack() as stack:
        (line,) = desk.lines(redis)
        engine = stack.enter_context(desk.terminal(line))
        servers = {}
        for line in desk.lines(THREE[3]):
            command = f"CARRIER=redis://127.0.0.1:{desk.port('6379')} {line}"
            name = re.search(r"SERVER=(\w)", line)
            assert name is not None
            servers[name[1]] = stack.enter_context(desk.terminal(command))
        site = stack.enter_context(desk.site(THREE[4]))
        yield engine, servers, site


def check_ways(desk: Desk) -> None:
    """All servers have got requests, and those of a session the one that its id names."""
    passed = re.findall(r"^passed (\S+) (\d+) (\S+)$", (desk.folder / "passed").read_text(), re.M)
    names = {f"127.0.0.1:{desk.port(port)}": name for port, name in PLACES.items()}
    assert {names[address] for _, _, address in passed} == {*PLACES.values()}
    statuses: dict[str, list[str]] = defaultdict(list)
    for sid, status, address in passed:
        assert sid == "-" or sid.endswith(f"-{names[address]}")
        statuses[sid].append(status)
    assert {*statuses.pop("-")} <= {"101", "200"}
    for found in statuses.values():
        # A poll that crosses a goodbye finds no session any more, or is given up, and so may both.
        assert {*found[:-2]} <= {"101", "200"}
    assert len(passed) > 20


@pytest.mark.interop
async def test_three_servers_behind_nginx(desk: Desk) -> None:
    async with three_servers(desk, THREE[0], ONE, WORKERS, THREE) as (_, servers, site):
        async with guests(desk, "8000") as them:
            await until_all_are_here(them)
            await check_that_all_talk(them, "hello")
        await asyncio.to_thread(site.restart)  # then all is in its log
        check_ways(desk)
        async with guests(desk, "8000") as them:
            await until_all_are_here(them)
            assert await asyncio.to_thread(servers["a"].end) == 0
            await until_all_are_here(them)
            await check_that_all_talk(them, "again")
        for server in servers.values():
            if server is not servers["a"]:
                assert "Traceback" not in server.output


@pytest.mark.interop
async def test_workers_and_machines_go_together(desk: Desk) -> None:
    async with three_servers(desk, THREE[0], ONE, WORKERS, THREE) as (_, servers, site):
        for name, server in servers.items():
            assert await asyncio.to_thread(server.end) == 0
            server.line += f" --workers 2 --pid-file {name}.pid"
            await asyncio.to_thread(server.start)
        async with guests(desk, "8000") as them:
            await until_all_are_here(them)
            await check_that_all_talk(them, "hello")
        await asyncio.to_thread(site.restart)
        check_ways(desk)


async def speak(guest: Guest, over: asyncio.Event) -> int:
    """Count aloud, until it is over; return the last number."""
    number = 0
    while not over.is_set():
        number += 1
        assert await guest.ask("say", str(number)) == "delivered"
        await asyncio.sleep(0.01)
    return number


async def clients_of(desk: Desk, *ports: str) -> int:
    """How many clients some of the servers say that they have."""
    return sum([(await asyncio.to_thread(desk.health, port))["clients"] for port in ports])


async def check_that_nobody_misses_anything(
    desk: Desk, them: Sequence[Guest], servers: dict[str, Command]
) -> None:
    """Stop two servers, one after the other, while somebody speaks who is at the third."""
    speaker, over = PythonGuest(desk.url("3002"), "websocket", "Speaker"), asyncio.Event()
    await speaker.connected()
    for guest in them:
        await guest.noted("Speaker is here")
    speaking = asyncio.create_task(speak(speaker, over))
    for name in ("a", "c"):
        assert await asyncio.to_thread(servers[name].end) == 0
        await until_all_are_here([*them, speaker])
        await asyncio.to_thread(servers[name].start)
    over.set()
    last = await speaking
    for guest in them:
        numbers = [line for line in await guest.said(str(last)) if line.isdecimal()]
        assert numbers == [str(n) for n in range(1, last + 1)], guest.name
    moved = [guest for guest in them if await guest.is_recovered()]
    assert moved
    for guest in moved:
        notes = await speaker.noted(f"{guest.name} is back")
        assert f"{guest.name} is here" not in notes
    assert "Traceback" not in "".join(server.output for server in servers.values())
    await speaker.aclose()


async def check_that_all_come_back(desk: Desk, them: Sequence[Guest], server: Command) -> None:
    """Kill a server: its guests are new ones at the others."""
    await asyncio.to_thread(server.kill)
    async with asyncio.timeout(DEADLINE):
        while await clients_of(desk, "3001", "3002") != len(them):
            await asyncio.sleep(0.01)
    await asyncio.to_thread(server.start)
    await check_that_all_talk(them, "once more")


@pytest.mark.interop
async def test_recovery_a_job_and_what_to_watch(desk: Desk) -> None:
    async with three_servers(desk, RECOVERY[3], *PAGE) as (engine, servers, _):
        async with guests(desk, "8000") as them:
            await until_all_are_here(them)
            await check_that_nobody_misses_anything(desk, them, servers)
            await check_that_all_come_back(desk, them, servers["c"])
            (desk.folder / "announce.py").write_text(desk.text(JOB[1]))
            for block in (JOB[0], JOB[2]):
                for line in desk.lines(block):
                    await asyncio.to_thread(desk.run, line)
            for guest in them:
                *_, first, last = await guest.noted("The library has closed")
                assert (first, last) == ("The library closes at six", "The library has closed")
            await check_health(desk, engine)
            await check_that_all_talk(them, "good night")


async def check_health(desk: Desk, engine: Command) -> None:
    """Servers say how they are, also while Redis is away, and serve their own clients then."""

    async def all_are(*, healthy: bool) -> list[dict[str, Any]]:
        async with asyncio.timeout(DEADLINE):
            while True:
                told = [await asyncio.to_thread(desk.health, port) for port in PLACES]
                others = {each["servers"] for each in told} - {len(PLACES)}
                if {each["is_healthy"] for each in told} == {healthy} and not (healthy and others):
                    return told  # one that was killed is counted for some seconds
                await asyncio.sleep(0.05)

    told = await all_are(healthy=True)
    assert [each["server"] for each in told] == ["a", "b", "c"]
    assert sum(each["clients"] for each in told) == 6
    await asyncio.to_thread(engine.stop)
    assert all(each["errors"] for each in await all_are(healthy=False))
    ada, grace = (PythonGuest(desk.url("3001"), "websocket", name) for name in ("Ada", "Grace"))
    for guest in (ada, grace):
        await guest.connected()
    assert await ada.ask("say", "is anybody here?") == "delivered"
    await grace.said("is anybody here?")
    for guest in (ada, grace):
        await guest.aclose()
    await asyncio.to_thread(engine.start)
    await all_are(healthy=True)
