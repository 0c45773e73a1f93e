"""Where a process stands among the workers of one port."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["WorkerPlace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPlace:
    """Where this process stands among the workers: `io.worker`.

    A job that only one of them is to do belongs to the one with the number 0.

    Attributes:
        number: Of its place, from 0; the worker that comes in the place of another has the same.
        count: How many there are; 1 in a process that is no worker.
    """

    number: int = 0
    count: int = 1
