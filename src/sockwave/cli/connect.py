"""`sockwave connect`: talk to a server from the terminal, or stream its events to a pipe."""

from __future__ import annotations

import asyncio
import errno
import json
import re
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

import click

from sockwave.cli.console import Failure, as_json, log_level_option, printable, show_logs

if TYPE_CHECKING:
    from sockwave import ClientSocket, EventStream

__all__ = ["connect", "json_object", "parse_header", "parse_line"]

ACK_TIMEOUT: Final = 10.0
"""Seconds that an acknowledgement is waited for, also after the end of the input."""


HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110 section 5.6.2."""

MOST_REPEATED: Final = 60
"""Characters of a wrong line that are shown with the error."""


@click.command()
@click.argument("url")
@click.option("--auth", metavar="JSON", help="Object that the server gets as `auth`.")
@click.option("--header", "headers", metavar="'NAME: VALUE'", multiple=True, help="Extra header.")
@click.option("--path", default="/socket.io", show_default=True, help="HTTP path of the server.")
@click.option(
    "--transport", type=click.Choice(["polling", "websocket"]), help="Use this transport alone."
)
@click.option("--insecure", is_flag=True, help="Do not check the server's certificate.")
@click.option("--listen", is_flag=True, help="Read no input; print events as JSON lines.")
@log_level_option("critical")
def connect(
    url: str,
    auth: str | None,
    headers: tuple[str, ...],
    path: str,
    transport: str | None,
    insecure: bool,
    listen: bool,
    log_level: str,
) -> None:
    """Connect to URL, whose path is the namespace.

    Each line of input is an event and its arguments in JSON; with a question mark behind the name
    the acknowledgement is waited for and shown.

    \b
    hello "world" {"n": 1}      emits hello
    echo? [1, 2]                emits echo and shows the acknowledgement

    With --listen, events go to standard output as {"event": ..., "args": [...]}, one on a line;
    bytes become {"base64": ...}.
    """
    show_logs(log_level)
    options: dict[str, Any] = {"path": path, "ssl": not insecure}
    if auth is not None:
        options["auth"] = json_object("--auth", auth)
    if headers:
        options["extra_headers"] = dict(parse_header(header) for header in headers)
    if transport is not None:
        options["transports"] = [transport]
    try:
        asyncio.run(_talk(url, options, listen=listen))
    except KeyboardInterrupt:
        pass
    except (ValueError, TypeError, ImportError) as error:
        raise Failure(str(error)) from error


def parse_line(line: str) -> tuple[str, bool, list[Any]]:
    """Read a line of input: the event, whether its acknowledgement is wanted, and arguments.

    Raises:
        ValueError: The arguments are not JSON values with blanks between them, or lists and objects
            in them are too deep.
    """
    name, _, rest = line.strip().partition(" ")
    args: list[Any] = []
    rest = rest.strip()
    while rest:
        try:
            value, end = json.JSONDecoder().raw_decode(rest)
        except ValueError:
            raise ValueError(f'not JSON: {_start(rest)} (text needs quotes: "...")') from None
        except RecursionError:
            raise ValueError(f"nested too deeply: {_start(rest)}") from None
        args.append(value)
        rest = rest[end:].lstrip(" \t,")
    return name.removesuffix("?"), name.endswith("?"), args


def _start(text: str) -> str:
    return text if len(text) <= MOST_REPEATED else f"{text[:MOST_REPEATED]}..."


async def _talk(url: str, options: dict[str, Any], *, listen: bool) -> None:
    import sockwave

    try:
        unentered = sockwave.connect(url, **options)
        events = unentered.events()  # before the connection, so that none is missed
        async with unentered as socket:
            _narrate(socket)
            if listen:
                async for event, *args in events:
                    print(as_json({"event": event, "args": args}), flush=True)  # noqa: T201 # output
            else:
                await _converse(socket, events)
    except sockwave.ConnectError as error:
        details = "" if error.data is None else f" {as_json(error.data)}"
        raise Failure(f"refused: {error}{details}") from error
    except sockwave.SockwaveError as error:
        raise Failure(str(error)) from error


def _narrate(socket: ClientSocket) -> None:
    """Tell on stderr what becomes of the connection."""

    def tell(text: str) -> None:
        click.secho(printable(text), fg="bright_black", err=True)

    socket.on("connect", lambda: tell(f"connected to {socket.namespace} as {socket.id}"))
    socket.on("disconnect", lambda reason: tell(f"disconnected: {reason}"))
    socket.on("connect_error", lambda error: tell(f"no connection: {error}"))
    tell(f"connected to {socket.namespace} as {socket.id}, by {socket.manager.transport}")


async def _converse(socket: ClientSocket, events: EventStream) -> None:
    """Emit what is typed and show what comes, until the input or the socket ends.

    Raises:
        BrokenPipeError: Nobody reads what is shown: click ends the process without a word.
    """
    try:
        await _both_ways(socket, events)
    except BaseExceptionGroup as group:
        if group.subgroup(BrokenPipeError) is None:
            raise
        raise BrokenPipeError(errno.EPIPE, "nobody reads") from None


async def _both_ways(socket: ClientSocket, events: EventStream) -> None:
    from sockwave import SockwaveError

    lines: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:  # a thread that waits for a line cannot be cancelled: it is a daemon
        try:
            for line in sys.stdin:
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, None)
        except RuntimeError:
            pass  # the loop has ended first

    async def show() -> None:
        async for event, *args in events:
            _show("<", event, args, "green")
        lines.put_nowait(None)

    async with asyncio.TaskGroup() as tasks:
        shower = tasks.create_task(show())
        threading.Thread(target=read, daemon=True).start()
        asked: set[asyncio.Task[None]] = set()
        while (line := await lines.get()) is not None:
            if line.strip():
                try:
                    name, wants_ack, args = parse_line(line)
                    if wants_ack:
                        task = tasks.create_task(_ask(socket, name, args))
                        asked.add(task)
                        task.add_done_callback(asked.discard)
                    else:
                        socket.emit(name, *args)
                except (SockwaveError, ValueError) as error:
                    click.secho(printable(str(error)), fg="red", err=True)
        if asked:
            await asyncio.wait(asked)
        shower.cancel()


async def _ask(socket: ClientSocket, name: str, args: list[Any]) -> None:
    from sockwave import SockwaveError

    try:
        answer = await socket.emit_with_ack(name, *args, timeout=ACK_TIMEOUT)
    except (SockwaveError, ValueError) as error:  # reserved names are the latter
        click.secho(printable(f"{name}: {error}"), fg="red", err=True)
    else:
        _show("=", name, [answer], "cyan")


def _show(sign: str, event: str, args: list[Any], colour: str) -> None:
    values = " ".join(map(as_json, args))
    heading = click.style(printable(f"{sign} {event}"), fg=colour, bold=True)
    click.echo(f"{heading} {values}".rstrip())


def json_object(option: str, text: str) -> dict[str, Any]:
    """Read the value of an option that is a JSON object.

    Raises:
        Failure: It is not.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Failure(f"{option}: {_start(text)!r} is not a JSON object")
    return value


def parse_header(text: str) -> tuple[str, str]:
    """Read a header field that is an option.

    Raises:
        Failure: There is no colon, no name, or something that would end its line.
    """
    name, _, value = text.partition(":")
    if not (HEADER_NAME.fullmatch(name.strip()) and value.strip().isprintable()):
        raise Failure(f"--header: {text!r} is not of the form 'NAME: VALUE'")
    return name.strip(), value.strip()
