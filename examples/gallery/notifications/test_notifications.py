"""Tests of notifications.py: two workers, with real clients at both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import sockwave
from sockwave import ConnectError
from tests.support.peers import package

package("starlette")


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server of the test keeps them."""
    monkeypatch.setenv("NOTIFICATIONS", str(tmp_path / "kept.db"))


@pytest.fixture
def url(database: None, url: str) -> str:
    """The server starts when it has been told the file."""
    return url


class Screen:
    """A page of a user: what it has been told, from its first list on."""

    def __init__(self, client: sockwave.ClientSocket) -> None:
        self.client = client
        self.lists = client.events("notifications")
        self.seen = client.events("seen")
        self.welcome = client.events("welcome")

    async def next(self) -> Any:
        return (await anext(aiter(self.lists)))[0]


async def open_screen(stack: AsyncExitStack, url: str, user: str) -> tuple[Screen, int]:
    """Connect, and say at which worker it is; the first list is still to be read."""
    client = sockwave.connect(url, auth={"user": user})
    screen = Screen(client)
    await stack.enter_async_context(client)
    _, number, count = await anext(aiter(screen.welcome))
    assert count == 2
    return screen, number


async def at_both_workers(stack: AsyncExitStack, url: str, user: str) -> AsyncIterator[Screen]:
    """Screens of a user until there is one at each worker."""
    numbers: set[int] = set()
    for _ in range(60):
        screen, number = await open_screen(stack, url, user)
        numbers.add(number)
        yield screen
        if len(numbers) == 2:
            return
    raise AssertionError("all came to one worker")


async def post(url: str, user: object, text: object, **more: Any) -> tuple[int, dict[str, Any]]:
    """On a connection of its own, so that any worker may get it."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/notify", json={"user": user, "text": text}, **more) as reply,
    ):
        return reply.status, await reply.json()


def test_notification_reaches_all_screens_of_its_user_at_any_worker(url: str) -> None:
    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            screens = [screen async for screen in at_both_workers(stack, url, "Ada")]
            other, _ = await open_screen(stack, url, "Grace")
            for screen in (*screens, other):
                assert await screen.next() == []
            takers: set[int] = set()
            sent: list[int] = []
            while len(takers) < 2:
                assert len(sent) < 45
                status, answer = await post(url, "Ada", f"number {len(sent)}")
                assert status == 200
                takers.add(answer["worker"])
                sent.append(answer["id"])
            for screen in screens:
                heard = [await screen.next() for _ in sent]
                assert sorted(each["id"] for (each,) in heard) == sorted(sent), "each once"
            await post(url, "Grace", "only for you")
            assert [each["text"] for each in await other.next()] == ["only for you"]

            screens[0].client.emit("see", sent[0])
            for screen in screens:
                assert await anext(aiter(screen.seen)) == (sent[0],)

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_who_is_not_there_finds_the_newest_later(url: str) -> None:
    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            for number in range(52):
                await post(url, "Ada", f"number {number}")
            other, _ = await open_screen(stack, url, "Grace")
            screen, _ = await open_screen(stack, url, "Ada")
            kept = await screen.next()
            assert [each["text"] for each in kept] == [f"number {n}" for n in range(2, 52)]
            assert await other.next() == []
            for wrong in ("1", None, 2**70, True):
                await other.client.emit_with_ack("see", wrong)
            await other.client.emit_with_ack("see", kept[0]["id"])  # it is Ada's
            screen.client.emit("see", kept[1]["id"])
            assert await anext(aiter(screen.seen)) == (kept[1]["id"],)
            again, _ = await open_screen(stack, url, "Ada")
            assert [each["seen"] for each in (await again.next())[:3]] == [False, True, False]

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_what_is_wrong_is_refused(url: str) -> None:
    async def scenario() -> None:
        for user in ("", " Ada", "x" * 31, None, 5):
            with pytest.raises(ConnectError, match="A name has"):
                async with sockwave.connect(url, auth={"user": user}):
                    pass
        assert (await post(url, "Ada", ""))[0] == 400
        assert (await post(url, "Ada", "x" * 501))[0] == 400
        assert (await post(url, ["Ada"], "hello"))[0] == 400
        assert (await post(url, "Ada", "x" * 10_001))[0] == 413
        plain = {"content-type": "text/plain"}
        assert (await post(url, "Ada", "hello", headers=plain))[0] == 415

    asyncio.run(asyncio.wait_for(scenario(), 60))
