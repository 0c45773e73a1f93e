"""Tests of tokens.py, with real clients, and a proxy that cuts connections."""

import asyncio
import secrets
from typing import Any
from urllib.parse import urlsplit

import sockwave
from sockwave.testing import FaultProxy
from tests.support.peers import package

package("starlette")


class Follower:
    """What a page does: it takes each piece at its offset, and asks for the rest after a cut."""

    def __init__(self, client: sockwave.ClientSocket, key: str) -> None:
        self.client, self.key = client, key
        self.tokens: list[str] = []
        self.state = "running"
        self.connections = 0
        self.pieces = 0
        self.news = asyncio.Event()
        client.on("tokens", self.take)
        client.on("connect", self.connected)

    async def connected(self) -> None:
        self.connections += 1
        answer = await self.client.emit_with_ack("follow", self.key, len(self.tokens))
        assert "error" not in answer

    def take(self, key: str, offset: int, tokens: list[str], state: str) -> None:
        assert key == self.key
        assert offset == len(self.tokens), "lost, or doubled"
        self.tokens += tokens
        self.state = state
        self.pieces += 1
        self.news.set()

    async def until(self, tokens: int) -> None:
        while len(self.tokens) < tokens and self.state == "running":
            self.news.clear()
            await self.news.wait()

    async def until_ended(self) -> None:
        await self.until(1_000_000)


def key() -> str:
    return secrets.token_hex(16)


async def ask(client: sockwave.ClientSocket, key: Any, prompt: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await client.emit_with_ack("ask", key, prompt)
    return answer


async def whole(url: str, key: str) -> tuple[str, str]:
    """What the server has written down of an answer, and its state."""
    async with sockwave.connect(url) as client:
        pieces = client.events("tokens")
        await client.emit_with_ack("follow", key, 0)
        async for _, offset, tokens, state in pieces:
            assert offset == 0
            return "".join(tokens), state
    raise AssertionError


def test_cuts_in_the_middle_lose_and_double_nothing(url: str) -> None:
    async def scenario() -> None:
        address = urlsplit(url)
        assert address.hostname and address.port
        async with (
            FaultProxy(address.hostname, address.port, seed=6) as proxy,
            sockwave.connect(proxy.url, reconnection_delay=0.05) as client,
        ):
            name = key()
            assert await ask(client, name, "Why?") == {}
            assert await ask(client, name, "Why?") == {}, "asked again: no second answer"
            follower = Follower(client, name)
            await follower.connected()
            for cut, tokens in ((proxy.reset, 10), (proxy.cut, 30), (proxy.reset, 60)):
                await follower.until(tokens)
                cut()
            await follower.until_ended()
            assert follower.connections == 4
            assert follower.state == "done"
            assert follower.pieces > 60, "token by token"
            assert ("".join(follower.tokens), "done") == await whole(url, name)
            assert "”\n\nA connection is" in "".join(follower.tokens)

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_stop_ends_it_for_all_who_follow(url: str) -> None:
    async def scenario() -> None:
        async with sockwave.connect(url) as one, sockwave.connect(url) as other:
            name = key()
            await ask(one, name, "Why?")
            followers = [Follower(one, name), Follower(other, name)]
            for follower in followers:
                await follower.connected()
                await follower.until(5)
            other.emit("stop", name)
            for follower in followers:
                await follower.until_ended()
                assert follower.state == "stopped"
            one.emit("stop", name)  # too late
            text, state = await whole(url, name)
            assert state == "stopped"
            assert text == "".join(followers[0].tokens)
            assert len(followers[0].tokens) < 60

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_what_is_wrong_is_refused(url: str) -> None:
    async def scenario() -> None:
        async with sockwave.connect(url) as client:
            assert "characters" in (await ask(client, "short", "Why?"))["error"]
            assert "characters" in (await ask(client, [], "Why?"))["error"]
            for prompt in ("", None, "x" * 2_001):
                assert "2000 characters" in (await ask(client, key(), prompt))["error"]
            forgotten = await client.emit_with_ack("follow", key(), 0)
            assert "forgotten" in forgotten["error"]
            name = key()
            await ask(client, name, "Why?")
            for offset in (-1, 10_000, "0", True):
                wrong = await client.emit_with_ack("follow", name, offset)
                assert "error" in wrong
            for _ in range(49):
                assert await ask(client, key(), "Why?") == {}
            assert "Too many" in (await ask(client, key(), "Why?"))["error"]

    asyncio.run(asyncio.wait_for(scenario(), 60))
