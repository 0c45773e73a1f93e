"""What is said of a benchmark: in words for people, in JSON for programs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sockwave.cli.bench.figures import Figures, Histogram
    from sockwave.cli.bench.plan import Plan
    from sockwave.cli.bench.processes import Outcome, Second

__all__ = ["TIMED", "as_value", "lines", "place", "progress_line", "target", "warnings"]

PARTS: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}

TIMED: Final = {"connecting": "connecting", "round_trip": "round trip", "delivery": "delivery"}
"""Histograms of `Figures` that are shown, and their names."""

BUSY: Final = 0.85
"""Part of a core above which what a process measures is its own time as well: events wait for it
to read them."""

LATE: Final = 0.02
"""Seconds; a generator that sends later than that, in one of a hundred cases, has no time left."""


def lines(plan: Plan, outcome: Outcome) -> Iterator[str]:
    """The report, without its warnings."""
    figures = outcome.figures
    took = f"in {outcome.connecting_took:.1f} s"
    transports = ", ".join(f"{count:,} {name}" for name, count in outcome.transports.most_common())
    yield f"connections  {figures.connected:,} of {plan.connections:,} {took}" + (
        f"; at the end {transports}" if transports else ""
    )
    if plan.event is not None:
        yield f"emitted      {_with_rate(figures.emitted, outcome)}"
        if plan.ack:
            yield f"answered     {_with_rate(figures.answered, outcome)}"
        if plan.hear is not None:
            each = f"; {figures.heard / figures.emitted:.1f} of each" if figures.emitted else ""
            yield f"heard        {_with_rate(figures.heard, outcome)}{each}"
        if figures.skipped:
            yield f"left out     {figures.skipped:,}"
    if figures.connected:
        yield ""
        yield f"{'milliseconds':12}{''.join(f'{part:>10}' for part in (*PARTS, 'longest'))}"
    for name, title in TIMED.items():
        histogram: Histogram = getattr(figures, name)
        if histogram.count:
            times = [*(histogram.percentile(part) for part in PARTS.values()), histogram.longest]
            yield f"{title:12}{''.join(f'{_ms(time):>10}' for time in times)}"
    if figures.errors:
        yield ""
        for kind, count in figures.errors.most_common():
            yield f"{count:>8,}  {kind}"


def progress_line(plan: Plan, outcome: Outcome) -> str:
    """What happens now, in a line."""
    second = _latest(outcome)
    parts = [f"{len(outcome.seconds)} s", f"{outcome.here:,} of {plan.connections:,} connected"]
    if second.figures.emitted:
        parts.append(f"{second.figures.emitted:,} events/s")
    for name in ("delivery", "round_trip"):
        time = getattr(second.figures, name).percentile(0.99)
        if time is not None:
            parts.append(f"{TIMED[name]} p99 {_ms(time)} ms")
    errors = outcome.figures.errors.total()
    if errors:
        parts.append(f"errors: {errors:,}")
    return " · ".join(parts)


def warnings(plan: Plan, outcome: Outcome) -> Iterator[str]:
    """Why the figures may not be those of the server."""
    figures = outcome.figures
    cores = os.cpu_count() or 1
    busiest = max((sum(busy) / len(busy) for busy in outcome.busy.values() if busy), default=0.0)
    late = figures.late.percentile(0.99) or 0.0
    where = "--processes" if plan.processes < cores else "another machine, or several"
    if busiest > BUSY:
        yield (
            f"The generator is the bottleneck: a process of it used {busiest:.0%} of a core, so "
            f"times are its own as well. Try {where}."
        )
    elif late > LATE:
        yield (
            f"The generator was late: one event of a hundred left {_ms(late)} ms or more after "
            f"its time. Try {where}, or a machine that does nothing else."
        )
    if is_local(plan.url):
        yield (
            f"Server and generator share the {cores} cores of this machine: for figures of the "
            "server alone, run this on another one."
        )
    if figures.unknown:
        yield (
            f"{figures.unknown:,} events {plan.hear!r} had no stamp of this benchmark, and are not "
            "counted: does the server pass on the text with {stamp}?"
        )
    if outcome.failures:
        yield "A process of the generator has failed, and ended the benchmark: see above."
    if outcome.interrupted:
        yield "Ended early: these are the figures until then."


def as_value(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    """All of it, for programs: times in milliseconds."""
    figures = outcome.figures
    return {
        "url": target(plan),
        "connections": plan.connections,
        "connected": figures.connected,
        "lost": figures.lost,
        "event": plan.event,
        "processes": plan.processes,
        "connecting_seconds": round(outcome.connecting_took, 3),
        "load_seconds": round(outcome.load_took, 3),
        "emitted": figures.emitted,
        "answered": figures.answered,
        "heard": figures.heard,
        "skipped": figures.skipped,
        "times": {name: _times(getattr(figures, name)) for name in TIMED},
        "transports": dict(outcome.transports),
        "errors": dict(figures.errors),
        "generator_busy": [
            round(sum(busy) / len(busy), 3) for _, busy in sorted(outcome.busy.items()) if busy
        ],
        "interrupted": outcome.interrupted,
        "warnings": list(warnings(plan, outcome)),
        "seconds": [_second(second) for second in outcome.seconds],
    }


def target(plan: Plan) -> str:
    """The URL without what may be secret in it: a password, the query."""
    parts = urlsplit(plan.url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def place(plan: Plan) -> str:
    """What was asked for, in a line."""
    if plan.event is None:
        load = f"held for {plan.duration:g} s"
    else:
        pace = f"every {plan.every:g} s" if plan.every else "as fast as it is answered"
        senders = "" if plan.senders == plan.connections else f" from {plan.senders:,} of them"
        load = f"{plan.event}{senders} {pace} for {plan.duration:g} s"
    many = "es" if plan.processes > 1 else ""
    return f"{plan.connections:,} connections, {load}, {plan.processes} process{many}"


def is_local(url: str) -> bool:
    """Whether the server is on this machine, as far as its name tells."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _latest(outcome: Outcome) -> Second:
    return outcome.seconds[-2] if len(outcome.seconds) > 1 else outcome.seconds[-1]


def _with_rate(count: int, outcome: Outcome) -> str:
    rate = f" ({count / outcome.load_took:,.0f} a second)" if outcome.load_took else ""
    return f"{count:,}{rate}"


def _ms(seconds: float | None) -> str:
    milliseconds = (seconds or 0.0) * 1_000
    return f"{milliseconds:,.2f}" if milliseconds < 100 else f"{milliseconds:,.0f}"


def _times(histogram: Histogram) -> dict[str, float] | None:
    if not histogram.count:
        return None
    parts = {name: histogram.percentile(part) or 0.0 for name, part in PARTS.items()}
    return {
        "count": histogram.count,
        **{name: round(time * 1_000, 3) for name, time in parts.items()},
        "longest": round(histogram.longest * 1_000, 3),
    }


def _second(second: Second) -> dict[str, Any]:
    figures: Figures = second.figures
    return {
        "here": second.here,
        "emitted": figures.emitted,
        "answered": figures.answered,
        "heard": figures.heard,
        "errors": figures.errors.total(),
        **{name: _times(getattr(figures, name)) for name in TIMED},
    }
