"""`sockwave emit`: send one event to the clients of servers, through what the servers share."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from sockwave.cli.console import Failure

if TYPE_CHECKING:
    from sockwave.emitters.engines import AsyncEmitter

__all__ = ["emit"]

MOST_REPEATED: Final = 60
"""Characters of a wrong argument that are shown with the error."""

REDIS: Final = frozenset({"redis", "rediss", "unix"})
POSTGRES: Final = frozenset({"postgres", "postgresql"})
NATS: Final = frozenset({"nats", "tls", "ws", "wss"})

PREFIX: Final = "socket.io"
"""Of what is shared with servers in JavaScript."""

NATS_PREFIX: Final = "sockwave"


@click.command()
@click.argument("event")
@click.argument("arguments", nargs=-1, metavar="[JSON]...")
@click.option(
    "--url",
    envvar="SOCKWAVE_URL",
    required=True,
    show_envvar=True,
    help="Of what the servers share: redis://, rediss://, unix://, postgresql://, nats:// or tls://.",
)
@click.option("--to", "rooms", metavar="ROOM", multiple=True, help="Only to this room; or several.")
@click.option("--except", "excluded", metavar="ROOM", multiple=True, help="Not to this room.")
@click.option("--namespace", default="/", show_default=True, help="Of the clients.")
@click.option("--volatile", is_flag=True, help="Leave out clients that cannot take it at once.")
@click.option(
    "--streams",
    is_flag=True,
    help="The servers share a stream: RedisStreamsAdapter, or NatsAdapter with jetstream.",
)
@click.option(
    "--prefix",
    show_default="socket.io; sockwave on NATS",
    help="What the adapter of the servers has as key, stream_name, channel_prefix or prefix.",
)
def emit(
    event: str,
    arguments: tuple[str, ...],
    url: str,
    rooms: tuple[str, ...],
    excluded: tuple[str, ...],
    namespace: str,
    volatile: bool,
    streams: bool,
    prefix: str | None,
) -> None:
    """Send EVENT, with arguments in JSON, to the clients of all servers.

    \b
    sockwave emit --url redis://localhost --to lobby news '"It rains"' '{"n": 1}'

    It is done when Redis, PostgreSQL or NATS has taken it: nobody says who hears it.
    """
    values = [_value(argument) for argument in arguments]
    try:
        emitter = _emitter(url, prefix, streams=streams)
        asyncio.run(_emit(emitter, namespace, rooms, excluded, volatile, event, values))
    except (ValueError, TypeError, ImportError) as error:
        raise Failure(str(error)) from error


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        start = text if len(text) <= MOST_REPEATED else f"{text[:MOST_REPEATED]}..."
        raise Failure(f"not JSON: {start} (text needs quotes: '\"...\"')") from None


def _emitter(url: str, prefix: str | None, *, streams: bool) -> AsyncEmitter[Any]:
    """Choose by the scheme of the URL, of which nothing is repeated: it has a password."""
    from sockwave import emitters

    scheme = urlsplit(url).scheme
    if scheme in REDIS:
        if streams:
            return emitters.RedisStreamsEmitter(url, stream_name=prefix or PREFIX)
        return emitters.RedisEmitter(url, key=prefix or PREFIX)
    if scheme in POSTGRES:
        if streams:
            raise Failure("--streams is about Redis and NATS, and --url is not")
        return emitters.PostgresEmitter(url, channel_prefix=prefix or PREFIX)
    if scheme in NATS:
        return emitters.NatsEmitter(url, prefix=prefix or NATS_PREFIX, jetstream=streams)
    raise Failure(
        "--url must begin with redis://, rediss://, unix://, postgresql://, nats:// or tls://"
    )


async def _emit(
    emitter: AsyncEmitter[Any],
    namespace: str,
    rooms: tuple[str, ...],
    excluded: tuple[str, ...],
    volatile: bool,
    event: str,
    values: list[Any],
) -> None:
    from sockwave import TransportError

    async with emitter:
        whom = emitter.of(namespace).except_(*excluded)
        if rooms:
            whom = whom.to(*rooms)
        if volatile:
            whom = whom.volatile
        try:
            await whom.emit(event, *values)
        except TransportError as error:
            raise Failure(str(error)) from error
