"""What the commands share: words for the terminal, one-line errors, ports, and a clean end."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

__all__ = [
    "LOG_LEVELS",
    "Failure",
    "ensure_port_is_free",
    "find_port",
    "host_option",
    "log_level_option",
    "say",
    "serving",
    "show_logs",
    "url_of",
]

LOG_LEVELS: Final = ("critical", "error", "warning", "info", "debug")
PORTS_TO_TRY: Final = 100
"""How far `find_port` goes: enough for every demo one person has running, and soon over."""

Command = TypeVar("Command", bound="Callable[..., Any]")


class Failure(click.ClickException):
    """The command cannot go on: one line for the user, exit code 1."""

    def show(self, file: Any = None) -> None:
        """Print the line, in red where the terminal has colours."""
        click.secho(f"Error: {self.message}", fg="red", err=True)


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


def show_logs(level: str) -> None:
    """Print log records of this level and above to stderr: coloured for people, plain for files."""
    if sys.stderr.isatty():
        from rich.logging import RichHandler

        handler: logging.Handler = RichHandler(
            console=_console(stderr=True),
            show_path=False,
            rich_tracebacks=True,
            log_time_format="[%X]",
        )
        layout = "%(message)s"
    else:
        handler = logging.StreamHandler()
        layout = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=level.upper(), format=layout, handlers=[handler])


def say(text: str) -> None:
    """Print a line for people; `[bold]`-like tags are rich's."""
    _console().print(text)


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def url_of(host: str, port: int) -> str:
    """Return the address to open in a browser on this machine."""
    if host in ("", "0.0.0.0", "::"):
        host = "localhost"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


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
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        # Linux lets two sockets with SO_REUSEADDR bind, and refuses the second one here.
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
