"""What the measures of this package share."""

from __future__ import annotations

import resource
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.security.judge import Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Figure", "allow_many_descriptors", "milliseconds", "percentile", "target"]


class Figure(NamedTuple):
    """A line of the report."""

    what: str
    value: str


@contextmanager
def target(front: str = "native", **options: Any) -> Iterator[Target]:
    """Run a server with two honest clients beside it."""
    with tempfile.TemporaryDirectory() as directory, Target(front, Path(directory), **options) as t:
        yield t


def allow_many_descriptors() -> None:
    """Open as many files as the machine lets this process, and those that it starts."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all is not above."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def milliseconds(seconds: float) -> str:
    """For people."""
    return f"{seconds * 1000:.{0 if seconds >= 0.1 else 1}f} ms"
