"""What the commands share: words for the terminal, one-line errors, ports, and a clean end."""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import logging
import math
import socket
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import click

from sockwave.platform import has_terminal, keep_port_after_restart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

__all__ = [
    "LOG_LEVELS",
    "Failure",
    "Number",
    "as_json",
    "ensure_port_is_free",
    "find_port",
    "host_option",
    "log_format_option",
    "log_level_option",
    "printable",
    "say",
    "serving",
    "show_logs",
]

LOG_LEVELS: Final = ("critical", "error", "warning", "info", "debug")
PORTS_TO_TRY: Final = 100
"""How far `find_port` goes: enough for every demo one person has running, and soon over."""

Command = TypeVar("Command", bound="Callable[..., Any]")


class Failure(click.ClickException):
    """The command cannot go on: one line for the user, exit code 1."""

    def show(self, file: Any = None) -> None:
        """Print the line, in red where the terminal has colours."""
        click.secho(f"Error: {printable(self.message)}", fg="red", err=True)


class Number(click.FloatRange):
    """A number of a range: one that there is, so neither `nan`, which is within any, nor `inf`."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read it, or refuse the option."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


def host_option(command: Command) -> Command:
    """Add `--host`."""
    return click.option(
        "--host", default="127.0.0.1", show_default=True, help="Address to listen on."
    )(command)


def log_level_option(default: str) -> Callable[[Command], Command]:
    """Add `--log-level`."""
    return click.option(
        "--log-level",
        type=click.Choice(LOG_LEVELS, case_sensitive=False),
        default=default,
        show_default=True,
        help="Least severe log records to print.",
    )


def log_format_option(command: Command) -> Command:
    """Add `--log-format`."""
    return click.option(
        "--log-format",
        type=click.Choice(("text", "json"), case_sensitive=False),
        default="text",
        show_default=True,
        help="Print log records for people, or as a line of JSON each.",
    )(command)


def show_logs(level: str, process: str = "", log_format: str = "text") -> None:
    """Print log records of this level and above to stderr: coloured for people, plain for files.

    Args:
        process: What to call this one in each line, where others print beside it.
        log_format: `json` for a line of JSON each, for whoever reads.
    """
    who = f"[{process}] " if process else ""
    if log_format == "json":
        from sockwave.logs import JsonFormatter

        handler: logging.Handler = logging.StreamHandler()
        handler.setFormatter(JsonFormatter({"process": process} if process else None))
        logging.basicConfig(level=level.upper(), handlers=[handler])
        return
    if has_terminal():
        from rich.logging import RichHandler

        handler = RichHandler(
            console=_console(stderr=True),
            show_path=False,
            rich_tracebacks=False,  # they go past the formatter, with text of peers as it is
            log_time_format="[%X]",
        )
        layout = f"{who}%(message)s"
    else:
        handler = logging.StreamHandler()
        layout = f"%(asctime)s %(levelname)s %(name)s: {who}%(message)s"
    handler.setFormatter(_Printable(layout))
    logging.basicConfig(level=level.upper(), handlers=[handler])


class _Printable(logging.Formatter):
    """Records hold text of peers."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(printable, super().format(record).split("\n")))


def printable(text: str) -> str:
    """Text of a peer for a terminal: what that would obey, or would hide, is escaped as in JSON.

    Those are the control characters of ASCII and of Latin-1 (C1), which move the cursor and worse,
    the ones that turn the direction of writing, and all others that show nothing, or that the
    terminal's encoding does not have.
    """
    return text if _shows(text) else "".join(map(_escaped, text))


def as_json(value: Any) -> str:
    """JSON to be read by people and programs: other scripts as they are, but see `printable`."""
    return printable(json.dumps(value, ensure_ascii=False, default=_binary))


def _binary(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode()}


def _shows(text: str) -> bool:
    """Whether it can be printed as it is; on Windows a pipe takes few characters."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return text.isprintable()


def _escaped(character: str) -> str:
    return character if _shows(character) else json.dumps(character)[1:-1]


def say(text: str) -> None:
    """Print a line for people; `[bold]`-like tags are rich's."""
    _console().print(text)


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def ensure_port_is_free(host: str, port: int) -> None:
    """Fail with one line when nobody can listen there; port 0 is always free."""
    try:
        _try_port(host, port)
    except OSError as error:
        _fail_to_listen(host, port, error)


def find_port(host: str, first: int) -> int:
    """Return the first free port from `first` on."""
    for port in range(first, first + PORTS_TO_TRY):
        try:
            _try_port(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                _fail_to_listen(host, port, error)
        else:
            return port
    raise Failure(f"no free port from {first} to {port} on {host}")


@contextlib.contextmanager
def serving() -> Iterator[None]:
    """Around a call that serves until Ctrl-C, which ends it quietly."""
    # uvicorn repeats the signal that stopped it once everything is closed, so Ctrl-C may arrive
    # here as KeyboardInterrupt after a perfectly regular end.
    with contextlib.suppress(KeyboardInterrupt):
        yield
    say("Goodbye.")


def _try_port(host: str, port: int) -> None:
    """Listen for a moment; raises what the system says when that cannot be."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        # As servers do: connections that linger after a restart are no reason to refuse.
        keep_port_after_restart(probe)
        probe.bind(address)
        # Linux lets two sockets bind that reuse addresses, and refuses the second one here.
        probe.listen(1)


def _fail_to_listen(host: str, port: int, error: OSError) -> NoReturn:
    if isinstance(error, socket.gaierror):
        raise Failure(f"host {host} is not known") from error
    reason = {
        errno.EADDRINUSE: "the port is in use; choose another one with --port",
        errno.EADDRNOTAVAIL: "this machine does not have that address",
        errno.EACCES: "not permitted",
    }.get(error.errno or 0, str(error))
    raise Failure(f"cannot listen on {host}:{port}: {reason}") from error
