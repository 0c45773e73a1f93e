"""Servers under attack, one process for each front end and set of options, shared by the rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.security.judge import Target
from tests.security.settings import raise_descriptor_limit, scaled
from tests.security.victims import Client
from tests.support.running import run_coroutine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FRONTS: Final = ("native", "asgi")

HERE: Final = Path(__file__).parent

RUNNING: Final = 4
"""Servers at a time: two sets of options on both front ends."""

ROW_DEADLINE: Final = scaled(600, 200)
"""Seconds for one row: it takes a few where nobody else uses the machine."""

UNHURRIED: Final = {"head_timeout": 150.0, "body_timeout": 150.0, "keep_alive_timeout": 150.0}
"""Limits where a row is not about them: a busy attacker takes his time for a head in pieces."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`front` stands for both front ends, `native` for the listener where a host reads HTTP itself;
    `listener` for it alone and with another application behind it; `transport` for both
    transports, and `way` for how bytes arrive."""
    choices = {
        "front": FRONTS,
        "native": ("native",),
        "listener": ("native", "hosted"),
        "transport": ("polling", "websocket"),
        "way": ("whole", "bytes", "glued"),
    }
    for name, values in choices.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, values)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test."""
    return run_coroutine(pyfuncitem, ROW_DEADLINE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Memory and descriptors are read from /proc; rows take their time, as do their servers."""
    for item in items:
        if item.path.parent == HERE and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(ROW_DEADLINE + 60))
    if sys.platform != "linux":
        for item in items:
            if item.path.parent == HERE:
                item.add_marker(pytest.mark.skip("the catalogue is judged on Linux"))


@pytest.fixture(scope="session")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Target]]:
    """Gives the server of a front end and options, started when it is first asked for.

    Those that were used last stay: each has honest clients who never stop, and many would leave no
    processor for the one that is attacked.
    """
    raise_descriptor_limit()
    running: dict[str, Target] = {}

    def target(front: str, **options: Any) -> Target:
        options.setdefault("limits", UNHURRIED)
        key = f"{front} {sorted(options.items())}"
        found = running.pop(key, None)
        if found is None:
            if len(running) >= RUNNING:
                running.pop(next(iter(running))).__exit__()
            found = Target(front, tmp_path_factory.mktemp("target"), **options).__enter__()
        running[key] = found
        return found

    yield target
    for each in running.values():
        each.__exit__()


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    """A client that hostile servers attack, in a process of its own."""
    with Client() as client:
        yield client
