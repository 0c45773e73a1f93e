"""Emitters on NATS: what goes out, and what is said when nothing does."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from nats.aio.client import Client

import sockwave.sync
from sockwave import Server, TransportError
from sockwave.adapters import NatsAdapter
from sockwave.adapters.messages import EMITTER, MessageType, decode_message
from sockwave.adapters.nats.frames import FrameReader
from sockwave.emitters import NatsEmitter, nats_engine
from sockwave.errors import EncodeError
from sockwave.testing import LinkedClient
from tests.adapters.nats.fake_server import FakeNats
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sockwave.adapters.messages import Message


@pytest.fixture
def server() -> Iterator[FakeNats]:
    with FakeNats(max_payload=10_000) as server:
        yield server


def messages(server: FakeNats) -> list[tuple[str, Message]]:
    """What was published: subjects and messages."""
    reader = FrameReader(lambda place, what: pytest.fail(what))
    read = [(subject, reader.receive(subject, frame, 0.0)) for subject, frame in server.published]
    return [(subject, decode_message(message)) for subject, message in read if message is not None]


def test_events_and_orders_go_to_the_subject_of_the_namespace(server: FakeNats) -> None:
    async def play() -> None:
        async with NatsEmitter(server.url, prefix="chat") as emitter:
            await emitter.to("r").except_("s").emit("news", 1, b"\x00")
            await emitter.of("admin").in_("r").sockets_join("t")
            await emitter.server_side_emit("hi")
            await emitter.to().emit("nobody")
        await until(lambda: server.connections == 0)

    asyncio.run(play())
    (_, event), (where, order), (_, hi) = messages(server)
    assert [subject for subject, _ in messages(server)] == [
        "chat.=2F.all",
        "chat.=2Fadmin.all",
        "chat.=2F.all",
    ]
    assert (event.type, event.sender, event.namespace) == (MessageType.BROADCAST, EMITTER, "/")
    assert event.data["packet"]["data"] == ["news", 1, b"\x00"]
    assert event.data["opts"]["except"] == ["s"]
    assert (order.type, order.data["rooms"]) == (MessageType.SOCKETS_JOIN, ["t"])
    assert (hi.type, hi.data["packet"]) == (MessageType.SERVER_SIDE_EMIT, ["hi"])
    assert where == "chat.=2Fadmin.all"


def test_large_event_goes_in_parts_and_one_that_is_too_large_not_at_all(
    server: FakeNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(100_000)

    async def play() -> None:
        async with NatsEmitter(server.url) as emitter:
            await emitter.emit("large", data)
            with pytest.raises(EncodeError, match="cannot be sent to servers"):
                await emitter.emit("larger", bytes(200_000))

    monkeypatch.setattr(nats_engine, "MAX_MESSAGE", 150_000)
    asyncio.run(play())
    ((_, event),) = messages(server)
    assert event.data["packet"]["data"] == ["large", data]
    assert len(server.published) > 10


def test_servers_hear_both_kinds_of_emitters(server: FakeNats) -> None:
    async def play() -> None:
        io = Server(adapter=NatsAdapter(server.url))
        heard: list[Any] = []
        io.on("hi", heard.append)
        async with io.listen():
            await until(lambda: len(server.subjects) == 2)
            async with NatsEmitter([server.url]) as emitter:
                await emitter.server_side_emit("hi", 1)
            with sockwave.sync.NatsEmitter(server.url) as blocking:
                await asyncio.to_thread(blocking.server_side_emit, "hi", 2)
            await until(lambda: len(heard) == 2)
        assert heard == [1, 2]

    asyncio.run(play())


def test_nats_that_is_away_is_an_error_and_the_next_event_connects_again(server: FakeNats) -> None:
    async def play() -> None:
        url = server.url.replace("//", "//user:secret@")
        async with NatsEmitter(url) as emitter:
            server.is_refusing = True
            with pytest.raises(TransportError, match="NATS") as raised:
                await emitter.emit("a")
            assert "secret" not in str(raised.value)
            server.is_refusing = False
            await emitter.emit("b")
            server.is_paused = True
            sending = asyncio.ensure_future(emitter.emit("c"))
            await asyncio.sleep(0)
            server.cut()
            with pytest.raises(TransportError):
                await sending
            server.is_paused = False
            await emitter.emit("d")

    asyncio.run(play())
    assert [each.data["packet"]["data"] for _, each in messages(server)] == [["b"], ["d"]]


def test_client_of_the_users_own_is_used_and_left_open(server: FakeNats) -> None:
    async def play() -> None:
        client = Client()
        await client.connect(server.url)
        async with NatsEmitter(client) as emitter:
            await emitter.emit("a")
        assert client.is_connected
        await client.close()

    asyncio.run(play())
    assert len(messages(server)) == 1


def test_wrong_arguments_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (NatsEmitter, sockwave.sync.NatsEmitter):
        with pytest.raises(ValueError, match="a URL of NATS has the form"):
            kind("http://u:secret@h")
        with pytest.raises(ValueError, match="prefix must be"):
            kind(prefix="a b")
    with pytest.raises(TypeError, match="must be URLs or a client"):
        sockwave.sync.NatsEmitter([Client()])  # type: ignore[list-item]
    for name in [name for name in sys.modules if name.partition(".")[0] == "nats"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "nats", None)
    with pytest.raises(ModuleNotFoundError, match=r"NatsEmitter needs nats-py: pip install"):
        NatsEmitter()


# --- questions ------------------------------------------------------------------------------------


def test_servers_answer_both_kinds_of_emitters(server: FakeNats) -> None:
    large = os.urandom(50_000)

    async def play() -> None:
        io = Server(adapter=NatsAdapter(server.url))
        async with LinkedClient(io) as client, NatsEmitter(server.url) as emitter:
            client.on("question", lambda *args: (large, *args))
            await until(lambda: len(server.subjects) == 2)
            assert await emitter.server_count() == 1
            assert await emitter.emit_with_ack("question", large) == [(large, large)]
            (socket,) = await emitter.fetch_sockets()
            assert await socket.emit_with_ack("question") == large
            with sockwave.sync.NatsEmitter(server.url) as blocking:
                ask = blocking.emit_with_ack
                assert await asyncio.to_thread(ask, "question", 1) == [(large, 1)]
            await until(lambda: len(server.subjects) == 2)  # nobody listens for answers any more
        await io.close()

    asyncio.run(play())


def test_connection_that_ends_ends_the_question_and_the_next_one_asks_anew(
    server: FakeNats,
) -> None:
    async def play() -> None:
        async with NatsEmitter(server.url) as emitter:
            asked = asyncio.ensure_future(emitter.timeout(20).emit_with_ack("question"))
            await until(lambda: len(server.published) == 1)
            server.cut()
            with pytest.raises(TransportError):
                await asked
            assert await emitter.emit_with_ack("question") == []

    asyncio.run(play())


def test_what_is_no_frame_or_no_message_is_no_answer(
    server: FakeNats, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> None:
        async with NatsEmitter(server.url) as emitter:
            asked = asyncio.ensure_future(emitter.emit_with_ack("question"))
            await until(lambda: len(server.published) == 1)
            subject = "sockwave.=2F.to.emitter"
            id_ = messages(server)[0][1].data["requestId"].encode()
            frame = bytes(17)
            number = next(iter(server.subjects)) and 1
            for payload in (b"", b"\xff", b"\xff" * 100, frame + id_):
                head = f"MSG {subject} {number} {len(payload)}\r\n".encode()
                server.say(head + payload + b"\r\n")
            assert await asked == []

    asyncio.run(play())
    assert [message for message in caplog.messages if "answer 1 to an emitter" in message]
