"""What goes into streams of NATS arrives once, and in order, wherever connections break."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.adapters.nats.jetstream import writer as writer_module
from sockwave.adapters.nats.jetstream.api import Api, JetStreamRefused
from sockwave.adapters.nats.jetstream.parts import ROOM, Parts, is_reference
from sockwave.adapters.nats.jetstream.writer import LogWriter
from tests.adapters.nats.small_jetstream import SmallClient, SmallJetStream
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import Coroutine


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that does not come is waited for no longer than this."""
    monkeypatch.setattr(writer_module, "PATIENCE", 0.02)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


class Writing:
    """A writer, with one connection after the other.

    Attributes:
        outcomes: Of each payload, in the order in which they became known.
    """

    def __init__(self, stream: SmallJetStream, max_backlog: int = 1_000_000) -> None:
        self.stream = stream
        self.writer = LogWriter("s", max_backlog)
        self.outcomes: dict[bytes, int | Exception] = {}
        self.breaks = 0

    def put(self, data: bytes, id_: str | None, subject: str = "a") -> bool:
        return self.writer.put(
            subject,
            data,
            lambda outcome: self.outcomes.update({data: outcome}),
            id_,
            f"parts.{id_}" if id_ else "",
        )

    async def connect(self, max_payload: int = 1_048_576, created: str = "then") -> None:
        """Use a connection until it breaks."""
        client: Any = SmallClient(self.stream, max_payload)
        with suppress(OSError):
            await self.writer.use(Api(client), created)
        self.breaks += 1

    async def finish(self, **options: Any) -> None:
        """Use as many connections as it takes."""

        async def go_on() -> None:
            while True:
                await self.connect(**options)

        task = asyncio.create_task(go_on())
        assert await self.writer.drain(10)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    @property
    def data(self) -> list[bytes]:
        return [data for _, _, data in self.stream.messages]


def test_messages_are_there_in_the_order_of_the_calls() -> None:
    async def scenario() -> None:
        writing = Writing(SmallJetStream())
        sent = [b"%d" % number for number in range(2_000)]
        for data in sent:
            assert writing.put(data, f"a-{data.decode()}")
        await writing.finish()
        assert writing.data == sent
        assert writing.outcomes == {data: at for at, data in enumerate(sent, 1)}
        assert writing.breaks == 0

    run(scenario())


@pytest.mark.parametrize("seed", range(20))
def test_entries_are_there_once_and_in_order_over_answers_that_are_lost(seed: int) -> None:
    async def scenario() -> None:
        dice = random.Random(seed)
        stream = SmallJetStream()
        cut, lost = dice.randrange(1, 100), dice.randrange(100)
        # A connection that breaks: from some message on nothing arrives, of which some was taken.
        stream.takes = lambda count: not cut <= count < 100
        stream.answers = lambda count: not min(lost, cut) <= count < 100
        writing = Writing(stream)
        sent = [b"%d" % number for number in range(100)]
        for number, data in enumerate(sent):
            assert writing.put(data, f"{number % 2}-{number}", "ab"[number % 2])
        await writing.finish()
        assert writing.data == sent
        assert [writing.outcomes[data] for data in sent] == list(range(1, 101))

    run(scenario())


def test_entry_that_was_lost_before_a_later_one_is_given_up_and_told() -> None:
    """As where a cluster of NATS has changed its mind: behind that one it must not come."""

    async def scenario() -> None:
        stream = SmallJetStream()
        stream.takes = lambda count: count != 1
        writing = Writing(stream)
        for number in range(4):
            writing.put(b"%d" % number, f"a-{number}")
        writing.put(b"other", "b-1", "b")
        await writing.finish()
        assert writing.data == [b"0", b"2", b"3", b"other"]
        assert isinstance(writing.outcomes[b"1"], JetStreamRefused)

    run(scenario())


def test_what_is_no_entry_is_not_written_again() -> None:
    """A lost client that was kept may be elsewhere by now."""

    async def scenario() -> None:
        stream = SmallJetStream(answers=lambda count: count > 1)
        writing = Writing(stream)
        writing.put(b"entry", "a-1")
        writing.put(b"client", None)
        writing.put(b"later", "a-2")
        await writing.finish()
        assert writing.data == [b"entry", b"client", b"later"]
        assert isinstance(writing.outcomes[b"client"], OSError)
        assert writing.outcomes[b"entry"] == 1

    run(scenario())


def test_refusal_concerns_one_message_only() -> None:
    async def scenario() -> None:
        error = {"code": 503, "err_code": 10077, "description": "maximum messages exceeded"}
        stream = SmallJetStream(refuses=lambda data: error if data == b"1" else None)
        writing = Writing(stream)
        for number in range(3):
            writing.put(b"%d" % number, f"a-{number}")
        await writing.finish()
        assert writing.data == [b"0", b"2"]
        assert str(writing.outcomes[b"1"]) == "JetStream says: maximum messages exceeded"
        assert writing.breaks == 0

    run(scenario())


def test_stream_that_nobody_leads_for_a_moment_is_tried_again() -> None:
    async def scenario() -> None:
        stream = SmallJetStream()
        error = {"code": 503, "err_code": 10008, "description": "temporarily unavailable"}
        stream.refuses = lambda data: error if stream.count <= 3 else None
        writing = Writing(stream)
        for number in range(3):
            writing.put(b"%d" % number, f"a-{number}")
        await writing.finish()
        assert writing.data == [b"0", b"1", b"2"]
        assert writing.breaks == 1

    run(scenario())


def test_backlog_has_a_bound_that_is_free_again_when_it_is_sent() -> None:
    async def scenario() -> None:
        writing = Writing(SmallJetStream(), max_backlog=1_000)
        put = [writing.put(bytes([number]) * 200, f"a-{number}") for number in range(4)]
        assert put == [True, True, False, False]
        await writing.finish()
        assert writing.put(bytes(700), "a-9")

    run(scenario())


def test_what_is_to_be_done_behind_others_waits_for_their_answers() -> None:
    async def scenario() -> None:
        writing = Writing(SmallJetStream())
        done: list[str] = []
        writing.writer.then(lambda: done.append("at once"))
        writing.put(b"1", "a-1")
        writing.writer.then(lambda: done.append(f"behind {len(writing.outcomes)}"))
        settled = asyncio.create_task(writing.writer.settled())
        await asyncio.sleep(0)
        assert done == ["at once"]
        assert not settled.done()
        await writing.finish()
        await settled
        assert done == ["at once", "behind 1"]

    run(scenario())


@pytest.mark.parametrize("lost", [None, 0, 2, 5])
def test_large_entry_goes_in_parts_with_a_reference_behind_them(lost: int | None) -> None:
    async def scenario() -> None:
        stream = SmallJetStream()
        stream.answers = lambda count: count != lost
        writing = Writing(stream)
        large, most = bytes(range(256)) * 20, ROOM + 1_000
        writing.put(b"before", "a-1")
        writing.put(large, "a-2")
        writing.put(b"after", "a-3")
        await writing.finish(max_payload=most)
        parts, whole = Parts(), []
        for subject, _, data in stream.messages:
            assert len(data) <= most
            if subject.startswith("parts."):
                parts.add("/", subject.removeprefix("parts."), data)
            else:
                whole.append(parts.take("/", data) if is_reference(data) else data)
        assert whole == [b"before", large, b"after"]
        assert writing.outcomes[large] == len(stream.messages) - 1

    run(scenario())


def test_numbers_of_a_stream_that_is_made_anew_begin_anew() -> None:
    async def scenario() -> None:
        writing = Writing(SmallJetStream())
        for number in range(5):
            writing.put(b"%d" % number, f"a-{number}")
        await writing.finish()
        writing.stream = stream = SmallJetStream(answers=lambda count: count > 0)
        writing.put(b"5", "a-5")
        task = asyncio.create_task(writing.connect(created="now"))
        await until(lambda: writing.breaks == 1)
        await task
        await writing.finish(created="now")
        assert stream.messages == [("a", "a-5", b"5")]
        assert writing.outcomes[b"5"] == 1

    run(scenario())
