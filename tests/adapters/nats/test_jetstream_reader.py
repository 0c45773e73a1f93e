"""What a stream of NATS brings is read once, in order, and what it does not bring is noticed."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from nats.aio.msg import Msg

from sockwave.adapters.nats.jetstream import reader as reader_module
from sockwave.adapters.nats.jetstream.api import Api
from sockwave.adapters.nats.jetstream.reader import LogReader, numbers_of

if TYPE_CHECKING:
    from collections.abc import Coroutine

CREATED = "2026-11-30T17:58:10.071234567Z"


class Pushing:
    """A client of a NATS that has a stream and pushes what is in it; it is its own subscription.

    Attributes:
        stored: What the stream has at its places, for who asks.
        asked: Consumers that were made.
        published: Subjects of answers to NATS.
    """

    is_closed = False
    is_connected = True

    def __init__(self) -> None:
        self.stored: dict[int, bytes] = {}
        self.asked: list[dict[str, Any]] = []
        self.published: list[str] = []
        self._inbox: asyncio.Future[Any] | None = None
        self._count = 0

    def new_inbox(self) -> str:
        return "_INBOX.x"

    async def subscribe(self, subject: str, future: asyncio.Future[Any]) -> Pushing:
        self._inbox, self._count = future, 0
        return self

    async def unsubscribe(self) -> None:
        """Nothing more is wanted."""

    async def publish(self, subject: str) -> None:
        self.published.append(subject)

    async def request(self, subject: str, body: bytes, timeout: float) -> Msg:
        question = json.loads(body)
        if subject == "$JS.API.CONSUMER.CREATE.s":
            self.asked.append(question["config"])
            return self._message(data=b"{}")
        assert subject == "$JS.API.STREAM.MSG.GET.s"
        data = self.stored.get(question["seq"])
        reply: dict[str, Any] = {"error": {"err_code": 10037, "description": "no message found"}}
        if data is not None:
            reply = {"message": {"seq": question["seq"], "data": base64.b64encode(data).decode()}}
        return self._message(data=json.dumps(reply).encode())

    def push(self, sequence: int, data: bytes, *, skip: int = 0) -> None:
        """Bring an entry; `skip` of them got lost on the way."""
        self._count += 1 + skip
        self.stored[sequence] = data
        self._give(reply=f"$JS.ACK.s.c.1.{sequence}.{self._count}.1700000000000000000.0", data=data)

    def say(self, status: str = "100", reply: str = "", **headers: str) -> None:
        """Bring what NATS says itself."""
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        self._give(reply=reply, headers={"Status": status, **told})

    def _give(self, **fields: Any) -> None:
        assert self._inbox is not None
        self._inbox.set_result(self._message(**fields))

    def _message(self, **fields: Any) -> Msg:
        client: Any = self
        return Msg(_client=client, **{"subject": "p.n.log.s", **fields})


class Reading:
    """A reader, and what it has read."""

    def __init__(self) -> None:
        self.client = Pushing()
        self.read: list[bytes] = []
        self.gaps: list[str] = []
        self.reader = LogReader("s", lambda *entry: self.read.append(entry[2]), self.gaps.append)
        client: Any = self.client
        self.api = Api(client)

    async def open(self, first: int = 1, last: int = 0, created: str = CREATED) -> None:
        info = {"created": created, "state": {"first_seq": first, "last_seq": last}}
        await self.reader.open(self.api, info)

    async def watched(self) -> str:
        """Why the connection is given up."""
        with pytest.raises(ConnectionError) as ended:
            await self.reader.watch(self.api)
        return str(ended.value)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_reading_begins_at_the_end_and_goes_on_behind_the_last_entry() -> None:
    async def scenario() -> None:
        reading = Reading()
        await reading.open(1, 10)
        for number in (11, 12):
            reading.client.push(number, b"%d" % number)
        await reading.reader.leave()
        reading.client.push(13, b"of a connection that was left")
        await reading.open(1, 14)
        for number in (13, 14):
            reading.client.push(number, b"%d" % number)
        assert reading.read == [b"11", b"12", b"13", b"14"]
        assert [each["opt_start_seq"] for each in reading.client.asked] == [11, 13]
        assert reading.gaps == []
        assert reading.reader.places is not None
        assert reading.reader.position == reading.reader.places.position(14)

    run(scenario())


def test_entry_that_got_lost_on_the_way_is_noticed_by_the_next_one_and_read_again() -> None:
    """As where a connection between two servers of NATS breaks."""

    async def scenario() -> None:
        reading = Reading()
        await reading.open()
        reading.client.push(1, b"1")
        reading.client.push(3, b"3", skip=1)
        reading.client.push(4, b"4")
        assert reading.read == [b"1"]
        assert await reading.watched() == "1 entries of the stream have not come"
        await reading.open(1, 4)
        for number in (2, 3, 4):
            reading.client.push(number, b"%d" % number)
        assert reading.read == [b"1", b"2", b"3", b"4"]
        assert reading.gaps == []

    run(scenario())


def test_last_entry_that_got_lost_is_noticed_by_what_nats_says() -> None:
    async def scenario() -> None:
        reading = Reading()
        await reading.open()
        reading.client.push(1, b"1")
        reading.client.say(Nats_Last_Consumer="1")
        reading.client.say(Nats_Last_Consumer="2")
        assert await reading.watched() == "the last entries of the stream have not come"

    run(scenario())


def test_silence_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "HEARTBEAT", 0.001)
    monkeypatch.setattr(reader_module, "SILENCE", 0.01)

    async def scenario() -> None:
        reading = Reading()
        await reading.open()
        assert await reading.watched() == "the stream of NATS says nothing any more"

    run(scenario())


def test_nats_is_answered_where_it_waits_for_that() -> None:
    async def scenario() -> None:
        reading = Reading()
        await reading.open()
        reading.client.say(reply="$JS.FC.1", Description="FlowControl Request")
        reading.client.say(Nats_Last_Consumer="0", Nats_Consumer_Stalled="$JS.FC.2")
        reading.client.say("409", Description="Consumer Deleted")
        assert await reading.watched() == "the stream of NATS ends: Consumer Deleted"
        assert reading.client.published == ["$JS.FC.1", "$JS.FC.2"]

    run(scenario())


@pytest.mark.parametrize(
    ("state", "told", "begin"),
    [
        ({"first": 8, "last": 9}, "was trimmed before all was read", 8),
        ({"first": 1, "last": 3}, "lacks its end", 4),
        ({"first": 6, "last": 5}, "", 6),
        ({"first": 9, "last": 8}, "was trimmed before all was read", 9),
        ({"first": 2, "last": 4, "created": "2026-11-30T18:00:00Z"}, "is another one", 2),
        ({"first": 0, "last": 0, "created": "2026-11-30T18:00:00Z"}, "is another one", 1),
    ],
)
def test_what_is_no_longer_there_after_a_break_is_a_gap(
    state: dict[str, Any], told: str, begin: int
) -> None:
    async def scenario() -> None:
        reading = Reading()
        await reading.open()
        for number in range(1, 6):
            reading.client.push(number, b"%d" % number)
        await reading.open(**state)
        assert len(reading.gaps) == bool(told)
        assert told in "".join(reading.gaps)
        assert reading.client.asked[-1]["opt_start_seq"] == begin

    run(scenario())


def test_numbers_that_are_used_again_for_other_entries_are_a_gap() -> None:
    async def scenario() -> None:
        reading = Reading()
        await reading.open()
        reading.client.push(1, b"1")
        reading.client.stored[1] = b"another"
        await reading.open(1, 3)
        assert "lacks its end" in reading.gaps[0]
        for number in (1, 2, 3):
            reading.client.push(number, b"new %d" % number)
        assert reading.read == [b"1", b"new 1", b"new 2", b"new 3"]
        await reading.open(1, 3)
        assert len(reading.gaps) == 1, "it is said once"

    run(scenario())


@pytest.mark.parametrize("same", [1, 2, 3, 7, 9])
@pytest.mark.parametrize("last", [8, 10, 12])
def test_what_has_come_in_place_of_a_lost_end_is_read(same: int, last: int) -> None:
    """Also when it is written again already as far as before, or farther."""
    if last < same:
        return

    async def scenario() -> None:
        reading = Reading()
        await reading.open()
        for number in range(1, 11):
            reading.client.push(number, b"%d" % number)
        for number in range(same + 1, 11):
            reading.client.stored[number] = b"new %d" % number
        await reading.open(1, last)
        assert len(reading.gaps) == 1
        assert reading.client.asked[-1]["opt_start_seq"] == same + 1

    run(scenario())


def test_entries_that_are_trimmed_while_others_are_read_are_a_gap() -> None:
    async def scenario() -> None:
        reading = Reading()
        await reading.open()
        reading.client.push(1, b"1")
        reading.client.push(7, b"7")
        reading.client.push(8, b"8")
        assert reading.read == [b"1", b"7", b"8"]
        assert len(reading.gaps) == 1

    run(scenario())


def test_what_others_send_to_the_subject_is_left_out() -> None:
    async def scenario() -> None:
        reading = Reading()
        await reading.open()
        for reply in ("", "x", "$JS.ACK.s", "$JS.ACK.s.c.1.x.y.1.0"):
            reading.client._give(reply=reply, data=b"forged")
        reading.client.push(1, b"1")
        assert reading.read == [b"1"]

    run(scenario())


def test_numbers_stand_at_two_places() -> None:
    assert numbers_of("$JS.ACK.s.c.1.22.11.1700000000000000000.0") == (22, 11)
    assert numbers_of("$JS.ACK.d.hash.s.c.1.22.11.1700000000000000000.0.x") == (22, 11)


@pytest.mark.parametrize("info", [{}, {"created": "x", "state": {}}, {"created": CREATED}])
def test_stream_of_which_nats_tells_nonsense_is_not_read(info: dict[str, Any]) -> None:
    async def scenario() -> None:
        reading = Reading()
        with pytest.raises(ConnectionError):
            await reading.reader.open(reading.api, info)

    run(scenario())
