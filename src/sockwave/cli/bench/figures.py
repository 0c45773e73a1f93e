"""What is counted and timed: small enough to be sent every second, and to be added up.

A time falls into one of 64 classes per doubling, so a percentile is true to 1.1 per cent, and a
million of them take no more room than a hundred.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import ceil, floor, log2
from typing import Any, Final

__all__ = ["Figures", "Histogram"]

STEPS: Final = 64
"""Classes per doubling."""

SHORTEST: Final = 1e-7
"""Seconds; no exchange over a network is shorter."""

MOST_KINDS: Final = 50
"""Kinds of errors told apart: each is a line of the report, and a server can make up texts."""

OTHERS: Final = "other errors"


class Histogram:
    """Times in seconds, by classes."""

    __slots__ = ("classes", "longest")

    def __init__(self) -> None:
        self.classes: Counter[int] = Counter()
        self.longest: float = 0.0

    @property
    def count(self) -> int:
        """How many there are."""
        return self.classes.total()

    def add(self, seconds: float) -> None:
        """Count one."""
        self.classes[floor(log2(max(seconds, SHORTEST)) * STEPS)] += 1
        self.longest = max(self.longest, seconds)

    def merge(self, other: Histogram) -> None:
        """Count those of another, too."""
        self.classes.update(other.classes)
        self.longest = max(self.longest, other.longest)

    def percentile(self, part: float) -> float | None:
        """Seconds that this part of all, from 0 to 1, does not exceed; None when there is none."""
        if not self.classes:
            return None
        left = max(1, ceil(part * self.count))
        for step in sorted(self.classes):
            left -= self.classes[step]
            if left <= 0:
                break
        return float(min(2 ** ((step + 1) / STEPS), self.longest))

    def encode(self) -> dict[str, Any]:
        """As a JSON value."""
        return {"classes": sorted(self.classes.items()), "longest": self.longest}

    @classmethod
    def decode(cls, value: dict[str, Any]) -> Histogram:
        """Read what `encode` has written."""
        histogram = cls()
        histogram.classes.update(dict(value["classes"]))
        histogram.longest = value["longest"]
        return histogram


@dataclass(slots=True)
class Figures:
    """Of one process in one second, or of all in all.

    Attributes:
        connected: Connections that came about.
        lost: Connections that ended before the benchmark did.
        emitted: Events sent.
        answered: Events acknowledged.
        heard: Events that clients got from others or themselves.
        unknown: Events of that name without a stamp of this benchmark.
        skipped: Events that were due, and left out since the generator was late, or the server had
            too many to acknowledge.
        connecting: Times from the attempt until the server lets the client in.
        round_trip: Times until the acknowledgement.
        delivery: Times from the emit until a client has heard it.
        late: How long after its time an event was sent.
        errors: By kind.
    """

    connected: int = 0
    lost: int = 0
    emitted: int = 0
    answered: int = 0
    heard: int = 0
    unknown: int = 0
    skipped: int = 0
    connecting: Histogram = field(default_factory=Histogram)
    round_trip: Histogram = field(default_factory=Histogram)
    delivery: Histogram = field(default_factory=Histogram)
    late: Histogram = field(default_factory=Histogram)
    errors: Counter[str] = field(default_factory=Counter)

    def failed(self, kind: str, count: int = 1) -> None:
        """Count an error."""
        known = kind in self.errors or len(self.errors) < MOST_KINDS
        self.errors[kind if known else OTHERS] += count

    def merge(self, other: Figures) -> None:
        """Add those of another process or second."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in TIMES:
            getattr(self, name).merge(getattr(other, name))
        for kind, count in other.errors.items():
            self.failed(kind, count)

    def encode(self) -> dict[str, Any]:
        """As a JSON value."""
        return {
            **{name: getattr(self, name) for name in COUNTS},
            **{name: getattr(self, name).encode() for name in TIMES},
            "errors": dict(self.errors),
        }

    @classmethod
    def decode(cls, value: dict[str, Any]) -> Figures:
        """Read what `encode` has written."""
        fields: dict[str, Any] = {name: value[name] for name in COUNTS}
        fields.update((name, Histogram.decode(value[name])) for name in TIMES)
        return cls(**fields, errors=Counter(value["errors"]))


COUNTS: Final = ("connected", "lost", "emitted", "answered", "heard", "unknown", "skipped")
TIMES: Final = ("connecting", "round_trip", "delivery", "late")
