"""Constants from what was measured, and how well they foretell what they were not taken from.

Each is the one, not below nothing, that leaves the least squares of relative errors.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.carriers.model import (
    CARRIERS,
    Cost,
    Costs,
    Load,
    NodeCosts,
    engine_share,
    node_share,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from benchmarks.carriers.model import Carrier
    from benchmarks.carriers.samples import Rest, Sample, Samples

__all__ = ["Check", "Row", "checks", "costs_of", "fit", "least"]


LEAST: Final = 1e-9
"""Seconds: no clock is so fine."""


class Row(NamedTuple):
    """A figure, and how often each of two things is in it."""

    first: float
    second: float
    figure: float


def least(rows: Iterable[Row]) -> tuple[float, float]:
    """The two costs, not below nothing, of which the figures are made.

    A thing that is in no row costs nothing, and figures below `LEAST` say nothing. Where rows
    cannot tell the two apart, the first one has it all.
    """
    scaled = [Row(a / y, b / y, 1.0) for a, b, y in rows if y >= LEAST]
    aa = sum(row.first**2 for row in scaled)
    bb = sum(row.second**2 for row in scaled)
    ab = sum(row.first * row.second for row in scaled)
    ay, by = sum(row.first for row in scaled), sum(row.second for row in scaled)
    alone = ay / aa if aa else 0.0, by / bb if bb else 0.0
    determinant = aa * bb - ab * ab
    if determinant <= 1e-9 * aa * bb:
        return (alone[0], 0.0) if aa else (0.0, alone[1])
    first, second = (ay * bb - by * ab) / determinant, (by * aa - ay * ab) / determinant
    if first < 0:
        return 0.0, alone[1]
    if second < 0:
        return alone[0], 0.0
    return first, second


def _costs(samples: Sequence[Sample], row: Callable[[Sample], Row | None]) -> tuple[Cost, Cost]:
    """Two costs, each of a message and of a turn, from figures that are of messages."""
    by_size: dict[int, list[Row]] = defaultdict(list)
    for sample in samples:
        if (made := row(sample)) is not None:
            by_size[sample.together].append(made)
    found = {together: least(rows) for together, rows in by_size.items()}
    first, second = (
        _cost({together: costs[at] for together, costs in found.items()}) for at in (0, 1)
    )
    return first, second


def _cost(by_size: dict[int, float]) -> Cost:
    """What a message and a turn cost, where a message costs so much by how many come together."""
    if len(by_size) < 2:
        return Cost(message=next(iter(by_size.values()), 0.0))
    message, turn = least(Row(1.0, 1 / size, figure) for size, figure in by_size.items())
    return Cost(message, turn)


def fit(carrier: Carrier, found: Samples, most: int | None = None) -> Costs:
    """The constants of a carrier.

    Args:
        most: Nodes of the clusters from which they are taken; None is all.
    """
    samples = [each for each in found.samples if most is None or each.nodes <= most]
    rests = [each for each in found.rests if most is None or each.nodes <= most]

    def sending(sample: Sample) -> Row:
        return Row(1.0, carrier.sent(sample.nodes, sample.wanted) - 1, sample.sender)

    def taking(sample: Sample) -> Row:
        nodes, wanted = sample.nodes, sample.wanted
        sent, delivered = carrier.sent(nodes, wanted), carrier.delivered(nodes, wanted)
        return Row(sent, delivered, sample.engine)

    def hearing(sample: Sample) -> Row:
        return Row(1.0, 0.0, sample.hearing)

    def throwing_away(sample: Sample) -> Row | None:
        return None if sample.unwanted is None else Row(1.0, 0.0, sample.unwanted)

    publish, copy = _costs(samples, sending)
    engine_message, engine_delivery = _costs(samples, taking)
    if carrier.cores == 0:
        engine_message = engine_delivery = Cost()
    whole = [each for each in samples if each.wanted == each.nodes - 1]
    sign, idle = _signs(carrier, rests, publish, copy)
    return Costs(
        publish=publish,
        copy=copy,
        wanted=_costs(samples, hearing)[0],
        unwanted=_costs(samples, throwing_away)[0],
        engine_message=engine_message,
        engine_delivery=engine_delivery,
        sign=sign,
        idle=idle,
        sent_bytes=_median(
            each.sent_bytes / max(carrier.sent(each.nodes, each.wanted), 1) for each in whole
        ),
        heard_bytes=_median(each.heard_bytes for each in whole),
    )


def _median(figures: Iterable[float]) -> float:
    found = sorted(figures)
    return statistics.median(found) if found else 0.0


def _signs(
    carrier: Carrier, rests: Sequence[Rest], publish: Cost, copy: Cost
) -> tuple[float, float]:
    """What it costs to hear one sign of life, and to be there for a second."""
    rows = []
    for rest in rests:
        bare = Load(nodes=rest.nodes, heartbeat_interval=rest.interval)
        told = node_share(carrier, Costs(publish=publish, copy=copy), NodeCosts(), bare).signs
        heard = node_share(carrier, Costs(sign=1.0), NodeCosts(), bare).signs
        rows.append(Row(heard, 1.0, max(rest.node - told, 0.0)))
    return least(rows)


# --- is it so -------------------------------------------------------------------------------------


class Check(NamedTuple):
    """What was measured beside what the model says.

    Attributes:
        what: "node" or "engine".
        nodes: Of the cluster.
        measured: Seconds of processor time of a message.
        said: The same, by the model.
    """

    what: str
    nodes: int
    measured: float
    said: float

    @property
    def error(self) -> float:
        """Of the model, as a part of what is so."""
        return self.said / self.measured - 1


def checks(carrier: Carrier, found: Samples, node: NodeCosts, most: int) -> list[Check]:
    """How well clusters of few nodes foretell what several nodes of any cluster do at once.

    Args:
        most: Nodes of the clusters from which the constants are taken.
    """
    costs = fit(carrier, found, most)
    result = []
    for mixed in found.mixed:
        load = Load(
            nodes=mixed.nodes,
            messages=mixed.nodes / mixed.senders,  # as if all did what the senders do
            wanted=mixed.senders - 1,
            together=mixed.together,
        )
        share = node_share(carrier, costs, node, load)
        # Each message goes to one client of its own node, too, as to one of each other.
        said = share.publishing + share.hearing + node.delivery / mixed.senders
        result.append(Check("node", mixed.nodes, mixed.node, said))
        if carrier.cores:
            engine = engine_share(carrier, costs, replace(load, messages=1.0))
            result.append(
                Check("engine", mixed.nodes, mixed.engine, engine.messages + engine.deliveries)
            )
    return result


def costs_of(measured: dict[str, Samples]) -> dict[str, Costs]:
    """The constants of all carriers that were measured."""
    return {name: fit(CARRIERS[name], found) for name, found in measured.items()}
