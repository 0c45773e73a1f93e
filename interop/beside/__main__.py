"""Play many scripts; tell what differs and is not decided."""

from __future__ import annotations

import argparse
import ast
import asyncio
import random
import sys
import time
from pathlib import Path

from interop.beside.compare import Comparison, described
from interop.beside.servers import Ours, Reference
from sockwave.platform import new_event_loop
from tests.support import peers

LINES = 20
"""Differences shown."""


async def main(arguments: argparse.Namespace, script: str | None) -> int:
    """Play them."""
    seed = random.randrange(2**31) if arguments.seed is None else arguments.seed
    print(f"seeds {seed} to {seed + arguments.scripts - 1}, on {arguments.front}")
    async with Reference(peers.node()) as reference, Ours(arguments.front) as ours:
        comparison, began = Comparison(reference, ours), time.monotonic()
        if script is not None:
            await comparison.look_at("in the file", ast.literal_eval(script))
        else:
            await comparison.run(range(seed, seed + arguments.scripts))
        seconds = time.monotonic() - began
        if comparison.differences:
            print(f"differences in seeds {[*comparison.differences]}", flush=True)
        for one, found in list(comparison.differences.items())[:LINES]:
            shortest = await comparison.minimized(found)
            print(f"\nseed {one}:\n{described(shortest)}")
    count = len(comparison.differences)
    print(f"\n{seconds:.0f} s, {comparison.actions} actions, {count} differences not decided")
    for name, times in comparison.counts.most_common():
        print(f"{times:8} {name or 'the same'}")
    if comparison.unsteady:
        print(f"gone when played again: {comparison.unsteady[:LINES]}")
    return 1 if comparison.differences else 0


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--scripts", type=int, default=2_000)
parser.add_argument("--seed", type=int, default=None, help="the first; default: any")
parser.add_argument("--front", default="native", choices=["native", "hosted", "asgi"])
parser.add_argument("--script", help="a file with one script, a list of actions")
given = parser.parse_args()
text = Path(given.script).read_text() if given.script else None
with asyncio.Runner(loop_factory=new_event_loop) as runner:
    sys.exit(runner.run(main(given, text)))
