"""Draw docs/images/benchmark.svg from the figures of the side-by-side benchmark.

    python -m scripts.draw_benchmark docs/benchmark.json

The file has work per second of server CPU by mode and server; bars are multiples of Node's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

TARGET = Path("docs/images/benchmark.svg")
MODES = {
    "echo": "Echo",
    "ack": "Acknowledgement",
    "pipe": "16 in flight",
    "big": "Echo of 16 kB",
    "fanout": "Fan-out to 1,000",
    "poll": "Echo by polling",
    "churn": "Connect and leave",
}
SERVERS = {
    "ours": ("Sockwave (Python)", "#0b7285"),
    "bun": ("socket.io on Bun's engine", "#8f9bb3"),
    "node": ("socket.io on Node", "#b9c2d3"),
    "psio": ("python-socketio on uvicorn", "#dfe4ec"),
}
HEADLINE = "Work per second of server CPU (socket.io on Node = 1)"
LEFT, RIGHT, TOP, BAR, GAP = 150, 90, 70, 13, 16
WIDTH = 760
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#333}.h{font-weight:600;font-size:15px}"
    ".v{font-size:11px;fill:#555}.a{stroke:#999;stroke-dasharray:3 3}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.v{fill:#aaa}}"
)


def draw(figures: dict[str, dict[str, float]]) -> str:
    """Make the picture."""
    modes = [mode for mode in MODES if mode in figures]
    servers = [name for name in SERVERS if name in figures[modes[0]]]
    most = max(figures[mode][name] / figures[mode]["node"] for mode in modes for name in servers)
    scale = (WIDTH - LEFT - RIGHT) / most
    block = BAR * len(servers) + GAP
    height = TOP + block * len(modes) + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>Work per second of server CPU, as a multiple of socket.io on Node</title>",
        f"<style>{STYLE}</style>",
        f'<text class="h" x="12" y="24">{HEADLINE}</text>',
    ]
    at = 12
    for name in servers:
        label, colour = SERVERS[name]
        parts.append(f'<rect x="{at}" y="38" width="11" height="11" rx="2" fill="{colour}"/>')
        parts.append(f'<text x="{at + 16}" y="48">{label}</text>')
        at += 30 + 7 * len(label)
    one = LEFT + scale
    parts.append(f'<line class="a" x1="{one:.1f}" x2="{one:.1f}" y1="60" y2="{height - 20}"/>')
    for row, mode in enumerate(modes):
        top = TOP + row * block
        middle = top + BAR * len(servers) / 2 + 4
        parts.append(f'<text x="{LEFT - 10}" y="{middle}" text-anchor="end">{MODES[mode]}</text>')
        for line, name in enumerate(servers):
            figure = figures[mode][name]
            width = figure / figures[mode]["node"] * scale
            y = top + line * BAR
            colour = SERVERS[name][1]
            parts.append(
                f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR - 2}" rx="2" '
                f'fill="{colour}"/>'
            )
            x = LEFT + width + 5
            parts.append(f'<text class="v" x="{x:.1f}" y="{y + 10}">{figure:,.0f}</text>')
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def main() -> None:
    """Read the figures that are named on the command line."""
    TARGET.write_text(draw(json.loads(Path(sys.argv[1]).read_text())))


if __name__ == "__main__":
    main()
