"""Programs of the gallery, in a process of their own."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from tests.live.engines import Redis
from tests.live.shop import Shop, shop
from tests.support.examples import EXAMPLES
from tests.support.process import ServerProcess, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

__all__ = ["BESIDE", "GALLERY", "run_example", "run_program"]

GALLERY: Final = EXAMPLES / "gallery"

BESIDE: Final = {
    "django_celery": EXAMPLES / "django_celery" / "live.py",
    "moving_from_flask": EXAMPLES / "moving_from_flask" / "step2.py",
}
"""Larger examples that have a picture, too: their programs."""

COOKING: Final = 0.5
"""Seconds, so that the steps of an order are seen."""

TAKES_PORT: Final = "import os, runpy, sys; os.environ['PORT'] = sys.argv[1]"
"""The programs ask the environment for their port, as those of many hosts do."""


class Running(Protocol):
    """What serves the pages of an example."""

    @property
    def port(self) -> int:
        """Of the pages."""

    @property
    def output(self) -> str:
        """Everything printed so far."""


def run_example(name: str, directory: Path) -> AbstractContextManager[Running]:
    """Start all that an example is made of; most are one program."""
    return _shop() if name == "django_celery" else run_program(name, directory)


def run_program(name: str, directory: Path) -> ServerProcess:
    """Make the program of a folder, on a free port, in `directory`, where its files go too."""
    port = free_port()
    file = str(BESIDE.get(name, GALLERY / name / f"{name}.py"))
    start = f"{TAKES_PORT}; runpy.run_path(sys.argv[2], run_name='__main__')"
    return ServerProcess(
        "-c", start, str(port), file, directory=directory, port=port, executable=sys.executable
    )


@contextmanager
def _shop() -> Iterator[Shop]:
    with Redis() as redis, shop(redis.url, cooking=COOKING) as programs:
        yield programs
