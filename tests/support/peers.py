"""Programs of others that tests talk to. Each helper skips the test when its program cannot be had.

Under `CI=true` a program that cannot be had is a failure: there, `make test` installs all of them.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import pytest

from scripts.browsers import Chromium, find_chromium, find_firefox
from scripts.deno import find_deno
from scripts.engines import (
    PostgresPrograms,
    RedisPrograms,
    find_haproxy,
    find_nats,
    find_nginx,
    find_postgres,
    find_redis,
)
from scripts.node import INTEROP, NODE_MODULES, Node, find_node, has_packages
from scripts.python39 import find_environment as find_environment39
from scripts.python39 import find_python as find_python39
from scripts.quiet import is_ci

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "INTEROP",
    "Chromium",
    "NodePeer",
    "browser",
    "deno",
    "firefox",
    "haproxy",
    "nats",
    "nginx",
    "node",
    "package",
    "postgres",
    "python39",
    "redis",
    "unavailable",
]


class NodePeer(NamedTuple):
    """Node.js with the packages of `interop/`.

    Attributes:
        executable: The `node` program.
        env: Whole environment for it; `require()` and `import` from a script in `interop/` find the
            packages anyway, `require()` from anywhere else through its `NODE_PATH`.
    """

    executable: Path
    env: dict[str, str]


def node() -> NodePeer:
    """Node.js and the reference packages, or skip."""
    found = _find_node()
    if found is None:
        unavailable("Node.js 18 or newer is not installed")
    if not has_packages():
        unavailable("the npm packages of interop/ are not installed: `make peers`")
    return NodePeer(found.node, {**os.environ, "NODE_PATH": str(NODE_MODULES)})


def deno() -> Path:
    """Deno, or skip; `require()` from a script in `interop/` finds the packages there."""
    node()
    return find_deno() or unavailable("Deno is not installed: `make peers`")


def browser() -> Chromium:
    """Chromium and its driver, or skip."""
    found = find_chromium()
    if found is None:
        unavailable("Chromium with its driver is not installed: `make peers`")
    return found


def firefox() -> Path:
    """Firefox, or skip."""
    found = find_firefox()
    if found is None:
        unavailable("Firefox is not installed: `make peers`")
    return found


def python39() -> Path:
    """Python 3.9 with python-socketio 4, or skip; in CI too where there is no Python 3.9."""
    found = find_environment39()
    if found is None:
        if find_python39() is None:
            pytest.skip("no Python 3.9 is at hand")
        unavailable("python-socketio 4 is not installed for Python 3.9: `make peers`")
    return found


def redis() -> RedisPrograms:
    """Redis, or skip."""
    return find_redis() or unavailable("Redis is not installed: `make engines`")


def postgres() -> PostgresPrograms:
    """PostgreSQL, or skip."""
    return find_postgres() or unavailable("PostgreSQL is not installed: `make engines`")


def nats() -> Path:
    """NATS, or skip."""
    return find_nats() or unavailable("NATS is not installed: `make engines`")


def nginx() -> Path:
    """nginx, or skip."""
    return find_nginx() or unavailable("nginx is not installed: `make engines`")


def haproxy() -> Path:
    """HAProxy, or skip."""
    return find_haproxy() or unavailable("HAProxy is not installed: `make engines`")


def package(name: str) -> None:
    """A framework or server of the dependency group `examples`, or skip."""
    if find_spec(name) is None:
        unavailable(f"{name} is not installed: `make test` tries it")


@cache
def _find_node() -> Node | None:
    return find_node()


def unavailable(reason: str) -> NoReturn:
    """Skip the running test; in CI, fail it."""
    if is_ci():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
