"""Plays scripts to both servers and finds the first difference of each."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Final

from interop.beside.decided import DECIDED, Found
from interop.beside.player import Player
from interop.beside.scripts import make_script

if TYPE_CHECKING:
    from collections.abc import Iterable

    from interop.beside.decided import Decided
    from interop.beside.player import Observed, Script
    from interop.beside.servers import ServerBeside

__all__ = ["Comparison", "decided_as", "described"]

AT_ONCE: Final = 32
"""Scripts under way at a time."""

_tags: Final = count()  # a server may be compared again and again

PAUSE: Final = 0.1
"""Seconds after each action where a difference is looked at again: what is gone then was only
late."""


@dataclass
class Comparison:
    """Two servers, and what was found between them.

    Attributes:
        differences: By seed, those that nobody has decided on.
        counts: How often each decided difference came; None stands for no difference.
        unsteady: Seeds whose difference was gone when they were played again, slowly.
        actions: How many were played and compared.
    """

    reference: ServerBeside
    ours: ServerBeside
    differences: dict[int | str, Found] = field(default_factory=dict)
    counts: Counter[str | None] = field(default_factory=Counter)
    unsteady: list[int | str] = field(default_factory=list)
    actions: int = 0

    async def run(self, seeds: Iterable[int]) -> None:
        """Play the scripts of these seeds, some at a time."""
        left = iter(seeds)

        async def work() -> None:
            for seed in left:
                await self.look_at(seed, make_script(seed))

        async with asyncio.TaskGroup() as workers:
            for _ in range(AT_ONCE):
                workers.create_task(work())

    async def look_at(self, seed: int | str, script: Script) -> None:
        """Play a script, again where there is something, and keep what is found."""
        found = await self.play(script)
        if found is not None and decided_as(found) is None:
            found = await self.play(script, PAUSE)
            if found is None:
                self.unsteady.append(seed)
        self.actions += len(script) if found is None else found.step + 1
        decided = None if found is None else decided_as(found)
        if found is not None and decided is None:
            self.differences[seed] = found
        else:
            self.counts[decided.name if decided else None] += 1

    async def play(self, script: Script, pause: float = 0.0) -> Found | None:
        """Play it to both servers."""
        tag = f"client {next(_tags)}"
        theirs, ours = await asyncio.gather(
            Player(self.reference, tag, pause).play(script),
            Player(self.ours, tag, pause).play(script),
        )
        for step, (one, other) in enumerate(zip(theirs, ours, strict=True)):
            if one != other:
                return Found(script, step, _only(one, other), _only(other, one))
        return None

    async def minimized(self, found: Found) -> Found:
        """Leave out of a script what the difference does without."""
        script = found.script[: found.step + 1]
        at = len(script) - 1
        while at > 0:
            at -= 1
            if script[at][0] in ("open", "upgrade"):
                continue  # others are counted from it
            shorter = script[:at] + script[at + 1 :]
            again = await self.play(shorter)
            if again is not None and decided_as(again) is None:
                script, found = shorter, again
        return found


def _only(side: Observed, other: Observed) -> Observed:
    return {channel: side[channel] for channel in side if side[channel] != other.get(channel)}


def decided_as(found: Found) -> Decided | None:
    """Which of the decided differences it is."""
    return next((decided for decided in DECIDED if decided.is_it(found)), None)


def described(found: Found) -> str:
    """A difference with the actions that lead to it, as Python has them."""
    script = found.script[: found.step + 1]
    lines = [f"    {action!r}," for action in script]
    lines += ["  (when all was drained)"] * (found.step >= len(found.script))
    for channel in sorted({*found.theirs, *found.ours}):
        lines.append(f"  {channel}, reference: {found.theirs.get(channel)}")
        lines.append(f"  {channel}, ours:      {found.ours.get(channel)}")
    return "\n".join(lines)
