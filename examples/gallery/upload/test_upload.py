"""Tests of upload.py, with real clients."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import sockwave
from tests.support.peers import package

package("starlette")

CONTENT = bytes(range(256)) * 1_500
"""Three pieces, and some more bytes."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the server of the test keeps the files."""
    monkeypatch.setenv("UPLOADS", str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.fixture
def url(folder: Path, url: str) -> str:
    """The server starts when it has been told the folder."""
    return url


async def send(
    client: sockwave.ClientSocket, begun: dict[str, Any], pieces: int = 100
) -> dict[str, Any]:
    """Send so many pieces, from where the server is; the last answer."""
    offset, answer = begun["offset"], begun
    while offset < len(CONTENT) and pieces:
        piece = CONTENT[offset : offset + begun["chunk"]]
        answer = await client.emit_with_ack("chunk", begun["key"], offset, piece)
        offset, pieces = answer["offset"], pieces - 1
    return answer


def stored(folder: Path) -> int:
    """How many files there are, whole or not."""
    return len([*folder.iterdir()])


async def downloaded(url: str, name: str) -> tuple[bytes, str]:
    """A file, and how a browser is told to treat it."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/files/{name}") as reply:
        assert reply.status == 200
        return await reply.read(), reply.headers["Content-Disposition"]


def test_upload_goes_on_after_a_cut_and_all_see_the_file(url: str) -> None:
    async def scenario() -> None:
        async with sockwave.connect(url) as watching:
            seen = watching.events("files")
            async with sockwave.connect(url) as client:
                begun = await client.emit_with_ack("begin", "../a.html", len(CONTENT), None)
                assert begun["offset"] == 0
                half = await send(client, begun, 2)
                assert half == {"offset": 2 * begun["chunk"]}
            async with sockwave.connect(url) as client:  # another connection
                size = len(CONTENT)
                again = await client.emit_with_ack("begin", "../a.html", size, begun["key"])
                assert again == {**begun, "offset": half["offset"]}
                repeated = CONTENT[: begun["chunk"]]  # its answer was lost
                answer = await client.emit_with_ack("chunk", begun["key"], 0, repeated)
                assert answer == half
                last = await send(client, again)
            sha256 = hashlib.sha256(CONTENT).hexdigest()
            assert last == {"offset": len(CONTENT), "sha256": sha256}
            async for (files,) in seen:
                if files:
                    break
            (file,) = files
            assert (file["name"], file["sha256"]) == ("../a.html", sha256)
            data, disposition = await downloaded(url, file["id"])
            assert data == CONTENT
            assert disposition.startswith("attachment")

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_what_is_too_much_is_refused(url: str) -> None:
    async def scenario() -> None:
        async with sockwave.connect(url) as client:

            async def refused(*event: Any) -> str:
                name, *args = event
                return str((await client.emit_with_ack(str(name), *args))["error"])

            assert "million bytes" in await refused("begin", "a", 50_000_001, None)
            assert "million bytes" in await refused("begin", "a", 0, None)
            assert "million bytes" in await refused("begin", "a", "9", None)
            assert "200 characters" in await refused("begin", "a" * 201, 1, None)
            begun = await client.emit_with_ack("begin", "a", 10, "guessed")
            assert "128000 bytes" in await refused("chunk", begun["key"], 0, bytes(128_001))
            assert "128000 bytes" in await refused("chunk", begun["key"], 0, "text")
            assert await refused("chunk", begun["key"], 0, bytes(11)) == "more than was said"
            assert await refused("chunk", "guessed", 0, b"1") == "unknown"
            assert await refused("chunk", [], 0, b"1") == "unknown"
            for _ in range(19):
                assert "key" in await client.emit_with_ack("begin", "a", 10, None)
            assert "Too many" in await refused("begin", "a", 10, None)

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_cancelled_upload_leaves_nothing(url: str, folder: Path) -> None:
    async def scenario() -> None:
        async with sockwave.connect(url) as client:
            begun = await client.emit_with_ack("begin", "a", len(CONTENT), None)
            await send(client, begun, 1)
            assert stored(folder) == 1
            await client.emit_with_ack("cancel", begun["key"])
            assert stored(folder) == 0
            answer = await client.emit_with_ack("chunk", begun["key"], 0, b"1")
            assert answer == {"error": "unknown"}

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_two_that_send_the_same_piece_write_it_once(url: str) -> None:
    async def scenario() -> None:
        async with sockwave.connect(url) as one, sockwave.connect(url) as other:
            begun = await one.emit_with_ack("begin", "a", len(CONTENT), None)
            piece = CONTENT[: begun["chunk"]]
            both = [each.emit_with_ack("chunk", begun["key"], 0, piece) for each in (one, other)]
            assert await asyncio.gather(*both) == [{"offset": len(piece)}] * 2
            last = await send(other, {**begun, "offset": len(piece)})
            assert last["sha256"] == hashlib.sha256(CONTENT).hexdigest()

    asyncio.run(asyncio.wait_for(scenario(), 60))
