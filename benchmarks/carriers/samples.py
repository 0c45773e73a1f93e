"""What was measured, as it is kept in a file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Measured", "Mixed", "Rest", "Sample", "Samples", "Speeds", "load", "save"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Messages of one node to a room, and what each took.

    Attributes:
        nodes: Of the cluster.
        wanted: Nodes beside the sender's that have somebody in the room.
        together: Messages in one turn.
        sender: Seconds of processor time of the sender, for each message.
        hearing: The same of a node that wants it, and has one client in the room.
        unwanted: Of a node that does not; None where there was none with a process of its own.
        engine: Of the engine.
        sent_bytes: That the sender has written.
        heard_bytes: That a node has read that wants it.
    """

    nodes: int
    wanted: int
    together: int
    sender: float
    hearing: float
    unwanted: float | None
    engine: float
    sent_bytes: float
    heard_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """A cluster that does nothing, and in which all tell each other that they are there.

    Attributes:
        nodes: Of the cluster.
        interval: Seconds between two heartbeats of one.
        node: Seconds of processor time in a second, of the average node.
        engine: Of the engine.
    """

    nodes: int
    interval: float
    node: float
    engine: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """Several nodes broadcast to each other at once: what no constant was taken from.

    Attributes:
        nodes: Of the cluster.
        senders: Of these.
        together: Messages in one turn of each.
        node: Seconds of processor time of the average sender, for each message of anybody.
        engine: Of the engine.
    """

    nodes: int
    senders: int
    together: int
    node: float
    engine: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """Of two nodes, as `shared/bench/cluster.py` measures them; per second of processor time of
    both.

    Attributes:
        fanout: Deliveries of broadcasts to 200 clients, 100 at each, one event at a time.
        nobody: Events of 50 clients of one node that it broadcasts to a room in which nobody is,
            and acknowledges.
        fanout_engine: Processor time of the engine beside that of both nodes.
        nobody_engine: The same.
    """

    fanout: float
    nobody: float
    fanout_engine: float
    nobody_engine: float


@dataclass(slots=True)
class Samples:
    """Of one carrier."""

    samples: list[Sample] = field(default_factory=list)
    rests: list[Rest] = field(default_factory=list)
    mixed: list[Mixed] = field(default_factory=list)
    speeds: list[Speeds] = field(default_factory=list)


@dataclass(slots=True)
class Measured:
    """All of it.

    Attributes:
        machine: What it was measured on, for people.
        node: Constants of a node, whatever the carrier, by the names of `NodeCosts`.
        carriers: By name.
    """

    machine: str = ""
    node: dict[str, float] = field(default_factory=dict)
    carriers: dict[str, Samples] = field(default_factory=dict)


def save(measured: Measured, path: Path) -> None:
    """Keep it."""
    path.write_text(json.dumps(_rounded(asdict(measured)), indent=1) + "\n")


def load(path: Path) -> Measured:
    """Read what was kept."""
    kept = json.loads(path.read_text())
    carriers = {
        name: Samples(
            [Sample(**each) for each in found["samples"]],
            [Rest(**each) for each in found["rests"]],
            [Mixed(**each) for each in found["mixed"]],
            [Speeds(**each) for each in found["speeds"]],
        )
        for name, found in kept["carriers"].items()
    }
    return Measured(kept["machine"], kept["node"], carriers)


DIGITS: Final = 4
"""That are worth keeping of a figure."""


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
