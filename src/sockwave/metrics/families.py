"""A scrape as values: what goes between workers, and how those of several become one.

Counters and histograms of workers are added up, whoever has registered them. Of gauges only those
of our list say how; any other one is told for each worker, with a label `worker`.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final

import msgspec

from sockwave.metrics.counts import Distribution
from sockwave.metrics.names import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sockwave.metrics.counts import Numbers
    from sockwave.metrics.names import Metric

__all__ = ["WORKER", "Family", "Sample", "added", "families_of", "that_add"]

WORKER: Final = "worker"
"""Label of what cannot be added."""

_ADDING: Final = frozenset(("counter", "histogram", "summary"))

_CREATED: Final = "_created"
"""Ends the name of a sample that is a time."""


class Sample(msgspec.Struct, array_like=True):
    """A number.

    Attributes:
        name: With what the type adds, such as `_total`.
        labels: Names and values, in their order.
        value: It.
    """

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


class Family(msgspec.Struct, array_like=True):
    """A metric with its numbers.

    Attributes:
        name: Without what the type adds.
        type: As of Prometheus.
        help: Its text.
        unit: Or empty.
        samples: In their order.
    """

    name: str
    type: str
    help: str
    unit: str
    samples: list[Sample]


def families_of(numbers: Numbers) -> list[Family]:
    """What was counted, as it stands in a scrape; metrics that have no numbers yet, too."""
    return [
        Family(
            metric.name,
            metric.kind,
            metric.help,
            metric.unit,
            [
                sample
                for values, value in sorted(numbers.get(metric.name, {}).items())
                for sample in _samples(metric, values, value)
            ],
        )
        for metric in BY_NAME.values()
    ]


def _samples(
    metric: Metric, values: tuple[str, ...], value: float | Distribution
) -> Iterator[Sample]:
    labels = tuple(zip(metric.labels, values, strict=True))
    if not isinstance(value, Distribution):
        yield Sample(metric.exposed, labels, float(value))
        return
    counts = list(accumulate(value.buckets))
    bounds = [*map(str, metric.bounds), "+Inf"]
    for bound, count in zip(bounds, counts, strict=True):
        yield Sample(f"{metric.name}_bucket", (*labels, ("le", bound)), float(count))
    yield Sample(f"{metric.name}_count", labels, float(counts[-1]))
    yield Sample(f"{metric.name}_sum", labels, value.sum)


def that_add(families: Iterable[Family]) -> list[Family]:
    """Those whose numbers still count when their process is gone."""
    return [family for family in families if family.type in _ADDING]


def added(scrapes: Iterable[tuple[int, list[Family]]]) -> list[Family]:
    """One scrape of those of several workers.

    Args:
        scrapes: With the place of each; what is later wins where only one can be told.
    """
    families: dict[str, Family] = {}
    numbers: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for place, scrape in scrapes:
        for family in scrape:
            first = families.setdefault(family.name, family)
            if first.type != family.type:  # of another version of the program, in a reload
                continue
            into = numbers.setdefault(family.name, {})
            for sample in family.samples:
                _add(into, family, sample, place)
    return [
        Family(
            each.name,
            each.type,
            each.help,
            each.unit,
            [Sample(name, labels, value) for (name, labels), value in numbers[each.name].items()],
        )
        for each in families.values()
    ]


def _add(
    into: dict[tuple[str, tuple[tuple[str, str], ...]], float],
    family: Family,
    sample: Sample,
    place: int,
) -> None:
    labels, value = sample.labels, sample.value
    metric = BY_NAME.get(family.name)
    if family.type not in _ADDING and metric is None:
        into[sample.name, (*labels, (_free(labels), str(place)))] = value
        return
    key = sample.name, labels
    before = into.get(key)
    if before is None:
        into[key] = value
    elif metric is not None and metric.adds == "max":
        into[key] = max(before, value)
    elif sample.name.endswith(_CREATED):
        into[key] = min(before, value)
    else:
        into[key] = before + value


def _free(labels: tuple[tuple[str, str], ...]) -> str:
    """A name for the label of the worker that the metric does not have."""
    name = WORKER
    while any(name == each for each, _ in labels):
        name = f"sockwave_{name}"
    return name
