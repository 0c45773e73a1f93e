"""`sockwave emit`: send one event to the clients of servers, through what the servers share."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from sockwave.cli.console import Failure, Number, as_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.emitters import EmitterOperator
    from sockwave.emitters.engines import AsyncEmitter

__all__ = ["emit"]

MOST_REPEATED: Final = 60
"""Characters of a wrong argument that are shown with the error."""

MAX_SECONDS: Final = 86_400
"""A day."""

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
@click.option("--sharded", is_flag=True, help="The servers share a Redis, by ShardedRedisAdapter.")
@click.option(
    "--prefix",
    show_default="socket.io; sockwave on NATS",
    help="What the adapter of the servers has as key, stream_name, channel_prefix or prefix.",
)
@click.option(
    "--ack",
    type=Number(0, MAX_SECONDS),
    metavar="SECONDS",
    help="Wait so long for the clients to acknowledge it, and show their answers.",
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
    sharded: bool,
    prefix: str | None,
    ack: float | None,
) -> None:
    """Send EVENT, with arguments in JSON, to the clients of all servers.

    \b
    sockwave emit --url redis://localhost --to lobby news '"It rains"' '{"n": 1}'

    It is done when Redis, PostgreSQL or NATS has taken it: nobody says who hears it. With --ack it
    is done when all who have got it have answered; each answer is a line of JSON, and the exit code
    is 1 if somebody has not.
    """
    values = [_value(argument) for argument in arguments]

    def choose(emitter: AsyncEmitter[Any]) -> EmitterOperator:
        whom = emitter.of(namespace).except_(*excluded)
        whom = whom.to(*rooms) if rooms else whom
        return whom.volatile if volatile else whom

    try:
        emitter = _emitter(url, prefix, streams=streams, sharded=sharded)
        asyncio.run(_emit(emitter, choose, event, values, ack))
    except (ValueError, TypeError, ImportError) as error:
        raise Failure(str(error)) from error


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        start = text if len(text) <= MOST_REPEATED else f"{text[:MOST_REPEATED]}..."
        raise Failure(f"not JSON: {start} (text needs quotes: '\"...\"')") from None


def _emitter(url: str, prefix: str | None, *, streams: bool, sharded: bool) -> AsyncEmitter[Any]:
    """Choose by the scheme of the URL, of which nothing is repeated: it has a password."""
    from sockwave import emitters

    scheme = urlsplit(url).scheme
    if streams and sharded:
        raise Failure("--streams and --sharded are two adapters: the servers have one")
    if scheme in REDIS:
        if streams:
            return emitters.RedisStreamsEmitter(url, stream_name=prefix or PREFIX)
        return emitters.RedisEmitter(url, key=prefix or PREFIX, sharded=sharded)
    if sharded:
        raise Failure("--sharded is about Redis, and --url is not")
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
    choose: Callable[[AsyncEmitter[Any]], EmitterOperator],
    event: str,
    values: list[Any],
    ack: float | None,
) -> None:
    from sockwave import AckTimeout, LimitExceeded, TransportError

    async with emitter:
        whom = choose(emitter)
        try:
            if ack is None:
                await whom.emit(event, *values)
            else:
                _show(await whom.emit_with_ack(event, *values, timeout=ack))
        except AckTimeout as error:
            _show(error.responses)
            raise Failure(f"not everybody has answered within {ack:g} seconds") from error
        except (TransportError, LimitExceeded) as error:
            raise Failure(str(error)) from error


def _show(answers: list[Any]) -> None:
    for answer in answers:
        click.echo(as_json(answer))
