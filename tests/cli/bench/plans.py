"""A plan, and what came of it, without a server."""

from __future__ import annotations

from typing import Any

from sockwave.cli.bench.figures import Figures
from sockwave.cli.bench.plan import Plan
from sockwave.cli.bench.processes import Outcome, Second

__all__ = ["a_plan", "an_outcome"]


def a_plan(**changes: Any) -> Plan:
    """100 connections that echo, changed."""
    fields: dict[str, Any] = {
        "url": "http://:s3cret@example.org:3000/chat?token=s3cret",
        "options": {},
        "connections": 100,
        "rate": 50.0,
        "duration": 4.0,
        "event": "echo",
        "args": ["hello"],
        "every": 1.0,
        "senders": 100,
        "ack": True,
        "hear": None,
        "first": [],
        "rooms": 1,
        "timeout": 10.0,
        "processes": 1,
        "run": "sw00",
    }
    return Plan(**{**fields, **changes})


def an_outcome(seconds: int = 6, *, busy: float = 0.2, late: float = 0.0) -> Outcome:
    """Two seconds of connecting, then 100 events in each; one acknowledgement is lost."""
    outcome = Outcome(connecting_took=2.0, load_took=float(seconds - 2))
    outcome.busy[0] = [busy] * (seconds - 2)
    outcome.transports["websocket"] = 100
    for number in range(seconds):
        figures = Figures()
        if number < 2:
            figures.connected = 50
            figures.connecting.add(0.02)
        else:
            figures.emitted = figures.answered = 100
            for step in range(100):
                figures.round_trip.add(0.001 * (number + step))
                figures.late.add(late)
        if number == seconds - 1:
            figures.failed("echo: <not> acknowledged in time")
        here = min(100, 50 * (number + 1))
        outcome.seconds.append(Second(here, figures, is_load=number >= 2))
        outcome.figures.merge(figures)
    return outcome
