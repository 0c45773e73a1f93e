"""Tests of team_chat.py: over HTTP and sockets, as its page does it."""

import asyncio

import aiohttp
import pytest

import sockwave
from tests.support.peers import package

package("fastapi")
package("aiosqlite")


async def log_in(url: str, name: str, password: str = "correct horse") -> tuple[int, str]:
    """The status, and the cookie of the new login."""
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        body = {"name": name, "password": password}
        async with session.post(f"{url}/login", json=body) as reply:
            cookie = reply.cookies.get("session")
            return reply.status, f"session={cookie.value}" if cookie else ""


def connect(url: str, cookie: str, since: int = 0) -> sockwave.ClientSocket:
    return sockwave.connect(url, extra_headers={"Cookie": cookie}, auth={"since": since})


def test_only_who_has_logged_in_comes_in(url: str) -> None:
    async def scenario() -> None:
        status, cookie = await log_in(url, "Ada")
        assert status == 200
        async with connect(url, cookie) as ada:
            assert ada.connected
        for wrong in ("", "session=guessed"):
            with pytest.raises(sockwave.ConnectError, match="Please log in"):
                await connect(url, wrong).__aenter__()
        assert await log_in(url, "Ada", "wrong horse") == (403, "")
        assert await log_in(url, "Ada", "short") == (422, "")

    asyncio.run(scenario())


def test_what_is_said_is_heard_and_kept(url: str) -> None:
    async def scenario() -> None:
        (_, ada_cookie), (_, grace_cookie) = await log_in(url, "Ada"), await log_in(url, "Grace")
        grace = connect(url, grace_cookie)
        heard = grace.events("messages")
        async with grace, connect(url, ada_cookie) as ada:
            assert await anext(heard) == ([],)
            assert await ada.emit_with_ack("say", " hello ") == {"id": 1}
            assert (await ada.emit_with_ack("say", " ")).keys() == {"error"}
            assert (await ada.emit_with_ack("say", ["x"])).keys() == {"error"}
            ((message,),) = await anext(heard)
            assert (message["id"], message["name"], message["text"]) == (1, "Ada", "hello")
            for number in range(2, 56):
                said = {"id": number}
                assert await ada.emit_with_ack("say", f"{number}") == said
        for since, numbers in ((0, range(6, 56)), (53, range(54, 56))):
            again = connect(url, grace_cookie, since)
            history = again.events("messages")
            async with again:
                (messages,) = await anext(history)
                assert [message["id"] for message in messages] == [*numbers]
                earlier = await again.emit_with_ack("older", 6)
                assert [message["id"] for message in earlier] == [1, 2, 3, 4, 5]

    asyncio.run(scenario())


def test_all_see_who_is_here(url: str) -> None:
    async def scenario() -> None:
        (_, ada_cookie), (_, grace_cookie) = await log_in(url, "Ada"), await log_in(url, "Grace")
        ada = connect(url, ada_cookie)
        people = ada.events("people")
        async with ada:
            assert await anext(people) == (["Ada"],)
            async with connect(url, grace_cookie):
                assert await anext(people) == (["Ada", "Grace"],)
            assert await anext(people) == (["Ada"],)

    asyncio.run(scenario())


def test_logout_ends_the_sockets_of_the_login(url: str) -> None:
    async def scenario() -> None:
        _, cookie = await log_in(url, "Ada")
        async with connect(url, cookie) as ada:
            gone = asyncio.Event()
            ada.on("disconnect", lambda *why: gone.set())
            headers = {"Cookie": cookie}
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"{url}/logout", headers=headers) as reply,
            ):
                assert reply.status == 200
            await asyncio.wait_for(gone.wait(), 20)
        with pytest.raises(sockwave.ConnectError, match="Please log in"):
            await connect(url, cookie).__aenter__()

    asyncio.run(scenario())
