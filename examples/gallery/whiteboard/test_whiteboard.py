"""Tests of whiteboard.py, with real clients."""

import asyncio
import struct

import sockwave
from tests.support.peers import package

package("starlette")

POINTS = struct.pack("<4h", 0, 0, 100, 200)
MORE = struct.pack("<2h", 32_767, 5)


def connect(url: str, owner: str) -> sockwave.ClientSocket:
    """WebSocket only: volatile events find no way in the middle of an upgrade."""
    return sockwave.connect(url, auth={"owner": owner}, transports=["websocket"])


def line(number: int, colour: int, width: int, points: bytes) -> bytes:
    return struct.pack("<IBBH", number, colour, width, len(points) // 4) + points


async def board(url: str) -> bytes:
    """What somebody gets who comes now."""
    client = connect(url, "late")
    boards = client.events("board")
    async with client:
        (state,) = await anext(boards)
        assert isinstance(state, bytes)
        return state


def test_line_is_seen_while_it_is_drawn_and_by_late_joiners(url: str) -> None:
    async def scenario() -> None:
        assert await board(url) == b""
        async with connect(url, "ada") as ada, connect(url, "grace") as grace:
            seen = grace.events("begun", "drawn")
            assert await ada.emit_with_ack("begin", 2, 1) == 1
            assert await ada.emit_with_ack("draw", 1, POINTS) is True
            assert await anext(seen) == ("begun", 1, 2, 1)
            assert await anext(seen) == ("drawn", 1, POINTS)
            assert await board(url) == line(1, 2, 1, POINTS), "in the middle of it"
            assert await ada.emit_with_ack("draw", 1, MORE) is True
            assert await anext(seen) == ("drawn", 1, MORE)
            assert await grace.emit_with_ack("begin", 0, 0) == 2
            assert await board(url) == line(1, 2, 1, POINTS + MORE) + line(2, 0, 0, b"")

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_undo_takes_only_what_is_ones_own_also_after_a_cut(url: str) -> None:
    async def scenario() -> None:
        async with connect(url, "ada") as ada:
            await ada.emit_with_ack("begin", 1, 1)
        async with connect(url, "grace") as grace, connect(url, "ada") as ada:
            gone = grace.events("gone")
            assert await grace.emit_with_ack("begin", 2, 2) == 2
            assert await grace.emit_with_ack("draw", 1, POINTS) is False, "not hers"
            ada.emit("undo")
            assert await anext(gone) == ([1],)
            assert await board(url) == line(2, 2, 2, b"")
            boards = grace.events("board")
            ada.emit("clear")
            assert await anext(boards) == (b"",)
            assert await grace.emit_with_ack("draw", 2, POINTS) is False, "it has gone"

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_what_does_not_fit_is_refused(url: str) -> None:
    async def scenario() -> None:
        async with connect(url, "ada") as ada:
            for colour, width in ((6, 0), (-1, 0), (0, 3), ("0", 0), (True, 0)):
                assert await ada.emit_with_ack("begin", colour, width) is None
            assert await ada.emit_with_ack("begin", 0, 0) == 1
            for points in (b"", b"abc", "text", [1, 2], bytes(2_004)):
                assert await ada.emit_with_ack("draw", 1, points) is False
            answers = [await ada.emit_with_ack("draw", 1, bytes(2_000)) for _ in range(11)]
            assert answers == [True] * 10 + [False], "a line has an end"

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_oldest_lines_make_room(url: str) -> None:
    async def scenario() -> None:
        async with connect(url, "ada") as ada:
            gone = ada.events("gone")
            for number in range(1, 102):
                assert await ada.emit_with_ack("begin", 0, 0) == number
                for _ in range(10):
                    await ada.emit_with_ack("draw", number, bytes(2_000))
            assert await anext(gone) == ([1],)
            assert len(await board(url)) == 100 * (8 + 20_000)

    asyncio.run(asyncio.wait_for(scenario(), 90))


def test_pen_is_seen_until_its_owner_leaves(url: str) -> None:
    async def scenario() -> None:
        async with connect(url, "grace") as grace:
            seen = grace.events("pointing", "away")
            async with connect(url, "ada") as ada:
                ada.emit("point", 40_000, 1)
                ada.emit("point", 7, 9)
                assert await anext(seen) == ("pointing", ada.id, 7, 9)
                name = ada.id
            assert await anext(seen) == ("away", name)

    asyncio.run(asyncio.wait_for(scenario(), 60))
