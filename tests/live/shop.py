"""The shop of `examples/django_celery`: both of its servers, and Celery between."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.live.commands import Command
from tests.support.examples import EXAMPLES
from tests.support.process import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Shop", "shop"]

FOLDER: Final = EXAMPLES / "django_celery"


@dataclass(frozen=True)
class Shop:
    """Its programs run.

    Attributes:
        live: Port of its sockets.
        port: Of its pages.
        programs: In the order of the README: the sockets, Celery, Django.
    """

    live: int
    port: int
    programs: tuple[Command, ...]

    @property
    def output(self) -> str:
        """Everything printed so far."""
        return "".join(program.output for program in self.programs)


@contextmanager
def shop(redis_url: str, *, cooking: float = 0.0) -> Iterator[Shop]:
    """Start the programs, each with the line of the README.

    Args:
        redis_url: Of a database that nobody else uses.
        cooking: Seconds that a dish takes.
    """
    live, pages = free_port(), free_port()
    env = {
        "COOKING": str(cooking),
        "LIVE_URL": f"http://127.0.0.1:{live}",
        "REDIS_URL": redis_url,
        "SHOP_URL": f"http://127.0.0.1:{pages}",
    }
    celery = "celery -A shop worker --concurrency 2 --max-tasks-per-child 2 --loglevel INFO"
    programs = (
        Command(f"sockwave run live:io --port {live}", FOLDER, port=live, env=env),
        Command(celery, FOLDER, sign=" ready.", env=env),
        Command(f"python manage.py runserver --noreload {pages}", FOLDER, port=pages, env=env),
    )
    with ExitStack() as stack:
        for program in programs:
            stack.enter_context(program)
        yield Shop(live, pages, programs)
