"""Engines that carry messages between servers, and balancers in front of them, for the tests.

Redis, PostgreSQL and NATS, nginx and HAProxy. Run as `python -m scripts.engines` it installs those
that are missing where it can (root on a machine with apt), and lets none of them start by itself.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scripts.quiet import report, say, succeeds

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "PostgresPrograms",
    "RedisPrograms",
    "find_haproxy",
    "find_nats",
    "find_nginx",
    "find_postgres",
    "find_redis",
    "no_services",
    "set_up",
]

ADMIN_FOLDERS: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where Debian has servers; PATH of others than root is without."""

POSTGRES_FOLDERS: Final = Path("/usr/lib/postgresql")
"""Where Debian has PostgreSQL: a folder for each version, not on PATH."""

POLICY: Final = Path("/usr/sbin/policy-rc.d")
"""Debian asks this program, where it is there, before a package starts its service."""

NO_SERVICES: Final = "#!/bin/sh\nexit 101\n"
"""An answer of that program: no."""


@dataclass(frozen=True, slots=True)
class RedisPrograms:
    """The server, and the client for the command line."""

    server: Path
    cli: Path


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """What makes a data directory, the server, and the client for the command line."""

    initdb: Path
    server: Path
    psql: Path


def find_redis() -> RedisPrograms | None:
    """Redis on PATH, else nothing."""
    server, cli = _find("redis-server"), _find("redis-cli")
    return RedisPrograms(server, cli) if server and cli else None


def find_postgres() -> PostgresPrograms | None:
    """The newest PostgreSQL of Debian, else the one on PATH, else nothing."""
    folders = [folder / "bin" for folder in POSTGRES_FOLDERS.glob("*") if folder.name.isdecimal()]
    folders.sort(key=lambda folder: int(folder.parent.name), reverse=True)
    for path in (*map(str, folders), None):
        initdb, server, psql = (_find(name, path) for name in ("initdb", "postgres", "psql"))
        if initdb and server and psql:
            return PostgresPrograms(initdb, server, psql)
    return None


def find_nats() -> Path | None:
    """NATS' server on PATH, else nothing."""
    return _find("nats-server")


def find_nginx() -> Path | None:
    """nginx on PATH, else nothing."""
    return _find("nginx")


def find_haproxy() -> Path | None:
    """HAProxy on PATH, else nothing."""
    return _find("haproxy")


def _find(name: str, path: str | None = None) -> Path | None:
    if path is None:
        path = os.pathsep.join((os.environ.get("PATH", ""), *ADMIN_FOLDERS))
    found = shutil.which(name, path=path)
    return Path(found) if found else None


def set_up() -> str | None:
    """Install what is missing; returns what could not be had, in one line."""
    if (wanted := _missing()) and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"Installing {_listed(wanted)} for the tests of clusters")
        apt = ("apt-get", "-qq")
        env = {"DEBIAN_FRONTEND": "noninteractive"}
        # A stale third-party source fails the update; the install may succeed all the same.
        succeeds((*apt, "update"), env=env, show_failure=False)
        with no_services():
            succeeds((*apt, "install", "-y", "--no-install-recommends", *wanted.values()), env=env)
    if wanted := _missing():
        return f"No {_listed(wanted)}: apt install {' '.join(wanted.values())}"
    return None


def _missing() -> dict[str, str]:
    """What is not there, and the Debian package that has it."""
    looked_for = (
        ("Redis", "redis-server", find_redis()),
        ("PostgreSQL", "postgresql", find_postgres()),
        ("NATS", "nats-server", find_nats()),
        ("nginx", "nginx", find_nginx()),
        ("HAProxy", "haproxy", find_haproxy()),
    )
    return {name: package for name, package, found in looked_for if found is None}


def _listed(wanted: dict[str, str]) -> str:
    return re.sub(r", ([^,]*)$", r" and \1", ", ".join(wanted))


@contextmanager
def no_services(policy: Path = POLICY) -> Iterator[None]:
    """Let packages that are installed meanwhile start no services: tests start their own."""
    try:
        with policy.open("x") as file:
            file.write(NO_SERVICES)
    except FileExistsError:  # whoever runs this machine has said what may start
        yield
        return
    try:
        policy.chmod(0o755)
        yield
    finally:
        policy.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(report(set_up()))
