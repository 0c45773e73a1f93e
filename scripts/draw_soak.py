"""Draw docs/images/soak.svg from the samples that a soak has saved.

    make soak ARGS="--save soak.json"
    python -m scripts.draw_soak soak.json

A sample is a list: seconds since the start, bytes of memory, file descriptors, sessions.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

TARGET = Path("docs/images/soak.svg")
WIDTH, PANEL, LEFT, RIGHT, TOP, GAP = 760, 110, 70, 20, 44, 34
COLOUR = "#0b7285"
MINUTE = 60
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#333}.h{font-weight:600;font-size:15px}"
    ".v{font-size:11px;fill:#555}.g{stroke:#ccc;stroke-width:1}"
    f".l{{fill:none;stroke:{COLOUR};stroke-width:1.5}}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.v{fill:#aaa}.g{stroke:#555}}"
)


def draw(samples: list[list[float]]) -> str:
    """Make the picture: three panels over one time."""
    panels = [
        ("Memory, MB", [sample[1] / 2**20 for sample in samples]),
        ("Sessions", [sample[3] for sample in samples]),
        ("File descriptors", [sample[2] for sample in samples]),
    ]
    end = samples[-1][0]
    minutes = round(end / MINUTE)
    height = TOP + len(panels) * (PANEL + GAP) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>Memory, sessions and file descriptors over {minutes} minutes</title>",
        f"<style>{STYLE}</style>",
        (
            f'<text class="h" x="12" y="24">A server whose clients come, talk and vanish, '
            f"{minutes} minutes</text>"
        ),
    ]
    scale = (WIDTH - LEFT - RIGHT) / end
    for number, (title, values) in enumerate(panels):
        top = TOP + number * (PANEL + GAP)
        most = max(values) * 1.15
        parts.append(f'<text x="{LEFT}" y="{top + 10}">{title}</text>')
        for share in (0.0, 0.5, 1.0):
            y = top + 16 + (PANEL - 16) * (1 - share)
            parts.append(
                f'<line class="g" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            )
            parts.append(
                f'<text class="v" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
                f"{most * share:.0f}</text>"
            )
        points = " ".join(
            f"{LEFT + sample[0] * scale:.1f},{top + PANEL - (PANEL - 16) * value / most:.1f}"
            for sample, value in zip(samples, values, strict=True)
        )
        parts.append(f'<polyline class="l" points="{points}"/>')
    bottom = height - 8
    step = next(each for each in (1, 2, 5, 10, 15) if minutes / each <= 8 or each == 15)
    for minute in range(0, minutes + 1, step):
        x = LEFT + minute * MINUTE * scale
        parts.append(
            f'<text class="v" x="{x:.1f}" y="{bottom}" text-anchor="middle">{minute} min</text>'
        )
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def main() -> None:
    """Read the samples that are named on the command line."""
    TARGET.write_text(draw(json.loads(Path(sys.argv[1]).read_text())))


if __name__ == "__main__":
    main()
