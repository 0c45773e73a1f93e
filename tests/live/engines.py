"""Redis, PostgreSQL and NATS for tests: started here, on free ports, and gone with the test.

    with Redis() as redis:
        adapter = RedisAdapter(redis.url)
        ...
        redis.pause()

Nothing of them is kept, unless a test wants it to be there after `restart`. All of it blocks; see
`Program`. Where the engine is not installed the test is skipped, or fails in CI.
"""

from __future__ import annotations

import os
import pwd
import signal
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Final

from tests.live.programs import Program, until
from tests.support import peers
from tests.support.process import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

__all__ = ["Nats", "Postgres", "Redis", "RedisCluster", "Sentinel", "Standby"]


class Redis(Program):
    """A Redis.

    Args:
        options: More of them, as they stand in its configuration: `("maxmemory 10mb",)`.
        keeps_data: What it has taken is there after `restart`, and after `kill` too.

    Attributes:
        url: For clients.
    """

    def __init__(self, *options: str, keeps_data: bool = False) -> None:
        self.programs = peers.redis()
        super().__init__()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        data = ("appendonly yes", "appendfsync no") if keeps_data else ("appendonly no",)
        own = ("bind 127.0.0.1", f"port {self.port}", f"dir {self.directory}", 'save ""', *data)
        # A file that it may write to: Sentinel and fail-over change the configuration.
        self.configuration = self.directory / "redis.conf"
        self.configuration.write_text("\n".join((*own, *options, "")))

    def command(self) -> Sequence[str | Path]:
        return (self.programs.server, self.configuration)

    def is_ready(self) -> bool:
        return self.ask(b"PING\r\n").startswith(b"+PONG")

    def cli(self, *command: str) -> str:
        """What a command answers, as the command line shows it to programs: a value on each line.

        Raises:
            AssertionError: It is an error.
        """
        return self.run(self.programs.cli, "-e", "-p", str(self.port), *command)

    def fields(self, *command: str) -> dict[str, str]:
        """The answer of a command that has names and values in turn."""
        lines = self.cli(*command).splitlines()
        return dict(zip(lines[::2], lines[1::2], strict=False))

    def info(self, section: str) -> dict[str, str]:
        """What `INFO` tells."""
        lines = self.cli("INFO", section).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)


class RedisCluster:
    """Three Redis that share the slots among them.

    Attributes:
        nodes: Each of them.
        url: Of the first; clients find the others by it.
    """

    def __init__(self) -> None:
        self.nodes: list[Redis] = []

    def __enter__(self) -> Self:
        try:
            for _ in range(3):
                options = (
                    "cluster-enabled yes",
                    f"cluster-port {free_port()}",  # by default above the ports of clients
                    "cluster-node-timeout 2000",
                )
                node = Redis(*options)
                self.nodes.append(node)
                node.start()
            self._join()
        except BaseException:
            self.close()
            raise
        return self

    def _join(self) -> None:
        bounds = [0, 5461, 10923, 16384]
        for number, node in enumerate(self.nodes):
            node.cli("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
            first, last = bounds[number], bounds[number + 1] - 1
            node.cli("CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
        first_node, *others = self.nodes
        for node in others:
            bus = node.cli("CONFIG", "GET", "cluster-port").splitlines()[1]
            first_node.cli("CLUSTER", "MEET", "127.0.0.1", str(node.port), bus)
        until(lambda: all(map(_knows_all, self.nodes)), lambda: "no cluster has come about")

    @property
    def url(self) -> str:
        return self.nodes[0].url

    def close(self) -> None:
        """Stop them."""
        for node in self.nodes:
            node.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self.close()


def _knows_all(node: Redis) -> bool:
    lines = node.cli("CLUSTER", "INFO").splitlines()
    return {"cluster_state:ok", "cluster_known_nodes:3", "cluster_size:3"} <= set(lines)


class _Sentry(Redis):
    """One of the processes that watch."""

    def command(self) -> Sequence[str | Path]:
        return (self.programs.server, self.configuration, "--sentinel")


class Sentinel:
    """A Redis, its replica, and three sentinels that put the one in place of the other.

    Attributes:
        name: Under which sentinels know the pair.
        master: Who is it now.
        replica: The other one.
        sentinels: Those who watch.
    """

    name: ClassVar[str] = "ours"

    def __init__(self) -> None:
        self.master = Redis("repl-diskless-sync-delay 0")
        self.replica = Redis(
            "repl-diskless-sync-delay 0", f"replicaof 127.0.0.1 {self.master.port}"
        )
        self.sentinels = [_Sentry(*self._options()) for _ in range(3)]

    def _options(self) -> tuple[str, ...]:
        name = self.name
        return (
            f"sentinel monitor {name} 127.0.0.1 {self.master.port} 2",
            f"sentinel down-after-milliseconds {name} 500",
            f"sentinel failover-timeout {name} 5000",
        )

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Hosts and ports of the sentinels."""
        return [("127.0.0.1", sentry.port) for sentry in self.sentinels]

    def __enter__(self) -> Self:
        try:
            self.master.start()
            self.replica.start()
            until(self._is_replicated, lambda: "the replica does not follow")
            for sentry in self.sentinels:
                sentry.start()
            until(
                lambda: all(map(self._sees_all, self.sentinels)),
                lambda: "the sentinels do not know each other",
            )
        except BaseException:
            self.close()
            raise
        return self

    def _is_replicated(self) -> bool:
        return self.replica.info("replication").get("master_link_status") == "up"

    def _sees_all(self, sentry: Redis) -> bool:
        seen = sentry.fields("SENTINEL", "MASTER", self.name)
        return (seen["num-slaves"], seen["num-other-sentinels"]) == ("1", "2")

    def fail_over(self) -> None:
        """Kill the master, and wait until the replica is in its place for all who ask."""
        self.master.kill()
        self.master, self.replica = self.replica, self.master
        until(self._is_settled, lambda: "the sentinels do not put the replica in place")

    def _is_settled(self) -> bool:
        port = str(self.master.port)
        where = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name)
        if any(sentry.cli(*where).splitlines()[1] != port for sentry in self.sentinels):
            return False
        return self.master.info("replication")["role"] == "master"

    def close(self) -> None:
        """Stop all of them."""
        for each in (*self.sentinels, self.replica, self.master):
            each.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self.close()


class Postgres(Program):
    """A PostgreSQL; what it has taken is there after `restart`.

    Args:
        options: More of them, as they stand in its configuration: `("max_connections = 10",)`.

    Attributes:
        dsn: For clients, over TCP, without a password.
    """

    goodbye = signal.SIGINT  # SIGTERM waits until all clients have left

    def __init__(self, *options: str) -> None:
        self.programs = peers.postgres()
        super().__init__(user=_unprivileged())
        self.dsn = f"postgresql://{USER}@127.0.0.1:{self.port}/{USER}"
        self._data = self.directory / "data"
        self._options = (
            "listen_addresses = '127.0.0.1'",
            f"port = {self.port}",
            f"unix_socket_directories = '{self.directory}'",
            "fsync = off",
            "synchronous_commit = off",
            "full_page_writes = off",
            "shared_buffers = 16MB",
            "autovacuum = off",
            *options,
        )

    def start(self) -> None:
        """Make its data directory, if there is none; start it, and wait until it answers."""
        if not self._data.exists():
            self._make(self._data)
            with (self._data / "postgresql.conf").open("a") as configuration:
                configuration.write("\n".join((*self._options, "")))
        super().start()

    def _make(self, data: Path) -> None:
        self.run(
            *(self.programs.initdb, "-D", data, "-U", USER, "-A", "trust"),
            *("-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"),
        )

    def command(self) -> Sequence[str | Path]:
        return (self.programs.server, "-D", self._data)

    def is_ready(self) -> bool:
        return self.ask(GREETING, 1) == b"R"  # who is let in hears of authentication first

    def sql(self, text: str) -> str:
        """What statements give: rows on lines, with `|` between columns.

        Raises:
            AssertionError: One of them failed.
        """
        flags = ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1")
        return self.run(self.programs.psql, *flags, "-c", text, self.dsn)


class Standby(Postgres):
    """A copy of a PostgreSQL that runs, which follows it and can only be read, until `promote`.

    Args:
        primary: Of which.
    """

    def __init__(self, primary: Postgres) -> None:
        super().__init__()
        self._primary = primary

    def _make(self, data: Path) -> None:
        program = self.programs.initdb.with_name("pg_basebackup")
        self.run(program, "-D", data, "-d", self._primary.dsn, "-R", "--no-sync", "-c", "fast")

    def promote(self) -> None:
        """Let it be written to, too."""
        self.sql("SELECT pg_promote()")


USER: Final = "postgres"
"""Of the database, and its name."""


def _greeting(user: str) -> bytes:
    """What a client says first (protocol 3.0, StartupMessage)."""
    body = struct.pack("!i", 3 << 16) + b"".join(
        text.encode() + b"\0" for text in ("user", user, "database", user, "")
    )
    return struct.pack("!i", len(body) + 4) + body


GREETING: Final = _greeting(USER)


def _unprivileged() -> str | None:
    """Who is to run what refuses to be run by root."""
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        return pwd.getpwnam("postgres").pw_name
    return "nobody"


RELOADED: Final = "Reloaded server configuration"
"""What a NATS says when it has other options."""


class Nats(Program):
    """A NATS with JetStream; what streams have taken is there after `restart`.

    Args:
        options: More of them, as they stand in its configuration: `("max_payload: 65536",)`.
        jetstream: Whether it has streams.
        store: Limits of them, as they stand there: `"max_file_store: 1MB"`.

    Attributes:
        url: For clients.
    """

    def __init__(self, *options: str, jetstream: bool = True, store: str = "") -> None:
        self._program = peers.nats()
        super().__init__()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._configuration = self.directory / "nats.conf"
        self._own = own = [f"listen: 127.0.0.1:{self.port}"]
        if jetstream:
            own.append(f'jetstream {{\n store_dir: "{self.directory}/streams"\n {store}\n}}')
        self._configuration.write_text("\n".join((*own, *options, "")))

    def command(self) -> Sequence[str | Path]:
        return (self._program, "-c", self._configuration)

    def reconfigure(self, *options: str) -> None:
        """Let it go on with other options, without a restart."""
        self._configuration.write_text("\n".join((*self._own, *options, "")))
        reloads = self.output.count(RELOADED)
        os.kill(self.pid, signal.SIGHUP)
        until(
            lambda: self.output.count(RELOADED) > reloads,
            lambda: f"it does not take other options:\n{self.output}",
        )

    def is_ready(self) -> bool:
        return self.ask(b"").startswith(b"INFO ")
