"""The demo's events on the wire: what people send, and what the others get."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from sockwave.cli.demo import app, chat
from sockwave.cli.demo.app import io, report_traffic
from sockwave.cli.demo.chat import MAX_PICTURE, MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

PNG = b"\x89PNG\r\n\x1a\n"


class Person:
    """Somebody at the other end of a WebSocket, who speaks Socket.IO by hand."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        self._ids = count()

    async def receive(self) -> tuple[str, Any]:
        """Return the next packet: its type digits with an ack id, and its JSON with attachments."""
        while (packet := await asyncio.wait_for(self._websocket.recv(decode=True), 40)) == "2":
            await self._websocket.send("3")
        head = packet[: len(packet) - len(packet.lstrip("0123456789-"))]
        kind, _, ack = head.partition("-")
        if not kind.startswith(("45", "46")):
            return head, json.loads(packet[len(head) :] or "null")
        attachments = [await self._websocket.recv() for _ in range(int(kind[2:]))]

        def fill(value: dict[str, Any]) -> Any:
            return attachments[value["num"]] if "_placeholder" in value else value

        return f"4{'2' if kind[1] == '5' else '3'}{ack}", json.loads(
            packet[len(head) :], object_hook=fill
        )

    async def event(self, name: str) -> list[Any]:
        """Return the arguments of the next event called `name`; others are skipped."""
        while True:
            head, data = await self.receive()
            if head.startswith("42") and data[0] == name:
                arguments: list[Any] = data[1:]
                return arguments

    async def ask(self, name: str, argument: Any) -> Any:
        """Emit an event and return its acknowledgement; None where that says nothing more."""
        id_ = next(self._ids)
        if isinstance(argument, bytes):
            placeholder = {"_placeholder": True, "num": 0}
            await self._websocket.send(f"451-{id_}{json.dumps([name, placeholder])}")
            await self._websocket.send(argument)
        else:
            await self._websocket.send(f"42{id_}{json.dumps([name, argument])}")
        while True:
            head, data = await self.receive()
            if head == f"43{id_}":
                return data[0] if data else None

    async def vanish(self) -> None:
        """Lose the connection, without a goodbye."""
        self._websocket.transport.abort()
        await self._websocket.wait_closed()

    async def say_goodbye(self) -> None:
        """Leave on purpose."""
        await self._websocket.send("41")

    async def people(self, *expected: tuple[str, bool]) -> None:
        """Wait for a list of these: names, and whether each is reconnecting."""
        while True:
            _, people = await self.event("people")
            if [(each["name"], each["lost"]) for each in people] == list(expected):
                return

    async def tell(self, name: str) -> None:
        """Emit an event that nobody acknowledges."""
        await self._websocket.send(f"42{json.dumps([name])}")


@asynccontextmanager
async def open_chat() -> AsyncIterator[Callable[[Any], Awaitable[Person]]]:
    """Serve the chat; what it yields brings somebody in, up to the answer to CONNECT."""
    websockets: list[ClientConnection] = []
    app.sweeps.clear()  # their timers have ended with the event loop of another test
    async with io.listen("127.0.0.1", 0) as listener:

        async def arrive(auth: Any) -> Person:
            url = f"ws://127.0.0.1:{listener.port}/socket.io/?EIO=4&transport=websocket"
            websocket = await connect(url, max_size=None)
            websockets.append(websocket)
            person = Person(websocket)
            assert (await person.receive())[0] == "0"
            await websocket.send(f"40{json.dumps(auth)}")
            return person

        try:
            yield arrive
        finally:
            for websocket in websockets:
                await websocket.close()


@asynccontextmanager
async def ada_and_grace(room: str) -> AsyncIterator[tuple[Person, Person]]:
    """Two people in a room of their own."""
    async with open_chat() as arrive:
        ada, grace = await arrive({"name": "Ada"}), await arrive({"name": "Grace"})
        assert await ada.ask("create_room", room) == room
        for person in (ada, grace):
            assert (await person.ask("join", room))["room"] == room
        yield ada, grace


def test_newcomer_is_shown_the_rooms() -> None:
    async def scenario() -> None:
        async with open_chat() as arrive:
            ada = await arrive({"name": " Ada  Lovelace "})
            (rooms,) = await ada.event("rooms")
            assert [room["name"] for room in rooms][:3] == ["Lobby", "Music", "Travel"]
            answer = await ada.ask("join", "lobby")
            assert (answer["room"], answer["messages"]) == ("Lobby", [])
            assert [person["name"] for person in answer["people"]] == ["Ada Lovelace"]

    asyncio.run(scenario())


@pytest.mark.parametrize("auth", [{}, {"name": ""}, {"name": 7}, {"name": "x" * 25}])
def test_nobody_comes_in_without_a_name(auth: Any) -> None:
    async def scenario() -> None:
        async with open_chat() as arrive:
            head, refusal = await (await arrive(auth)).receive()
            assert head == "44"
            assert refusal == {
                "message": "A name has 1 to 24 characters.",
                "data": {"field": "name"},
            }

    asyncio.run(scenario())


def test_message_reaches_the_room_and_activity_everybody_else() -> None:
    async def scenario() -> None:
        async with ada_and_grace("Message") as (ada, grace):
            await grace.ask("join", "Lobby")
            assert await ada.ask("message", " Hello ") is None
            assert await grace.event("activity") == ["Message"]
            (said,) = (await grace.ask("join", "Message"))["messages"]
            assert (said["author"], said["text"], said["picture"]) == ("Ada", "Hello", None)

    asyncio.run(scenario())


def test_picture_travels_as_binary_and_can_be_fetched_later() -> None:
    async def scenario() -> None:
        async with ada_and_grace("Picture") as (ada, grace):
            data = PNG + bytes(MAX_PICTURE - len(PNG))
            assert await ada.ask("picture", data) is None
            message, picture = await grace.event("message")
            assert picture == {"id": message["picture"], "type": "image/png", "data": data}
            assert await grace.ask("fetch_picture", message["picture"]) == picture

    asyncio.run(scenario())


def test_typing_is_told_to_the_others() -> None:
    async def scenario() -> None:
        async with ada_and_grace("Typing") as (ada, grace):
            await grace.tell("typing")
            assert await ada.event("typing") == ["Grace"]

    asyncio.run(scenario())


def test_room_hears_who_comes_and_goes() -> None:
    async def scenario() -> None:
        async with ada_and_grace("Presence") as (ada, grace):
            _, people = await ada.event("people")
            assert [person["name"] for person in people] == ["Ada", "Grace"]
            await grace.ask("join", "Lobby")
            _, people = await ada.event("people")
            assert [person["name"] for person in people] == ["Ada"]

    asyncio.run(scenario())


def test_who_is_cut_off_is_shown_as_reconnecting_until_back() -> None:
    async def scenario() -> None:
        async with open_chat() as arrive:
            ada = await arrive({"name": "Ada"})
            await ada.ask("create_room", "Cut off")
            await ada.ask("join", "Cut off")
            grace = await arrive({"name": "Grace", "page": "g"})
            await grace.ask("join", "Cut off")
            await grace.vanish()
            await ada.people(("Ada", False), ("Grace", True))
            again = await arrive({"name": "Grace", "page": "g"})
            answer = await again.ask("join", "Cut off")
            assert [each["lost"] for each in answer["people"]] == [False, False]
            await ada.people(("Ada", False), ("Grace", False))
            await again.say_goodbye()
            await ada.people(("Ada", False))

    asyncio.run(scenario())


def test_who_comes_back_to_another_room_is_not_awaited_in_the_first() -> None:
    async def scenario() -> None:
        async with open_chat() as arrive:
            ada = await arrive({"name": "Ada"})
            await ada.ask("create_room", "Elsewhere")
            await ada.ask("join", "Elsewhere")
            grace = await arrive({"name": "Grace", "page": "g"})
            await grace.ask("join", "Elsewhere")
            await grace.vanish()
            await ada.people(("Ada", False), ("Grace", True))
            await (await arrive({"name": "Grace", "page": "g"})).ask("join", "Music")
            await ada.people(("Ada", False))

    asyncio.run(scenario())


def test_who_is_back_before_the_loss_is_noticed_is_there_once() -> None:
    async def scenario() -> None:
        async with open_chat() as arrive:
            first = await arrive({"name": "Grace", "page": "g"})
            await first.ask("create_room", "Twice")
            await first.ask("join", "Twice")
            second = await arrive({"name": "Grace", "page": "g"})
            answer = await second.ask("join", "Twice")
            assert [each["name"] for each in answer["people"]] == ["Grace"]
            ada = await arrive({"name": "Ada"})
            answer = await ada.ask("join", "Twice")
            assert [each["name"] for each in answer["people"]] == ["Ada", "Grace"]

    asyncio.run(scenario())


def test_who_does_not_come_back_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "AWAY", 0.0)
    monkeypatch.setattr(chat, "AWAY", 0.0)

    async def scenario() -> None:
        async with open_chat() as arrive:
            ada = await arrive({"name": "Ada"})
            await ada.ask("create_room", "Gone")
            await ada.ask("join", "Gone")
            grace = await arrive({"name": "Grace", "page": "g"})
            await grace.ask("join", "Gone")
            await grace.vanish()
            await ada.people(("Ada", False), ("Grace", True))
            await ada.people(("Ada", False))
            assert not app.sweeps

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("event", "argument", "error"),
    [
        ("message", "x" * (MAX_TEXT + 1), "A message has 1 to 2,000 characters."),
        ("picture", b"<svg>", "Only PNG, JPEG, GIF and WebP pictures can be shown."),
        ("picture", PNG + bytes(MAX_PICTURE), "This picture has 801 kB; the limit is 800 kB."),
        ("fetch_picture", -1, "This picture is not kept any more."),
        ("join", "Nowhere", "This room does not exist any more."),
        ("create_room", "LOBBY", "There is already a room called Lobby."),
        ("create_room", " ", "A room name has 1 to 24 characters."),
    ],
)
def test_mistake_is_acknowledged_with_its_reason(event: str, argument: Any, error: str) -> None:
    async def scenario() -> None:
        async with open_chat() as arrive:
            ada = await arrive({"name": "Ada"})
            await ada.ask("join", "Lobby")
            assert await ada.ask(event, argument) == {"error": "refused", "message": error}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("event", "argument"),
    [
        ("message", {"text": 1}),
        ("picture", "text"),
        ("fetch_picture", "1"),
        ("join", None),
        ("create_room", 7),
    ],
)
def test_what_is_of_another_type_reaches_no_handler(event: str, argument: Any) -> None:
    async def scenario() -> None:
        room = f"Types of {event}"
        async with ada_and_grace(room) as (ada, grace):
            answer = await ada.ask(event, argument)
            assert (answer["error"], answer["event"], answer["path"]) == ("validation", event, "$")
            assert (await grace.ask("join", room))["messages"] == []

    asyncio.run(scenario())


def test_nothing_can_be_said_outside_a_room() -> None:
    async def scenario() -> None:
        async with open_chat() as arrive:
            ada = await arrive({"name": "Ada"})
            refused = {"error": "refused", "message": "Enter a room first."}
            assert await ada.ask("message", "Hello") == refused
            assert await ada.ask("picture", PNG) == refused

    asyncio.run(scenario())


def test_traffic_is_reported_every_second() -> None:
    async def scenario() -> None:
        async with ada_and_grace("Traffic") as (ada, _):
            reporting = asyncio.create_task(report_traffic())
            (stats,) = await ada.event("stats")
            reporting.cancel()
            assert stats["connections"] == 2
            assert stats["received"] >= 3
            assert stats["sent"] > stats["received"]

    asyncio.run(scenario())
