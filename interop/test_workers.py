"""Clients of every kind against workers: any transport, no stickiness, rooms over all of them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest

from interop.members import LONG, JsMember, PageMember, PythonMember, prepare_page
from interop.stage import TRANSPORTS
from tests.workers.programs import Program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
    from pathlib import Path

    from interop.browsers import Browser, Page
    from interop.members import Member
    from interop.node import NodeDriver

pytestmark = [pytest.mark.interop, pytest.mark.browser, pytest.mark.timeout(300)]

MORE: Final = """
@io.on("connection")
def reaching_others(socket):
    @socket.on("join")
    def join(room):
        socket.join(room)

    @socket.on("shout")
    def shout(room, *args):
        io.to(room).emit("heard", *args)

    @socket.on("survey")
    async def survey(room, value):
        answers = await io.to(room).emit_with_ack("question", value, timeout=60.0)
        # As text: clients in JavaScript take no more than ten attachments.
        return [[number, data.hex()] for number, data in answers]

    @socket.on("count")
    async def count(room):
        return await io.in_(room).count()
"""

WORKERS: Final = 4
PACKAGES: Final = ("sio4", "sio3", "sio2")
OF_PACKAGE: Final = 24
"""With each transport."""
OF_PYTHON: Final = 22
OF_PAGE: Final = {"polling": 2, "upgrade": 2, "websocket": 14}
CLIENTS: Final = 300
ROOMS: Final = 5
SHOUTS: Final = 10
AT_A_TIME: Final = 30
"""Clients that do something together: the patience with one is made for a machine that has no
hundreds to serve."""

BUNDLE: Final = "/socket.io/socket.io.min.js"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with Program(tmp_path, str(WORKERS), more=MORE, options="allow_eio3=True") as program:
        yield program


def answer_of(number: int) -> list[Any]:
    """What a client answers to a question."""
    return [number, number.to_bytes(2)]


def said(number: int, turn: int) -> list[Any]:
    """What a client shouts: every other time with bytes."""
    return [number, turn, turn.to_bytes(3) if turn % 2 else f"turn {turn}"]


def room_of(number: int) -> str:
    return f"room {number % ROOMS}"


def a_js_member(driver: NodeDriver, package: str, url: str, transport: str, number: int) -> Member:
    return JsMember(driver, package, url, transport, answer_of(number))


def a_python_member(url: str, transport: str, number: int) -> Member:
    return PythonMember(url, transport, answer_of(number))


def a_page_member(page: Page, transport: str, number: int) -> Member:
    return PageMember(page, number, transport, answer_of(number))


@asynccontextmanager
async def crowd(url: str, driver: NodeDriver, browser: Browser) -> AsyncIterator[list[Member]]:
    """All kinds of clients with all transports, connected."""
    page = await browser.open(url + BUNDLE)
    await prepare_page(page, BUNDLE)
    makers: list[Callable[[int], Member]] = []
    for transport in TRANSPORTS:
        for package in PACKAGES:
            makers += [partial(a_js_member, driver, package, url, transport)] * OF_PACKAGE
        makers += [partial(a_python_member, url, transport)] * OF_PYTHON
        makers += [partial(a_page_member, page, transport)] * OF_PAGE[transport]
    members: list[Member] = []
    try:
        for begin in range(0, len(makers), AT_A_TIME):
            joining = [
                make(number) for number, make in enumerate(makers[begin : begin + AT_A_TIME], begin)
            ]
            members += joining
            await asyncio.gather(*(member.connected() for member in joining))
        yield members
    finally:
        await page.close()
        await driver.close_clients()
        for member in members:
            await member.aclose()


async def each(
    members: Iterable[Member], act: Callable[[int, Member], Coroutine[Any, Any, Any]]
) -> list[Any]:
    """Let all of them do something, some at a time; what came of it, in their order."""
    results: list[Any] = []
    acting = [act(number, member) for number, member in enumerate(members)]
    for begin in range(0, len(acting), AT_A_TIME):
        results += await asyncio.gather(*acting[begin : begin + AT_A_TIME])
    return results


@pytest.mark.parametrize("browser", ["chromium"], indirect=True)
async def test_clients_of_all_kinds_are_served_by_any_worker_and_hear_each_other(
    program: Program, driver: NodeDriver, browser: Browser
) -> None:
    async with crowd(f"http://127.0.0.1:{program.port}", driver, browser) as members:
        assert len(members) == CLIENTS
        first_of_kind = {member.kind: n for n, member in reversed(list(enumerate(members)))}
        assert len(first_of_kind) == (len(PACKAGES) + 2) * len(TRANSPORTS)

        pids = await each(members, lambda n, member: member.ask("pid"))
        assert set(pids) == set(program.workers())
        assert len(set(pids)) == WORKERS
        echoes = await each(members, lambda n, member: member.ask("echo", answer_of(n)))
        assert echoes == [answer_of(n) for n in range(CLIENTS)]

        await each(members, lambda n, member: member.emit("join", room_of(n)))
        await each(members, lambda n, member: member.ask("pid"))  # by then it has joined
        await settled(members[pids.index(pid)] for pid in set(pids))
        await check_surveys(members, first_of_kind.values())
        await check_shouts(members, first_of_kind.values())

        assert await each(members, lambda n, member: member.faults()) == [[]] * CLIENTS
    assert "refused" not in program.output
    assert "bad request" not in program.output


async def settled(one_of_each_worker: Iterable[Member]) -> None:
    """Wait until all workers know who is in the rooms of all."""
    async with asyncio.timeout(LONG):
        for member in one_of_each_worker:
            for room in range(ROOMS):
                while await member.ask("count", room_of(room)) != CLIENTS // ROOMS:
                    await asyncio.sleep(0.01)


async def check_surveys(members: list[Member], asking: Iterable[int]) -> None:
    """Whoever asks a room is answered by all in it, in whatever worker they are."""
    for number in asking:
        room = number % ROOMS
        answers = await members[number].ask("survey", room_of(room), b"\x00\xff")
        asked = [answer_of(n) for n in range(CLIENTS) if n % ROOMS == room]
        assert sorted(answers) == [[n, data.hex()] for n, data in asked], members[number].kind


async def check_shouts(members: list[Member], shouting: Iterable[int]) -> None:
    """Each event comes once to all in its room, and those of one client in their order."""

    async def shout(number: int) -> None:
        for turn in range(SHOUTS):
            await members[number].emit("shout", room_of(number), *said(number, turn))

    await asyncio.gather(*map(shout, shouting))
    shouters: dict[int, list[int]] = defaultdict(list)
    for number in shouting:
        shouters[number % ROOMS].append(number)
    counts = [SHOUTS * len(shouters[n % ROOMS]) for n in range(CLIENTS)]
    await each(members, lambda n, member: member.heard(counts[n]))
    await each(members, lambda n, member: member.ask("pid"))  # behind whatever is too much
    for n, heard in enumerate(await each(members, lambda n, member: member.heard(counts[n]))):
        assert len(heard) == counts[n], members[n].kind
        for number in shouters[n % ROOMS]:
            from_one = [event for event in heard if event[0] == number]
            assert from_one == [said(number, turn) for turn in range(SHOUTS)], members[n].kind
