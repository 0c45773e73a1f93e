"""Draws a benchmark: one SVG, or one page around it, which needs nothing else and can be dark."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from math import ceil, log10
from typing import TYPE_CHECKING, Final

from sockwave.cli.bench.figures import Figures
from sockwave.cli.bench.report import TIMED, lines, place, target, warnings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sockwave.cli.bench.plan import Plan
    from sockwave.cli.bench.processes import Outcome, Second

__all__ = ["draw"]

MOST_POINTS: Final = 240
"""Of a line: more than that are less than two pixels each."""

WIDTH, HEIGHT = 760, 130
LEFT, RIGHT, GAP, LINE = 70, 20, 66, 19
ENDS: Final = 3.0
"""Powers of ten on the axis of percentiles: it ends with p99.9."""

STYLE: Final = (
    "svg{background:#fff}text{font:13px system-ui,sans-serif;fill:#333}"
    ".h{font-weight:600;font-size:16px}.b{font-weight:600}"
    ".v{font-size:11px;fill:#666}.m{font:12px ui-monospace,monospace;white-space:pre}"
    ".w{fill:#a15c00}.g{stroke:#e3e3e3}.s{fill:#0b72850f}.l{fill:none;stroke-width:2;"
    "stroke-linejoin:round}.c0{stroke:#0b7285;fill:#0b7285}.c1{stroke:#e8590c;fill:#e8590c}"
    ".c2{stroke:#7048e8;fill:#7048e8}.c3{stroke:#2f9e44;fill:#2f9e44}"
    ".c4{stroke:#e03131;fill:#e03131}.l.l{fill:none}"
    "@media(prefers-color-scheme:dark){svg{background:#16181d}text{fill:#ddd}.v{fill:#9aa0aa}"
    ".w{fill:#ffc078}.g{stroke:#33363d}.s{fill:#66d9e81a}.c0{stroke:#3bc9db;fill:#3bc9db}"
    ".c1{stroke:#ffa94d;fill:#ffa94d}.c2{stroke:#b197fc;fill:#b197fc}"
    ".c3{stroke:#69db7c;fill:#69db7c}.c4{stroke:#ff8787;fill:#ff8787}}"
)

PAGE: Final = (
    '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>'
    '<meta name="viewport" content="width=device-width"><meta name="color-scheme" '
    'content="light dark"><style>body{{margin:0;background:#fff}}svg{{display:block;width:100%;'
    "max-width:60rem;margin:auto}}@media(prefers-color-scheme:dark){{body{{background:#16181d}}}}"
    "</style>\n{svg}</html>\n"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One of a panel: a name, and points of time and height; None is a gap."""

    title: str
    points: Sequence[tuple[float, float | None]]


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines over one axis.

    Attributes:
        title: With the unit.
        lines: From the first colour on.
        ticks: Places on the lower axis, with what is written there.
        end: Where the lower axis ends.
        shaded: From where to where the load was, if it was.
    """

    title: str
    lines: Sequence[Line]
    ticks: Sequence[tuple[float, str]]
    end: float
    shaded: tuple[float, float] | None = None


def draw(plan: Plan, outcome: Outcome, *, as_page: bool = False) -> str:
    """Make the picture.

    Args:
        as_page: Make a page of HTML around it.
    """
    title = f"sockwave bench {target(plan)}"
    text = [escape(line) for line in lines(plan, outcome)]
    warned = [escape(part) for each in warnings(plan, outcome) for part in _wrapped(each)]
    panels = list(_panels(plan, outcome))
    top = 104 + LINE * (len(text) + len(warned))
    height = top + len(panels) * (HEIGHT + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<text class="h" x="16" y="28">{escape(title)}</text>',
        f'<text class="v" x="16" y="47">{escape(place(plan))}</text>',
    ]
    y = 70
    for kind, written in (("m", text), ("w", warned)):
        y += 6
        for line in written:
            parts.append(f'<text class="{kind}" xml:space="preserve" x="16" y="{y}">{line}</text>')
            y += LINE
    for number, panel in enumerate(panels):
        parts += _drawn(panel, top + number * (HEIGHT + GAP))
    svg = "\n".join((*parts, "</svg>", ""))
    return PAGE.format(title=escape(title), svg=svg) if as_page else svg


def _panels(plan: Plan, outcome: Outcome) -> Iterator[Panel]:
    width = max(1, ceil(len(outcome.seconds) / MOST_POINTS))
    points = list(_joined(outcome.seconds, width))
    end = float(max(len(outcome.seconds), 1))
    ticks = [(at, f"{at:g} s") for at in _steps(end)]
    load = [at for at, second in enumerate(outcome.seconds) if second.is_load]
    shaded = (float(load[0]), min(load[-1] + 1.0, end)) if load else None
    yield Panel(
        "Connections",
        [Line("connected", [(at, float(second.here)) for at, second in points])],
        ticks,
        end,
        shaded,
    )
    names = ["emitted"] if plan.event is not None else []
    names += ["answered"] if plan.ack else []
    names += ["heard"] if plan.hear is not None else []
    if names:
        rates = [
            Line(name, [(at, getattr(second.figures, name) / width) for at, second in points])
            for name in names
        ]
        yield Panel("Events a second", rates, ticks, end, shaded)
    if outcome.figures.errors:
        errors = [(at, second.figures.errors.total() / width) for at, second in points]
        yield Panel("Errors a second", [Line("errors", errors)], ticks, end, shaded)
    for name, title in TIMED.items():
        if name != "connecting" and getattr(outcome.figures, name).count:
            yield Panel(
                f"{title.capitalize()}, milliseconds",
                [Line(f"p{part:g}", _over_time(points, name, part / 100)) for part in (50, 99)],
                ticks,
                end,
                shaded,
            )
    times = [
        Line(title, _by_percentile(outcome.figures, name))
        for name, title in TIMED.items()
        if getattr(outcome.figures, name).count
    ]
    if times:
        marks = [(0.0, "0"), (log10(2), "p50"), (1.0, "p90"), (2.0, "p99"), (3.0, "p99.9")]
        yield Panel("Percentiles of all, milliseconds", times, marks, ENDS)


def _joined(seconds: Sequence[Second], width: int) -> Iterator[tuple[float, Second]]:
    """Of each so many seconds, what one point stands for."""
    for begin in range(0, len(seconds), width):
        group = seconds[begin : begin + width]
        figures = Figures()
        for second in group:
            figures.merge(second.figures)
        yield begin + len(group) / 2, type(group[0])(group[-1].here, figures)


def _over_time(
    points: Sequence[tuple[float, Second]], name: str, part: float
) -> list[tuple[float, float | None]]:
    return [(at, _ms(getattr(second.figures, name).percentile(part))) for at, second in points]


def _by_percentile(figures: Figures, name: str) -> list[tuple[float, float | None]]:
    """Points whose distance to the right grows as the rest that is slower becomes rarer."""
    histogram = getattr(figures, name)
    places = [step / 20 for step in range(int(ENDS * 20) + 1)]
    return [(place, _ms(histogram.percentile(1 - 10**-place))) for place in places]


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1_000


def _steps(end: float) -> list[float]:
    """Round figures from 0 on, at most seven."""
    step = 10 ** ceil(log10(max(end, 1e-6) / 6))
    for part in (0.2, 0.5):
        if end / (step * part) <= 6:
            step *= part
            break
    return [round(number * step, 9) for number in range(int(end / step + 1e-9) + 1)]


def _drawn(panel: Panel, top: float) -> Iterator[str]:
    highest = max((y or 0 for line in panel.lines for _, y in line.points), default=0) or 1.0
    bottom = top + HEIGHT

    def across(value: float) -> float:
        return LEFT + value / panel.end * (WIDTH - LEFT - RIGHT)

    def up(value: float) -> float:
        return bottom - value / highest * (HEIGHT - 8)

    yield f'<text class="b" x="{LEFT}" y="{top - 10}">{panel.title}</text>'
    if panel.shaded is not None:
        left, right = map(across, panel.shaded)
        yield (
            f'<rect class="s" x="{left:.1f}" y="{top}" width="{right - left:.1f}" '
            f'height="{HEIGHT}"><title>load</title></rect>'
        )
    for value in _steps(highest)[: None if highest > 1e-6 else 1]:
        y = up(value)
        yield f'<line class="g" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        label = f"{value:,.10g}"
        yield f'<text class="v" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    for place_, label in panel.ticks:
        yield (
            f'<text class="v" x="{across(place_):.1f}" y="{bottom + 17}" '
            f'text-anchor="middle">{label}</text>'
        )
    at = float(WIDTH - RIGHT)
    for number, line in reversed(list(enumerate(panel.lines))):
        at -= 7 * len(line.title)
        yield f'<text class="v" x="{at:.0f}" y="{top - 10}">{escape(line.title)}</text>'
        at -= 15
        yield (
            f'<rect class="c{number}" x="{at:.0f}" y="{top - 19}" width="10" height="10" rx="2"/>'
        )
        at -= 14
    for number, line in enumerate(panel.lines):
        for part in _unbroken(line.points):
            path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in part)
            if len(part) == 1:
                x, y = part[0]
                yield f'<circle class="c{number}" cx="{across(x):.1f}" cy="{up(y):.1f}" r="2"/>'
            else:
                yield f'<polyline class="l c{number}" points="{path}"/>'


def _unbroken(points: Sequence[tuple[float, float | None]]) -> Iterator[list[tuple[float, float]]]:
    part: list[tuple[float, float]] = []
    for x, y in points:
        if y is not None:
            part.append((x, y))
        elif part:
            yield part
            part = []
    if part:
        yield part


def _wrapped(text: str, width: int = 108) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + len(word) >= width:
            yield line
            line = ""
        line = f"{line} {word}".strip()
    yield line
