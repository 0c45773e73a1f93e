"""A standby takes the place of a PostgreSQL that has died, and servers go on with it."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sockwave import Server, TransportError
from sockwave.adapters import PostgresAdapter
from sockwave.emitters import PostgresEmitter
from sockwave.testing import LinkedClient
from tests.live.engines import Postgres
from tests.support.process import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


@contextmanager
def standby_of(primary: Postgres) -> Iterator[Postgres]:
    """Another one that follows it."""
    standby = Postgres()
    data = standby.directory / "data"
    tool = primary.programs.server.parent / "pg_basebackup"
    where = ("-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres")
    standby.run(tool, *where, "-D", data, "-R", "--checkpoint=fast", "--no-sync")
    with (data / "postgresql.conf").open("a") as configuration:
        configuration.write(f"port = {standby.port}\n")
        configuration.write(f"unix_socket_directories = '{standby.directory}'\n")
    with standby:
        yield standby


async def arrives(send: Callable[[int], Awaitable[None] | None], client: LinkedClient) -> None:
    """Send something until it comes."""
    number = 0
    async with asyncio.timeout(DEADLINE):
        while True:
            number += 1
            with suppress(TransportError, TimeoutError):
                if (sent := send(number)) is not None:
                    await sent
                async with asyncio.timeout(0.2):
                    while (await client.received())[1] != [number]:
                        pass
                    return


async def test_servers_follow_the_primary() -> None:
    with Postgres() as primary, standby_of(primary) as standby:
        hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
        dsn = f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write"
        a, b = (Server(adapter=PostgresAdapter(dsn)) for _ in range(2))
        try:
            async with (
                LinkedClient(a),
                LinkedClient(b) as client,
                PostgresEmitter(dsn) as emitter,
            ):
                await arrives(lambda n: a.emit("news", n), client)
                await arrives(lambda n: emitter.emit("news", n), client)
                await asyncio.to_thread(primary.kill)
                assert await asyncio.to_thread(standby.sql, "SELECT pg_promote()") == "t"
                await arrives(lambda n: a.emit("news", n), client)
                await arrives(lambda n: b.emit("news", n), client)
                await arrives(lambda n: emitter.emit("news", n), client)
                async with asyncio.timeout(DEADLINE):
                    while not (a.cluster.is_healthy and b.cluster.is_healthy):
                        await asyncio.sleep(0.05)
                assert await a.server_count() == 2
        finally:
            await a.close()
            await b.close()
