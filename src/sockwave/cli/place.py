"""Where `sockwave run` serves: an address, a Unix socket or a descriptor, with TLS or without."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sockwave.cli.console import Failure, ensure_port_is_free, host_option

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Place", "place_options"]

Command = TypeVar("Command", bound="Callable[..., Any]")


def place_options(command: Command) -> Command:
    """Add the options that make a `Place`."""
    for option in reversed(
        (
            host_option,
            click.option(
                "--port",
                type=click.IntRange(0, 65_535),
                default=3000,
                show_default=True,
                help="TCP port; 0 for any free one.",
            ),
            click.option(
                "--unix-path", metavar="FILE", help="Listen on a Unix socket there instead."
            ),
            click.option(
                "--fd",
                type=click.IntRange(0),
                metavar="NUMBER",
                help="Listen on a socket that this process was started with, by its descriptor.",
            ),
            click.option(
                "--certfile", metavar="FILE", help="Certificate, with its chain: for TLS."
            ),
            click.option("--keyfile", metavar="FILE", help="Its key, if that is in a file apart."),
        )
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Place:
    """As it was given on the command line; at most one of `unix_path` and `fd`.

    Attributes:
        host, port: Of TCP.
        unix_path: Of a Unix socket.
        fd: Number of a descriptor.
        certfile, keyfile: In PEM.
    """

    host: str
    port: int
    unix_path: str | None
    fd: int | None
    certfile: str | None
    keyfile: str | None

    def __post_init__(self) -> None:
        if self.unix_path is not None and self.fd is not None:
            raise click.UsageError("give --unix-path or --fd, not both")
        if self.keyfile is not None and self.certfile is None:
            raise click.UsageError("--keyfile goes with --certfile")

    @property
    def is_port(self) -> bool:
        """Whether it is one of TCP that has to be opened."""
        return self.unix_path is None and self.fd is None

    def check(self) -> None:
        """See that it can be had, before anything is loaded.

        Raises:
            Failure: It cannot.
        """
        self.context()
        if self.is_port:
            ensure_port_is_free(self.host, self.port)
        if self.fd is not None:
            _socket_of(self.fd).detach()

    def context(self) -> ssl.SSLContext | None:
        """The certificate, loaded; None without TLS.

        Raises:
            Failure: It cannot be read, or the key is not its own.
        """
        if self.certfile is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.certfile, self.keyfile)
        except ssl.SSLError as error:
            files = self.certfile if self.keyfile is None else f"{self.certfile}, {self.keyfile}"
            raise Failure(
                f"no certificate with its key in PEM: {files} ({error.reason})"
            ) from error
        except OSError as error:
            files = self.certfile if self.keyfile is None else f"{self.certfile} or {self.keyfile}"
            raise Failure(f"{files} cannot be read: {error.strerror}") from error
        return context

    def for_server(self) -> dict[str, Any]:
        """Keywords of `Server.run`, without an application.

        Raises:
            Failure: The descriptor is no socket.
        """
        return {**self._where(), "ssl": self.context()}

    def for_server_with_app(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Keywords of `Server.run` beside `app`, and those for uvicorn.

        Raises:
            Failure: The descriptor is no socket.
        """
        return self._where(), self._tls()

    def for_uvicorn(self) -> dict[str, Any]:
        """Keywords of `uvicorn.run`.

        Raises:
            Failure: Nobody can listen at the path: uvicorn would say so by a traceback.
        """
        if self.unix_path is not None:
            _try_path(self.unix_path)
        where = {"host": self.host, "port": self.port, "uds": self.unix_path, "fd": self.fd}
        return {**where, **self._tls()}

    def _tls(self) -> dict[str, Any]:
        if self.certfile is None:
            return {}
        return {"ssl_certfile": self.certfile, "ssl_keyfile": self.keyfile}

    def _where(self) -> dict[str, Any]:
        if self.fd is not None:
            return {"sock": _socket_of(self.fd)}
        if self.unix_path is not None:
            return {"unix_path": self.unix_path}
        return {"host": self.host, "port": self.port}


def _try_path(path: str) -> None:
    from sockwave.engine.server.fronts.ports import bound_unix_socket
    from sockwave.platform import reason_of

    try:
        with bound_unix_socket(path):
            pass
    except OSError as error:
        raise Failure(f"cannot listen on {path}: {reason_of(error)}") from error


def _socket_of(fd: int) -> socket.socket:
    try:
        sock = socket.socket(fileno=fd)
    except OSError as error:
        raise Failure(f"--fd {fd} is no socket of this process: {error.strerror}") from error
    sock.setblocking(False)
    return sock
