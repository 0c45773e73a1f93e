"""Processes that lie on a carrier: what they can say there, and what servers must not believe.

async with CARRIERS["redis"].liar(address, name) as say:
    for lie in lies("liar"):
        await say(lie)
"""

from __future__ import annotations

import pickle
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg
import nats
import redis.asyncio

from sockwave import adapters
from sockwave.adapters import ClusterOptions
from sockwave.adapters.messages import encode_value
from sockwave.adapters.nats.connection import OwnClients
from sockwave.adapters.nats.driver import NatsDriver
from sockwave.adapters.nats.jetstream.parts import cut
from sockwave.adapters.nats.subjects import Subjects
from sockwave.adapters.postgres.wire import MAX_NOTIFICATION
from sockwave.adapters.unix import UnixDriver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from sockwave.adapters import Driver
    from sockwave.testing import AdapterMaker

__all__ = ["CARRIERS", "ENVELOPES", "LARGE", "Carrier", "Say", "lies", "raw"]

Say: TypeAlias = "Callable[[Any], Coroutine[Any, Any, None]]"
"""Tells all servers of the namespace `/` something: a value as a message, bytes as they are."""

LARGE: Final = 100_000_000
"""Bytes of a message that nobody wants."""

BACKLOG: Final = 2**28
"""A liar may send as much."""

QUICK: Final = ClusterOptions(heartbeat_interval=0.3, heartbeat_timeout=2.0)

# --- what is said ---------------------------------------------------------------------------------

TYPES: Final = (*range(-1, 15), 99, *range(100, 117), 10**9)
GOODBYE: Final = 13
DISCONNECT: Final = 6


def _any(*values: Any) -> tuple[Any, ...]:
    return values


_B: Final = {"rooms": ["B"], "except": [], "flags": {}}
_FORGED: Final = {"type": 2, "data": ["forged"]}

FIELDS: Final[tuple[Any, ...]] = (
    *(7, True, "forged", 1.5, [], ["forged"], {}),
    # Whom it is for.
    *({"opts": opts, "packet": _FORGED} for opts in _any(7, None, [], {}, {"rooms": None})),
    {"opts": {"rooms": "B"}, "packet": _FORGED},
    {"opts": {"rooms": {"0": "B"}}, "packet": _FORGED},
    {"opts": {"rooms": ["B", ["B"]]}, "packet": _FORGED},
    {"opts": {"rooms": ["B"], "except": 7}, "packet": _FORGED},
    {"opts": {"rooms": ["B"], "except": [{}]}, "packet": _FORGED},
    # What it says.
    *(
        {"opts": _B, "packet": packet}
        for packet in _any(None, 7, "forged", [], {}, [7], [["forged"]])
    ),
    *({"opts": _B, "packet": {"data": data}} for data in _any(7, "forged", [], {}, [7], [None])),
    *(
        {"opts": _B, "text": text}
        for text in _any(7, [], "", "forged", '["forged"', '{"a":"forged"}')
    ),
    *({"opts": _B, "text": '["forged"]', "bin": each} for each in _any(7, "x", {}, [7], ["x"])),
    *({"opts": _B, "messages": each} for each in _any(7, [], "forged", [7], [["forged"]])),
    # Rooms to join, to leave, and those that somebody has.
    *({"opts": _B, "rooms": rooms} for rooms in _any(7, {}, [7.5], [[]], [{}])),
    *({"version": each, "rooms": []} for each in _any(-1, 1.5, "1", None, [], 2**53)),
    {"version": 1, "rooms": 7},
    {"version": 1, "rooms": [[]]},
    {"version": 1, "since": "0", "add": []},
    {"version": 1, "since": 0, "add": 7},
    *(
        {"version": 1, "filter": each}
        for each in _any(7, "x", b"", b"x", bytes(1000), bytes(2**20))
    ),
    # Questions, and answers that nobody has asked for.
    *(
        {"opts": _B, "packet": _FORGED, "requestId": each}
        for each in _any(7, "", [], {}, "x" * 10_000)
    ),
    *(
        {"requestId": "none", "clientCount": each}
        for each in _any(10**9, -1, 1.5, "1", None, 2**53)
    ),
    *({"requestId": "none", "clientCount": 1, "ids": each} for each in _any(7, {}, [[]], 10**9)),
    *({"requestId": "none", "sockets": each} for each in _any(7, {}, [7], [{}], [{"id": []}])),
    *({"requestId": "none", "count": each} for each in _any(10**9, -1, "1", None)),
    {"requestId": "none", "packet": "forged"},
    {"requestId": "none", "id": 7, "packet": "forged"},
    # What members of ours know of each other.
    *({"sockwave": each} for each in _any(7, [], {}, {"version": "1"}, {"version": -1})),
    *({"sockwave": {"version": 1, "interest": each}} for each in _any(None, -1, "0", 2**53)),
    {"sockwave": {"version": 1, "interest": 0, "mirrors": 7, "losses": "x", "recovers": 7}},
    *({"mirrors": each, "round": 1} for each in _any(7, {}, [7], [""])),
    *({"round": each} for each in _any(-1, "1", None, 10**9)),
    *({"member": each} for each in _any(7, "", [], None)),
    {"opts": {"rooms": ["nowhere"]}, "packet": _FORGED, "owners": 7},
    *(
        {"s": 1, "begin": True, "k": 0, "ops": ops}
        for ops in _any(7, "x", [7], [[]], [["x"]], {"a": 1})
    ),
    *(
        {"s": 1, "begin": True, "k": 0, "ops": [["store", *each]]}
        for each in _any([], [[], 0, 0, {}])
    ),
    *(
        {"s": 1, "begin": True, "k": 0, "ops": [["entry", *each]]}
        for each in _any([7, 7], [["e"], {}])
    ),
    *({"s": 1, "begin": True, "k": 0, "heard": each} for each in _any(7, [7], {"a": -1}, "x")),
    *({"s": each, "begin": True, "k": 10**9} for each in _any(1, 10**9, -1, "1")),
    *({"pid": "p", "requestId": "none", "offset": each} for each in _any(7, [], {}, "x")),
    *({"id": each, "requestId": "none", "data": 7, "heard": 7} for each in _any(7, "i", [])),
    *({"losses": each, "requestId": "none"} for each in _any(-1, "1", 10**9)),
    *({"pid": each, "requestId": "none"} for each in _any(7, "", [], "x" * 10_000)),
)
"""Of messages, of whatever type."""

ENVELOPES: Final[tuple[Any, ...]] = (
    *({"uid": each, "nsp": "/", "type": 3} for each in _any(None, 7, [], "", "x" * 10_000)),
    *({"uid": "l", "nsp": each, "type": 3} for each in _any(None, 7, [], {}, "/no", "x" * 10_000)),
    *({"uid": "l", "nsp": "/", "type": each} for each in _any(None, "3", 3.5, [], True, 2**53)),
    *({"uid": "l", "nsp": "/", "type": 2, "n": each} for each in _any("1", -1, 1.5, [])),
    *({"uid": "l", "nsp": "/", "type": 2, "s": each} for each in _any("1", -1, 1.5, [])),
    *(7, None, True, "forged", [], ["l", _FORGED], ["l", _FORGED, 7], [7, _FORGED, _B], {}),
    {"type": 3},
    {"uid": "l", "nsp": "/nowhere", "type": 3, "data": {"opts": _B, "packet": _FORGED}},
)
"""Messages whose outside is wrong, and one for a namespace that is not there."""


class _Order:
    """What makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self._path,)


def raw(trap: Path) -> list[bytes]:
    """Bytes that are no message.

    Args:
        trap: A file that is there when somebody has unpickled one.
    """
    forged = b'"data":{"opts":{"rooms":["B"],"except":[]},"packet":{"type":2,"data":["forged"'
    return [
        *(b"", b" ", b"{", b"{}}", b"null", b"\xc0", b"\xc1", b"\xff" * 100, b"\x00"),
        pickle.dumps(_Order(trap)),
        # Lengths that are not there.
        *(
            b"\xdf\xff\xff\xff\xff",
            b"\xdd\x3b\x9a\xca\x00",
            b"\xc6\xff\xff\xff\xff",
            b"\x84\xa3uid",
        ),
        # Depths.
        *(b'{"a":' * 5_000, b"[" * 10_000, b"\x91" * 10_000, b"\x81\xa1a" * 5_000),
        b'{"uid":"l","nsp":"/","type":3,' + forged + b"," + b"[" * 500 + b"]" * 500 + b"]}}}",
        # Numbers, and texts, that are none.
        b'{"uid":"l","nsp":"/","type":1e999}',
        b'{"uid":"l","nsp":"/","type":NaN}',
        b'{"uid":"l","nsp":"/","type":' + b"9" * 5_000 + b"}",
        b'{"uid":"\xff\xfe","nsp":"/","type":3,' + forged + b"]}}}",
        # Keys twice: the last one counts, and with it this is for another namespace.
        b'{"uid":"l","nsp":"/","type":3,' + forged + b']}},"nsp":"/no"}',
        b"\x85\xa3uid\xa1l\xa3nsp\xa1/\xa3nsp\xa3/no\xa4type\x03\xa4data\x80",
        # Halves of a message.
        *(b'{"uid":"l","nsp":"/","type":3,' + forged, b'"}]}}}'),
    ]


def lies(uid: str) -> Iterator[dict[str, Any]]:
    """Messages of all types in a name that say what makes no sense for any, or for some."""
    for type_ in TYPES:
        for data in FIELDS:
            if type_ == DISCONNECT and isinstance(data, dict) and data.get("opts") == _B:
                continue  # which is true: B is to be disconnected
            if type_ != GOODBYE:
                yield {"uid": uid, "nsp": "/", "type": type_, "data": data}


# --- where it is said -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Carrier:
    """One on which servers meet.

    Attributes:
        engine: The fixture that has its address; None for a directory.
        adapter: Makes the adapter of a server, of the address and a name for what is apart.
        liar: Where a liar speaks, of the same.
        recovers: Whether clients come back there.
    """

    engine: str | None
    adapter: Callable[[str, str], AdapterMaker]
    liar: Callable[[str, str], AbstractAsyncContextManager[Say]]
    recovers: bool = True


_Makes: TypeAlias = "Callable[[str, str], AbstractAsyncContextManager[Say]]"
"""A liar, of an address and a name."""


def _encoded(lie: Any) -> bytes:
    return lie if isinstance(lie, bytes) else encode_value(lie, as_text=isinstance(lie, dict))


def _client(address: str) -> Any:
    return redis.asyncio.from_url(address)


def _on_redis(
    command: str, *channels: str
) -> Callable[[str, str], AbstractAsyncContextManager[Say]]:
    """On channels whose names begin with the one that was given."""

    @asynccontextmanager
    async def liar(address: str, name: str) -> AsyncIterator[Say]:
        async with _client(address) as client:

            async def say(lie: Any) -> None:
                for channel in channels:
                    await client.execute_command(command, name + channel, _encoded(lie))

            yield say

    return liar


@asynccontextmanager
async def _on_streams(address: str, name: str) -> AsyncIterator[Say]:
    async with _on_redis("PUBLISH", "#/#")(address, name) as publish:
        async with _client(address) as client:

            async def say(lie: Any) -> None:
                await publish(lie)
                fields = {"uid": "l", "nsp": "/", "type": "3", "data": lie}
                if isinstance(lie, dict):
                    fields = {str(key): _encoded(value) for key, value in lie.items()}
                    for key in {"uid", "nsp", "type"} & lie.keys():
                        fields[key] = str(lie[key])
                elif not isinstance(lie, bytes):
                    fields["data"] = _encoded(lie)
                await client.xadd(name, fields or {"": ""})

            yield say


@asynccontextmanager
async def _on_postgres(address: str, name: str) -> AsyncIterator[Say]:
    connection = await asyncpg.connect(address)
    try:

        async def say(lie: Any) -> None:
            data = _encoded(lie)
            try:
                text = data.decode()
            except UnicodeDecodeError:
                text = "\0"
            if len(data) > MAX_NOTIFICATION or "\0" in text:
                insert = "INSERT INTO socket_io_attachments (payload) VALUES ($1) RETURNING id"
                row = await connection.fetchval(insert, data)
                text = f'{{"uid":"l","type":3,"attachmentId":"{row}"}}'
            await connection.execute("SELECT pg_notify($1, $2)", f"{name}#/", text)

        yield say
    finally:
        await connection.close()


def _by_driver(make: Callable[[str, str], Driver]) -> _Makes:
    @asynccontextmanager
    async def liar(address: str, name: str) -> AsyncIterator[Say]:
        driver = make(address, name)
        await driver.start()
        try:

            async def say(lie: Any) -> None:
                driver.publish("/", _encoded(lie))

            yield say
        finally:
            await driver.aclose()

    return liar


@asynccontextmanager
async def _on_jetstream(address: str, name: str) -> AsyncIterator[Say]:
    """In the stream, and beside it."""
    subjects = Subjects(name)
    async with _by_driver(_nats_driver)(address, name) as publish:
        client: Any = await nats.connect(address)
        try:

            async def say(lie: Any) -> None:
                await publish(lie)
                data = _encoded(lie)
                if len(data) > client.max_payload:
                    parts, data = cut(data, "forged", client.max_payload)
                    for part in parts:
                        await client.publish(subjects.parts("/", "forged"), part)
                await client.publish(subjects.log("/", "l"), data)
                await client.flush()

            yield say
        finally:
            await client.close()


def _nats_driver(address: str, name: str) -> Driver:
    source = OwnClients([address], tls=None, credentials=None, nkeys_seed=None)
    return NatsDriver(source, Subjects(name), max_backlog=BACKLOG)


CARRIERS: Final = {
    "redis": Carrier(
        "redis_url",
        lambda address, name: adapters.RedisAdapter(address, key=name, options=QUICK),
        _on_redis("PUBLISH", "#/#", "-request#/#", "-response#/#", "-sockwave#/#"),
        recovers=False,
    ),
    "sharded": Carrier(
        "redis_url",
        lambda address, name: adapters.ShardedRedisAdapter(
            address, channel_prefix=name, options=QUICK
        ),
        _on_redis("SPUBLISH", "#/#", "-sockwave#/#"),
        recovers=False,
    ),
    "streams": Carrier(
        "redis_url",
        lambda address, name: adapters.RedisStreamsAdapter(
            address, stream_name=name, channel_prefix=name, options=QUICK
        ),
        _on_streams,
    ),
    "postgres": Carrier(
        "postgres_dsn",
        lambda address, name: adapters.PostgresAdapter(address, channel_prefix=name, options=QUICK),
        _on_postgres,
    ),
    "nats": Carrier(
        "nats_url",
        lambda address, name: adapters.NatsAdapter(address, prefix=name, options=QUICK),
        _by_driver(_nats_driver),
    ),
    "jetstream": Carrier(
        "nats_url",
        lambda address, name: adapters.NatsAdapter(
            address, prefix=name, jetstream=True, options=QUICK
        ),
        _on_jetstream,
    ),
    "workers": Carrier(
        None,
        lambda address, name: adapters.WorkersAdapter(f"{address}/{name}", options=QUICK),
        _by_driver(lambda address, name: UnixDriver(f"{address}/{name}", max_backlog=BACKLOG)),
    ),
}
