"""nginx and HAProxy with the files of `examples/balancers`, and the servers behind them.

    with (
        Servers(folder, "server") as servers,
        Nginx("nginx-any-server.conf", servers, certificate) as balancer,
    ):
        ...

What is changed in a file are addresses, the port, the certificate; a log is added, which tells
where each request has gone.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from abc import abstractmethod
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, Self

from tests.live.programs import Program
from tests.support import peers
from tests.support.examples import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

__all__ = [
    "BALANCERS",
    "NAMES",
    "Balancer",
    "Behind",
    "HAProxy",
    "Nginx",
    "Passed",
    "Server",
    "Servers",
    "at_ports",
    "changed",
]

BALANCERS: Final = EXAMPLES / "balancers"
"""The folder of the recipes."""

NAMES: Final = ("a", "b", "c")
"""Of the servers."""


def changed(text: str, changes: Mapping[str, str]) -> str:
    """A text with other words in it, each of which it must have."""
    for old, new in changes.items():
        assert old in text, f"no {old!r}"
        text = text.replace(old, new)
    return text


class Server(Program):
    """`sockwave run` of a module, as the docstring of the example says.

    Args:
        name: Of the server.
        module: With the server `io` in it.
        folder: Of the module.
        env: For it, beside.
    """

    def __init__(self, name: str, module: str, folder: Path, env: Mapping[str, str]) -> None:
        super().__init__()
        self.name = name
        self._command = (
            *(sys.executable, "-m", "sockwave", "run", f"{module}:io"),
            *("--host", "127.0.0.1", "--port", str(self.port), "--drain-period", "3"),
        )
        path = [str(folder), str(BALANCERS), os.environ.get("PYTHONPATH", "")]
        self._env = {"SERVER": name, "PYTHONPATH": os.pathsep.join(path), **env}

    def command(self) -> Sequence[str | Path]:
        settings = [f"{name}={value}" for name, value in self._env.items()]
        return ("/usr/bin/env", *settings, *self._command)

    def is_ready(self) -> bool:
        return self.ask(b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 404")

    def drain(self) -> None:
        """Tell it to go, and do not wait for that."""
        os.kill(self.pid, signal.SIGTERM)

    @property
    def exit_code(self) -> int | None:
        """How it has ended; None while it runs."""
        assert self._process is not None
        return self._process.poll()


class Servers:
    """Three of them, joined by a carrier.

    Args:
        folder: Of a module, and of the carrier's sockets.
        module: In that folder, or among the examples.
        env: For all of them.

    Attributes:
        each: By their names.
    """

    def __init__(self, folder: Path, module: str, env: Mapping[str, str] | None = None) -> None:
        settings = {"CARRIER": str(folder / "carrier"), **(env or {})}
        self._stack = ExitStack()
        self.each = {name: Server(name, module, folder, settings) for name in NAMES}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for server in self.each.values():
                stack.enter_context(server)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def ports(self) -> list[int]:
        """Of all, in the order of their names."""
        return [server.port for server in self.each.values()]

    @property
    def output(self) -> str:
        """What all have printed."""
        return "".join(server.output for server in self.each.values())

    def addresses(self) -> dict[str, str]:
        """Those of the recipes, and these servers' own."""
        return at_ports(self.ports)


def at_ports(ports: Sequence[int]) -> dict[str, str]:
    """Addresses of the recipes, and what takes their place here."""
    return {f"10.0.0.{n}:3000": f"127.0.0.1:{port}" for n, port in enumerate(ports, 1)}


class Behind(Protocol):
    """Servers behind a balancer."""

    @property
    def ports(self) -> list[int]:
        """Of all, in the order of their names."""

    def addresses(self) -> dict[str, str]:
        """Those of the recipes, and these servers' own."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A request that has gone through.

    Attributes:
        sid: The session that it was for; empty for none.
        server: The name of the one that has answered.
        status: Of the answer.
    """

    sid: str
    server: str
    status: int


class Balancer(Program):
    """A balancer with a file of the examples, for TLS on its port.

    Args:
        recipe: Name of the file.
        servers: Those behind it.
        certificate: Of 127.0.0.1, with its key.
        changes: More words of the recipe that are others here.

    Attributes:
        url: For clients.
    """

    def __init__(
        self,
        recipe: str,
        servers: Behind,
        certificate: Path,
        changes: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.url = f"https://127.0.0.1:{self.port}"
        self._servers = servers
        words = {**servers.addresses(), **self._words(certificate), **(changes or {})}
        self._text = changed((BALANCERS / recipe).read_text(), words)
        self._write()

    @abstractmethod
    def _words(self, certificate: Path) -> Mapping[str, str]:
        """Words of all of its recipes that are others here."""

    @abstractmethod
    def _write(self) -> None:
        """Write what it reads."""

    @abstractmethod
    def _lines(self) -> str:
        """What it has logged; of requests lines of the word `passed`, session, status, server."""

    def is_ready(self) -> bool:
        socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        return True

    def passed(self) -> list[Passed]:
        """All requests that have their answers, those of WebSockets when these have ended."""
        found = re.findall(r"^passed (\S+) (\d+) (.+)$", self._lines(), re.MULTILINE)
        ports = self._servers.ports
        names = {f"127.0.0.1:{port}": name for name, port in zip(NAMES, ports, strict=True)}
        requests = []
        for sid, status, tried in found:
            server = tried.split(", ")[-1]  # the last one of those that were asked
            requests.append(
                Passed("" if sid == "-" else sid, names.get(server, server), int(status))
            )
        return requests


class Nginx(Balancer):
    """nginx; it believes what clients say in `X-Forwarded-For`, as they are of one machine."""

    def _words(self, certificate: Path) -> Mapping[str, str]:
        listening = f"listen 127.0.0.1:{self.port} ssl"
        return {"listen 443 ssl": listening, "/etc/nginx/chat.pem": str(certificate)}

    def _write(self) -> None:
        (self.directory / "chat.conf").write_text(self._text)
        user = "user root;\n" if os.geteuid() == 0 else ""
        (self.directory / "nginx.conf").write_text(user + NGINX.format(self.directory))

    def command(self) -> Sequence[str | Path]:
        options = ("-p", self.directory, "-c", self.directory / "nginx.conf", "-e", "stderr")
        return (peers.nginx(), *options)

    def _lines(self) -> str:
        return (self.directory / "passed").read_text()


NGINX: Final = """
daemon off;
worker_processes 2;
pid {0}/pid;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {0}/1;
    proxy_temp_path {0}/2;
    fastcgi_temp_path {0}/3;
    uwsgi_temp_path {0}/4;
    scgi_temp_path {0}/5;
    log_format passed 'passed $arg_sid $status $upstream_addr';
    access_log {0}/passed passed;
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Forwarded-For;
    include {0}/chat.conf;
}}
"""
"""What is around the file of a site."""


class HAProxy(Balancer):
    """HAProxy."""

    def _words(self, certificate: Path) -> Mapping[str, str]:
        return {
            "bind :443 ssl": f"bind 127.0.0.1:{self.port} ssl",
            "/etc/haproxy/chat.pem": str(certificate),
            "frontend chat\n": "frontend chat\n" + HAPROXY,
        }

    def _write(self) -> None:
        (self.directory / "haproxy.cfg").write_text(self._text)

    def command(self) -> Sequence[str | Path]:
        return (peers.haproxy(), "-db", "-f", self.directory / "haproxy.cfg")

    def _lines(self) -> str:
        return self.output


HAPROXY: Final = """\
    log stdout format raw local0
    http-request set-var(txn.sid) url_param(sid)
    log-format "passed %[var(txn.sid)] %ST %s"
"""
"""Lines for the log."""
