"""SIGTERM with 10,000 clients, without and with a drain; see `benchmarks.shutdown`."""

from __future__ import annotations

from benchmarks.reliability.report import Figure
from benchmarks.shutdown import CLIENTS, DRAIN, allow_clients, rows, stop_server

__all__ = ["measure"]


def measure() -> list[Figure]:
    """Stop the server twice."""
    count = allow_clients(CLIENTS)
    return [
        Figure(f"drain_period={drain_period:g}: {what}", value)
        for drain_period in (0.0, DRAIN)
        for what, value in rows(stop_server(count, drain_period))
    ]
