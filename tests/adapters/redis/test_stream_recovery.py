"""Clients that come back to any server on Redis streams: each event once, and in order."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import re
import time
from functools import partial
from typing import Any

import msgspec
import pytest

from sockwave import Recovery, Socket
from sockwave.adapters.redis import link
from sockwave.adapters.streams.positions import entry_id, position_of
from sockwave.testing import LinkedClient
from tests.adapters.redis.small_streams import small_streams
from tests.adapters.redis.stream_clusters import (
    Page,
    begin,
    cluster,
    make_server,
    run,
    saved,
    settled,
    until,
)

NODE_SESSION = (  # captured
    "84a3736964b462304f6b54725f385374506e2d6c516641414141a3706964b4717a4432572d6562526c66647372646141"
    "414142a5726f6f6d7392b462304f6b54725f385374506e2d6c516641414141a27231a46461746181a377686fa178"
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections are tried often."""
    monkeypatch.setattr(link, "LAST_RETRY", 0.05)


SEEDS = range(200 if os.environ.get("SOCKWAVE_FUZZ") else 6)


def test_offset_is_the_id_of_the_entry_at_all_servers() -> None:
    async def scenario() -> None:
        async with cluster(2) as (redis, (a, b)):
            ada, grace = Page(), Page()
            await ada.connect(a)
            await grace.connect(b)
            a.emit("one", b"\x01", None, {"a": [1.5]})
            b.to("room").emit("two")
            both: list[list[Any]] = [["one", b"\x01", None, {"a": [1.5]}], ["two"]]
            await ada.got(*both)
            await grace.got(*both)
            ids = [entry_id(place) for place in redis.streams[b"socket.io"]]
            assert ada.offsets == grace.offsets == ids[-2:]

    run(scenario())


def test_client_comes_back_to_another_server_and_to_its_own() -> None:
    async def scenario() -> None:
        async with cluster(2) as (redis, (a, b)):
            ada = Page()
            await ada.connect(a)
            a.emit("first")
            await ada.got(["first"])
            for home in (b, a, a, b):
                await ada.lose()
                await until(lambda: saved(redis, ada))
                ada.events.clear()
                a.to("room").emit("missed", 1)
                b.volatile.emit("volatile")
                b.to("elsewhere").emit("not for it")
                b.except_("room").emit("not for it either")
                b.emit("missed", 2, b"\x02")
                assert await ada.connect(home)
                home.emit("after")
                await ada.got(["missed", 1], ["missed", 2, b"\x02"], ["after"])
                (socket,) = home.sockets.values()
                assert socket.recovered
                assert socket.rooms == {socket.id, "room"}
                assert socket.data == {"who": ["x", 1]}
            assert ada.offsets == sorted(ada.offsets, key=lambda text: position_of(text) or 0)

    run(scenario())


def test_client_comes_back_after_all_servers_were_restarted() -> None:
    async def scenario() -> None:
        async with small_streams() as redis:
            before, ada = make_server(redis), Page()
            await begin(before)
            await ada.connect(before)
            before.emit("first")
            await ada.got(["first"])
            await before.close()
            await ada.lose()
            after = make_server(redis)
            await begin(after)
            after.emit("second")
            await until(lambda: b"second" in redis.entries()[-1].get(b"data", b""))
            assert await ada.connect(after)
            await ada.got(["first"], ["second"])
            await after.close()

    run(scenario())


def test_session_is_used_once() -> None:
    async def scenario() -> None:
        async with cluster(2) as (redis, (a, b)):
            ada, thief = Page(), Page()
            await ada.connect(a)
            a.emit("first")
            await ada.got(["first"])
            await ada.lose()
            await until(lambda: saved(redis, ada))
            thief.auth, thief.sid = dict(ada.auth), ada.sid
            outcomes = await asyncio.gather(
                ada.connect(b), thief.connect(a), return_exceptions=True
            )
            assert sum(outcome is True for outcome in outcomes) == 1

    run(scenario())


def test_session_that_was_used_and_is_there_again_is_that_of_a_new_client() -> None:
    """As after a fail-over to a replica that had not heard that it was taken out."""

    async def scenario() -> None:
        async with cluster(2) as (redis, (a, b)):
            ada = Page()
            await ada.connect(a)
            a.emit("first")
            await ada.got(["first"])
            await ada.lose()
            await until(lambda: saved(redis, ada))
            key = f"sio:session:{ada.auth['pid']}".encode()
            used = redis.keys[key]
            assert await ada.connect(b)
            b.emit("second")
            await ada.got(["first"], ["second"])
            await ada.lose()
            await until(lambda: saved(redis, ada))
            redis.keys[key] = used
            assert not await ada.connect(a)
            assert ada.events == [["first"], ["second"]]

    run(scenario())


@pytest.mark.parametrize(
    "auth", [{"pid": "x" * 20}, {"pid": "*"}, {"pid": "x" * 200, "offset": "1-1"}]
)
def test_unknown_secret_is_that_of_a_new_client(auth: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with cluster(1) as (_, (a,)):
            page = Page()
            page.auth = auth
            assert not await page.connect(a)

    run(scenario())


def test_client_that_has_seen_nothing_yet_gets_all() -> None:
    async def scenario() -> None:
        async with cluster(2) as (redis, (a, b)):
            ada = Page()
            await ada.connect(a)
            await ada.lose()
            await until(lambda: saved(redis, ada))
            b.emit("first")
            await until(lambda: bool(redis.entries()))
            assert await ada.connect(b)
            await ada.got(["first"])

    run(scenario())


def test_client_whose_events_were_trimmed_is_a_new_one() -> None:
    async def scenario() -> None:
        async with cluster(1) as (redis, (a,)):
            ada = Page()
            await ada.connect(a)
            a.emit("first")
            await ada.got(["first"])
            await ada.lose()
            await until(lambda: saved(redis, ada))
            for number in range(5):
                a.emit("missed", number)
            await until(lambda: len(redis.entries()) == 6)
            redis.trim(4)
            assert not await ada.connect(a)

    run(scenario())


def test_client_that_was_in_a_quiet_room_is_recovered_in_a_busy_namespace() -> None:
    """What was trimmed was for others, and was read before the loss."""

    async def scenario() -> None:
        async with cluster(1) as (redis, (a,)):
            ada = Page()
            await ada.connect(a)
            a.emit("first")
            await ada.got(["first"])
            for number in range(5):
                a.to("elsewhere").emit("other", number)
            a.to("room").emit("second")
            await ada.got(["first"], ["second"])
            for number in range(5):
                a.to("elsewhere").emit("other", number)
            await until(lambda: len(redis.entries()) == 12)
            await until(redis.has_been_read)
            await ada.lose()
            await until(lambda: saved(redis, ada))
            a.to("room").emit("third")
            await until(lambda: len(redis.entries()) == 13)
            redis.trim(2)  # its loss was behind the first of these
            assert await ada.connect(a)
            await ada.got(["first"], ["second"], ["third"])

    run(scenario())


def test_missed_is_judged_by_the_rooms_of_the_moment() -> None:
    async def scenario() -> None:
        async with cluster(2) as (redis, (a, b)):
            ada = Page()
            await ada.connect(a)
            b.to("late").emit("before it joined")
            b.to("room").emit("seen")
            await ada.got(["seen"])
            seen = dict(ada.auth)
            await ada.emit("join", "late")
            b.to("late").emit("in it")
            await ada.got(["seen"], ["in it"])
            await ada.emit("leave", "late")
            b.to("late").emit("after it left")
            b.to("room").emit("last")
            await ada.got(["seen"], ["in it"], ["last"])
            await ada.lose()
            await until(lambda: saved(redis, ada))
            ada.auth, ada.events = seen, []  # all that came later was on its way
            assert await ada.connect(b)
            await ada.got(["in it"], ["last"])

    run(scenario())


def test_what_is_decided_while_a_client_is_away_holds() -> None:
    async def scenario() -> None:
        async with cluster(3) as (redis, (a, b, c)):
            ada, grace = Page(), Page()
            await ada.connect(a)
            await grace.connect(a)
            a.emit("first")
            await ada.got(["first"])
            await grace.got(["first"])
            for page in (ada, grace):
                await page.lose()
                await until(partial(saved, redis, page))
            count = len(redis.entries())
            assert ada.sid is not None
            assert grace.sid is not None
            b.in_(ada.sid).sockets_leave("room")
            b.to("room").emit("not any more")
            b.in_(ada.sid).sockets_join("late")
            b.to("late").emit("now")
            a.in_(grace.sid).disconnect_sockets()
            await until(lambda: len(redis.entries()) == count + 5)
            assert await ada.connect(c)
            await ada.got(["first"], ["now"])
            (socket,) = c.sockets.values()
            assert socket.rooms == {socket.id, "late"}
            assert not await grace.connect(c)

    run(scenario())


def test_old_socket_speaks_for_a_client_that_is_away() -> None:
    async def scenario() -> None:
        async with cluster(2) as (redis, (a, b)):
            ada, grace, joan = Page(), Page(), Page()
            sockets = []
            for page in (ada, grace, joan):
                await page.connect(a)
                sockets.append(list(a.sockets.values())[-1])
            a.emit("first")
            for page in (ada, grace, joan):
                await page.got(["first"])
                await page.lose()
                await until(partial(saved, redis, page))
            count = len(redis.entries())
            sockets[0].emit("direct")
            sockets[0].leave("room")
            sockets[0].join("late")
            sockets[1].disconnect()
            sockets[2].disconnect(close=True)
            await until(lambda: len(redis.entries()) == count + 5)
            assert await ada.connect(b)
            await ada.got(["first"], ["direct"])
            assert list(b.sockets.values())[-1].rooms == {ada.sid, "late"}
            assert not await grace.connect(b)
            assert not await joan.connect(b)

    run(scenario())


def test_clients_get_events_at_once_while_redis_is_away_and_the_others_later() -> None:
    async def scenario() -> None:
        async with cluster(2) as (redis, (a, b)):
            ada, grace, joan = Page(), Page(), Page()
            await ada.connect(a)
            await joan.connect(a)
            await grace.connect(b)
            a.emit("first")
            for page in (ada, grace, joan):
                await page.got(["first"])
            await redis.stop()
            await until(lambda: not a.cluster.is_healthy)
            a.emit("away", 1)
            await ada.got(["first"], ["away", 1])
            await joan.got(["first"], ["away", 1])
            assert len(ada.offsets) == 1
            await redis.start()
            await grace.got(["first"], ["away", 1])
            assert len(redis.entries()) == 2
            await until(lambda: a.adapter.is_deaf is False)  # type: ignore[attr-defined]
            # Whether it has got that event before, its client cannot say: it has had no offset.
            await joan.lose()
            assert not await joan.connect(b)
            b.emit("later")
            await ada.got(["first"], ["away", 1], ["later"])
            await ada.lose()
            await until(lambda: saved(redis, ada))
            b.emit("missed")
            await until(lambda: len(redis.entries()) == 4)
            assert await ada.connect(b)
            await ada.got(["first"], ["away", 1], ["later"], ["missed"])

    run(scenario())


def test_event_that_redis_refuses_is_sent_here_all_the_same() -> None:
    async def scenario() -> None:
        async with cluster(2) as (redis, (a, b)):
            ada, grace = Page(), Page()
            await ada.connect(a)
            await grace.connect(b)
            redis.errors[b"XADD"] = b"OOM command not allowed"
            a.emit("refused")
            await ada.got(["refused"])
            del redis.errors[b"XADD"]
            a.emit("next")
            await ada.got(["refused"], ["next"])
            await grace.got(["next"])

    run(scenario())


def test_nobody_is_recovered_over_a_gap() -> None:
    async def scenario() -> None:
        async with cluster(1) as (redis, (a,)):
            ada = Page()
            await ada.connect(a)
            a.emit("first")
            await ada.got(["first"])
            await redis.stop()
            await until(lambda: not a.cluster.is_healthy)
            for _ in range(5):
                redis.add([b"uid", b"js", b"nsp", b"/", b"type", b"1"])
            redis.trim(2)
            await redis.start()
            await until(lambda: any("trimmed" in error for error in a.cluster.errors))
            a.emit("second")
            await ada.got(["first"], ["second"])
            await ada.lose()
            assert not await ada.connect(a)

    run(scenario())


def test_last_word_before_the_end_is_heard() -> None:
    async def scenario() -> None:
        async with cluster(1) as (_, (a,)):
            client = LinkedClient(a, timeout=20)
            await client.connect()
            (socket,) = a.sockets.values()
            socket.emit("bye")
            a.emit("bye", "all")
            socket.disconnect()
            assert await client.disconnected() == "io server disconnect"
            assert client.received_nowait() == [("bye", []), ("bye", ["all"])]

    run(scenario())


def test_client_that_comes_to_another_server_before_its_loss_was_noticed_is_given_up() -> None:
    async def scenario() -> None:
        async with cluster(3) as (_, (a, b, c)):
            ada = Page()
            await ada.connect(a)
            c.emit("first")
            await ada.got(["first"])
            old = ada.client
            c.emit("second")  # nobody knows whether it has arrived
            assert await ada.connect(b)
            await ada.got(["first"], ["second"])
            assert not a.sockets
            await old.close()

    run(scenario())


def test_client_that_nobody_has_is_a_new_one() -> None:
    async def scenario() -> None:
        async with cluster(2) as (_, ours):
            page = Page()
            page.auth = {"pid": "x" * 20, "offset": "1-1"}
            assert not await page.connect(ours[0])

    run(scenario())


def test_questions_to_a_socket_do_not_overtake_its_events() -> None:
    async def scenario() -> None:
        async with cluster(1) as (redis, (a,)):
            ada = Page()
            await ada.connect(a)

            def count() -> int:
                ada.take()
                return len(ada.events)

            ada.client.on("question", count)
            (socket,) = a.sockets.values()
            socket.emit("one")
            assert await socket.emit_with_ack("question", timeout=10) == 1
            a.emit("two")
            assert await a.timeout(10).emit_with_ack("question") == [2]
            socket.emit("three")
            await ada.got(["one"], ["two"], ["three"])
            # The first two had no offset, and all that was sent before the third has arrived.
            assert len(ada.offsets) == 1
            await ada.lose()
            await until(lambda: saved(redis, ada))
            assert await ada.connect(a)

    run(scenario())


def test_client_whose_last_event_had_no_offset_is_a_new_one() -> None:
    async def scenario() -> None:
        async with cluster(1) as (redis, (a,)):
            ada = Page()
            await ada.connect(a)
            a.emit("one")
            await ada.got(["one"])
            (socket,) = a.sockets.values()
            a.emit("two")
            ada.client.on("question", lambda: 1)
            assert await socket.emit_with_ack("question", timeout=10) == 1
            await until(lambda: len(redis.entries()) == 2)
            await ada.got(["one"], ["two"])
            await until(redis.has_been_read)
            await ada.lose()
            assert not await ada.connect(a)

    run(scenario())


def test_volatile_event_that_ends_in_an_offset_ends_the_recovery() -> None:
    """JavaScript clients take any text at the end of an event for an offset."""

    async def scenario() -> None:
        async with cluster(1) as (_, (a,)):
            ada = Page()
            await ada.connect(a)
            a.emit("one")
            await ada.got(["one"])
            a.volatile.emit("note", "1-1")
            await ada.got(["one"], ["note"])
            await ada.lose()
            assert not await ada.connect(a)

    run(scenario())


def test_data_that_cannot_be_kept_makes_a_new_client(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with cluster(1) as (_, (a,)):
            ada = Page()
            await ada.connect(a)
            (socket,) = a.sockets.values()
            socket.data["lock"] = object()
            await ada.lose()
            assert not await ada.connect(a)
            assert "cannot come back" in caplog.text

    run(scenario())


def test_client_that_is_refused_by_a_middleware_may_try_once_more() -> None:
    async def scenario() -> None:
        async with cluster(1) as (redis, (a,)):
            ada = Page()
            await ada.connect(a)
            a.emit("one")
            await ada.got(["one"])
            await ada.lose()
            await until(lambda: saved(redis, ada))
            waits = asyncio.Event()

            @a.use
            async def slow(socket: Socket) -> None:
                await waits.wait()

            connecting = asyncio.create_task(ada.connect(a))
            await until(lambda: not saved(redis, ada))
            a.emit("two")
            await until(lambda: len(redis.entries()) == 2)
            await ada.client.close()
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            await until(lambda: saved(redis, ada))
            waits.set()
            a.emit("three")
            assert await ada.connect(a)
            await ada.got(["one"], ["two"], ["three"])

    run(scenario())


def test_namespace_of_a_client_that_is_away_stays_until_it_is_too_late() -> None:
    async def scenario() -> None:
        recovery = Recovery(max_disconnection_duration=0.4)
        async with cluster(1, recovery=recovery) as (redis, (a,)):
            a.of(re.compile("/child-[0-9]"))
            ada = Page("/child-1")
            await ada.connect(a)
            (socket,) = a.of("/child-1").sockets.values()
            socket.emit("one")
            await ada.got(["one"])
            await ada.lose()
            await until(lambda: saved(redis, ada))
            assert "/child-1" in a.namespaces
            socket.emit("two")
            assert await ada.connect(a)
            await ada.got(["one"], ["two"])
            await ada.lose()
            await until(lambda: "/child-1" not in a.namespaces)

    run(scenario())


# --- with servers in JavaScript -------------------------------------------------------------------


def test_session_of_a_server_in_javascript_is_gone_on_with() -> None:
    async def scenario() -> None:
        async with cluster(1) as (redis, (a,)):

            def write(data: str, type_: bytes = b"3") -> str:
                fields = [b"uid", b"js", b"nsp", b"/", b"type", type_, b"data", data.encode()]
                return redis.add(fields).decode()

            def event(name: str, rooms: str = "", flags: str = "") -> str:
                packet = f'{{"type":2,"data":["{name}"]}}'
                opts = f'{{"rooms":[{rooms}],"except":[],"flags":{{{flags}}}}}'
                return write(f'{{"packet":{packet},"opts":{opts}}}')

            seen = event("seen")
            text = base64.b64encode(bytes.fromhex(NODE_SESSION))
            redis.keys[b"sio:session:qzD2W-ebRlfdsrdaAAAB"] = text, time.monotonic() + 100
            event("for all")
            event("for others", '"r2"')
            event("for one", '"b0OkTr_8StPn-lQfAAAA"')
            event("volatile", '"r1"', '"volatile":true')
            last = event("for a room", '"r1","r3"')
            page = Page()
            page.auth = {"pid": "qzD2W-ebRlfdsrdaAAAB", "offset": seen}
            page.sid = "b0OkTr_8StPn-lQfAAAA"
            assert await page.connect(a)
            await page.got(["for all"], ["for one"], ["for a room"])
            assert page.auth["offset"] == last
            (socket,) = a.sockets.values()
            assert socket.rooms == {"b0OkTr_8StPn-lQfAAAA", "r1"}
            assert socket.data == {"who": "x"}
            # And once more, as one of ours.
            await page.lose()
            await until(lambda: saved(redis, page))
            a.to("r1").emit("ours")
            await until(lambda: b"ours" in redis.entries()[-1].get(b"data", b""))
            assert await page.connect(a)
            await page.got(["for all"], ["for one"], ["for a room"], ["ours"])

    run(scenario())


@pytest.mark.parametrize("offset", [None, "1-1", "text", "2795523941949-0"])
def test_client_of_such_a_session_whose_last_event_is_not_there_is_a_new_one(
    offset: str | None,
) -> None:
    async def scenario() -> None:
        async with cluster(1) as (redis, (a,)):
            text = base64.b64encode(bytes.fromhex(NODE_SESSION))
            redis.keys[b"sio:session:qzD2W-ebRlfdsrdaAAAB"] = text, time.monotonic() + 100
            page = Page()
            page.auth = {"pid": "qzD2W-ebRlfdsrdaAAAB"}
            if offset is not None:
                page.auth["offset"] = offset
            assert not await page.connect(a)

    run(scenario())


def test_session_of_ours_has_what_servers_in_javascript_look_for() -> None:
    async def scenario() -> None:
        async with cluster(1, keeps_connected=False) as (redis, (a,)):
            ada = Page()
            await ada.connect(a)
            await ada.lose()
            await until(lambda: saved(redis, ada))
            text, _ = redis.keys[f"sio:session:{ada.auth['pid']}".encode()]
            value = msgspec.msgpack.decode(base64.b64decode(text, validate=True))
            assert list(value)[:4] == ["sid", "pid", "rooms", "data"]
            assert value["sid"] == ada.sid
            assert value["pid"] == ada.auth["pid"]
            assert value["rooms"] == [ada.sid, "room"]
            assert value["data"] == {"who": ["x", 1]}
            command = next(each for each in redis.commands if each[0] == b"SET")
            assert command[3:] == [b"PX", b"120000"]

    run(scenario())


@pytest.mark.parametrize("text", [b"", b"%", b"gA==", b"wQ==", b"kA==", b"gaNzaWSheA=="])
def test_session_that_makes_no_sense_is_that_of_a_new_client(text: bytes) -> None:
    async def scenario() -> None:
        async with cluster(1) as (redis, (a,)):
            redis.keys[b"sio:session:abc"] = text, time.monotonic() + 100
            page = Page()
            page.auth = {"pid": "abc", "offset": "1-1"}
            assert not await page.connect(a)

    run(scenario())


# --- all at once ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_clients_get_each_event_once_and_in_order_whatever_is_cut(seed: int) -> None:
    """Clients come and go between three servers that all send, while connections to Redis break."""
    chance = random.Random(seed)

    async def scenario() -> None:
        async with cluster(3, recovery=Recovery(max_disconnection_duration=60)) as (redis, ours):
            pages = [Page() for _ in range(4)]
            begun = dict.fromkeys(pages, 0)
            recovered = 0
            for page in pages:
                await page.connect(chance.choice(ours))
            for number in range(150):
                sender = chance.randrange(3)
                ours[sender].to("room").emit("news", number, sender)
                page = chance.choice(pages)
                if chance.random() < 0.2:
                    page.take()
                    await page.lose()
                    await asyncio.sleep(0.005)
                    if await page.connect(chance.choice(ours)):
                        recovered += 1
                    else:
                        begun[page] = len(page.events)
                if seed % 2 and chance.random() < 0.03:
                    redis.cut()
                await asyncio.sleep(chance.random() * 0.003)
            await settled(ours)
            for sender, io in enumerate(ours):
                io.to("room").emit("news", 150, sender)
            for page in pages:
                await page.has(*(["news", 150, sender] for sender in range(3)))
                for sender in range(3):
                    got = [each[1] for each in page.events[begun[page] :] if each[2] == sender]
                    assert got == sorted(set(got)), "twice, or not in order"
                got = [each[1] for each in page.events[begun[page] :]]
                assert set(got) >= set(range(min(got), 151)), "missing"
            assert recovered > 3

    run(scenario())
