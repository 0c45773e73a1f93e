"""A file of compose without containers: its services are processes of this machine.

    with Composed("redis.yaml", tmp_path) as chat:
        connect(chat.url)

What is changed are the names of machines and the ports. An engine whose service has no command of
its own is the one of the tests.
"""

from __future__ import annotations

import re
import shlex
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, Self

import yaml

from tests.live.commands import Command
from tests.live.engines import Nats, Postgres
from tests.live.sites import site
from tests.support import peers
from tests.support.examples import EXAMPLES
from tests.support.process import free_port

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

__all__ = ["Composed"]

FOLDER: Final = EXAMPLES / "compose"
SERVERS: Final = ("a", "b", "c")


class Composed:
    """All services of a file.

    Args:
        file: Its name.
        folder: For what they write.

    Attributes:
        url: Of nginx.
        servers: By their names.
    """

    def __init__(self, file: str, folder: Path) -> None:
        self._services: dict[str, Any] = yaml.safe_load((FOLDER / file).read_text())["services"]
        self._folder = folder
        self._stack = ExitStack()
        self.servers: dict[str, Command] = {}
        self.url = ""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            carrier = stack.enter_context(self._carrier())
            for name in SERVERS:
                self.servers[name] = stack.enter_context(self._server(name, carrier.port))
            nginx = stack.enter_context(self._nginx())
            self.url = f"http://127.0.0.1:{nginx.port}"
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _carrier(self) -> Command | Nats | Postgres:
        (name,) = self._services.keys() - {*SERVERS, "nginx"}
        if name == "nats":
            return Nats()
        if name == "postgres":
            return Postgres()
        port = free_port()
        line = f"{shlex.join(self._services[name]['command'])} --port {port}"
        peers.redis()
        return Command(line, self._folder, port=port)

    def _server(self, name: str, carrier: int) -> Command:
        service = self._services[name]
        port = free_port()
        line = shlex.join(service["command"])
        for there, here in (("--host 0.0.0.0", "--host 127.0.0.1"), ("3000", str(port))):
            assert there in line
            line = line.replace(there, here)
        env = dict(service["environment"])
        env["CARRIER"] = re.sub(r"[a-z]+:\d+", f"127.0.0.1:{carrier}", env["CARRIER"])
        env["PROXIES"] = "127.0.0.1"
        return Command(line, EXAMPLES / "balancers", port=port, env=env)

    def _nginx(self) -> Command:
        (volume,) = self._services["nginx"]["volumes"]
        text = (FOLDER / volume.split(":")[0]).read_text()
        port = free_port()
        for name, server in self.servers.items():
            text = text.replace(f" {name}:3000;", f" 127.0.0.1:{server.port};")
        assert "listen 80;" in text
        text = text.replace("listen 80;", f"listen 127.0.0.1:{port};")
        return site(text, port, self._folder)

    def stop(self, name: str) -> int:
        """Stop a server as `docker compose stop` does; return its exit code.

        Raises:
            subprocess.TimeoutExpired: It takes longer than the file gives it.
        """
        patience = float(self._services[name]["stop_grace_period"].removesuffix("s"))
        return self.servers[name].end(signal.SIGTERM, patience)
