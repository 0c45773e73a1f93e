"""How much a cluster carries, by carrier: `make bench-capacity [ARGS="..."]`.

It measures what each message costs nodes and engines, in processor time, with 2, 4 and 8 processes,
and with 32 nodes of which most share one (about six minutes; Redis, PostgreSQL and NATS are started
here), keeps that in docs/capacity.json, reckons with it up to 1,000 nodes, writes the tables of
docs/capacity.md, and draws docs/images/capacity.svg.

    --carriers redis,nats   only these; the others stay as they were kept
    --rounds 2              fresh engines and nodes, so often
    --kept                  measures nothing: writes and draws what was kept
    --to FILE               keeps it there, and writes and draws nothing

Nothing else should run meanwhile. Needs Linux and two cores: nodes are on the first one, engines
and clients on the second.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.carriers.engines import is_there
from benchmarks.carriers.measuring import Size, measure
from benchmarks.carriers.model import CARRIERS
from benchmarks.carriers.report import picture, written
from benchmarks.carriers.samples import load, save
from benchmarks.reliability.report import allow_many_descriptors
from benchmarks.revisions import ROOT
from benchmarks.run import LOAD_CORE, pin
from scripts.draw_capacity import TARGET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.carriers.samples import Measured

__all__ = ["FIGURES", "PAGE", "measured_again", "publish"]

FIGURES: Final = ROOT / "docs" / "capacity.json"
PAGE: Final = ROOT / "docs" / "capacity.md"


def publish(measured: Measured) -> None:
    """Write the tables, and draw the picture."""
    PAGE.write_text(written(PAGE.read_text(), measured))
    (ROOT / TARGET).write_text(picture(measured))


def measured_again(names: Sequence[str], size: Size, path: Path) -> Measured:
    """Measure these carriers, and keep it beside what there is of others."""
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:4.0f} s  {what}", flush=True)

    kept = load(path) if path.exists() else None
    if kept is not None and set(names) != set(CARRIERS):
        size = replace(size, is_whole=False)
    found = measure(names, size, say)
    if kept is not None:
        found.carriers = {**kept.carriers, **found.carriers}
        found.node = found.node or kept.node
    save(found, path)
    say("kept")
    return load(path)


def main() -> None:
    """Measure, keep, write, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--carriers", default=",".join(CARRIERS), metavar="NAMES")
    parser.add_argument("--rounds", type=int, default=Size().rounds)
    parser.add_argument("--seconds", type=float, default=Size().seconds, help="of a slice of work")
    parser.add_argument("--kept", action="store_true")
    parser.add_argument("--to", type=Path)
    options = parser.parse_args()
    names = options.carriers.split(",")
    if unknown := set(names) - set(CARRIERS):
        parser.error(f"no such carrier: {min(unknown)}")
    if options.rounds < 1:
        parser.error("--rounds: at least one")
    if options.kept:
        publish(load(options.to or FIGURES))
        return
    if missing := [name for name in names if not is_there(name)]:
        parser.error(f"not installed here: {', '.join(missing)} (python -m scripts.engines)")
    allow_many_descriptors()
    pin(0, LOAD_CORE)
    size = Size(rounds=options.rounds, seconds=options.seconds)
    measured = measured_again(names, size, options.to or FIGURES)
    if options.to is None:
        publish(measured)


if __name__ == "__main__":
    main()
