"""Engines behind TLS and a password, by the addresses that `docs/scaling.md` shows."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

import sockwave.sync
from sockwave import Server, TransportError
from sockwave.adapters import NatsAdapter, PostgresAdapter, RedisAdapter
from sockwave.emitters import NatsEmitter, PostgresEmitter, RedisEmitter
from sockwave.testing import LinkedClient
from tests.live.engines import Nats, Postgres, Redis
from tests.support.certificate import write_certificate
from tests.support.process import DEADLINE, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


@asynccontextmanager
async def two_servers(make: Callable[[], Any]) -> AsyncIterator[tuple[Server, LinkedClient]]:
    """One server, and a client of another one."""
    one, other = Server(adapter=make()), Server(adapter=make())
    try:
        async with LinkedClient(one), LinkedClient(other) as client:
            async with asyncio.timeout(DEADLINE):
                while len(one.cluster.nodes) != 2 or len(other.cluster.nodes) != 2:
                    await asyncio.sleep(0.01)
            yield one, client
    finally:
        await one.close()
        await other.close()


async def check(make: Callable[[], Any], emitter: Any, blocking: Any) -> None:
    """Servers and emitters of both kinds reach a client."""
    async with two_servers(make) as (server, client):
        server.emit("of a server", "x" * 100_000)
        assert await client.received() == ("of a server", ["x" * 100_000])
        async with emitter:
            await emitter.emit("of an emitter")
        assert await client.received() == ("of an emitter", [])
        with blocking:
            await asyncio.to_thread(blocking.emit, "of one that blocks")
        assert await client.received() == ("of one that blocks", [])


async def test_redis(tmp_path: Path) -> None:
    both, port = write_certificate(tmp_path / "both.pem"), free_port()
    options = (f"tls-port {port}", f"tls-cert-file {both}", f"tls-key-file {both}")
    with Redis(*options, f"tls-ca-cert-file {both}", "tls-auth-clients no") as engine:
        engine.cli("CONFIG", "SET", "requirepass", "s3cr%t:@/")
        url = f"rediss://:s3cr%25t%3A%40%2F@127.0.0.1:{port}?ssl_ca_certs={both}"
        await check(lambda: RedisAdapter(url), RedisEmitter(url), sockwave.sync.RedisEmitter(url))


async def test_postgresql(tmp_path: Path) -> None:
    both = write_certificate(tmp_path / "both.pem")
    engine = Postgres(
        "ssl = on",
        "ssl_cert_file = '../both.pem'",
        "ssl_key_file = '../both.pem'",
    )
    own = engine.directory / "both.pem"
    shutil.copy(both, own)
    shutil.chown(own, engine.directory.owner())
    own.chmod(0o600)
    with engine:
        engine.sql(
            "CREATE ROLE chat LOGIN PASSWORD 's3cr%t:@/'; GRANT CREATE ON SCHEMA public TO chat"
        )
        (engine.directory / "data" / "pg_hba.conf").write_text(
            "hostssl all chat 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 trust\n"
        )
        engine.sql("SELECT pg_reload_conf()")
        dsn = engine.dsn.replace("postgres@", "chat:s3cr%25t%3A%40%2F@", 1)
        dsn += f"?sslmode=verify-full&sslrootcert={both}"
        emitters = PostgresEmitter(dsn), sockwave.sync.PostgresEmitter(dsn)
        await check(lambda: PostgresAdapter(dsn), *emitters)


@pytest.mark.parametrize("whoever", ["", "allow_non_tls: true"])
async def test_nats(tmp_path: Path, whoever: str) -> None:
    both = write_certificate(tmp_path / "both.pem")
    trusted = ssl.create_default_context(cafile=both)
    users = 'authorization { user: chat, password: "s3cr%t:@/" }'
    with Nats(f'tls {{ cert_file: "{both}", key_file: "{both}" }}', whoever, users) as engine:
        url = engine.url.replace("nats://", "tls://chat:s3cr%25t%3A%40%2F@")
        await check(
            lambda: NatsAdapter(url, tls=trusted),
            NatsEmitter(url, tls=trusted),
            sockwave.sync.NatsEmitter(url, tls=trusted),
        )
        with pytest.raises(TransportError, match="certificate verify failed"):
            async with NatsEmitter(url) as distrustful:
                await distrustful.emit("in clear")
