"""Played the same actions, this server does what the reference does, but for what is decided."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from interop.beside.compare import Comparison, decided_as, described
from interop.beside.decided import DECIDED, Decided
from interop.beside.player import Player
from interop.beside.rows import ROWS
from interop.beside.scripts import make_script
from interop.beside.servers import Ours, Reference
from scripts.node import ROOT
from tests.support import peers

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

pytestmark = [pytest.mark.interop, pytest.mark.timeout(1_800)]

SCRIPTS = int(os.environ.get("SOCKWAVE_BESIDE_SCRIPTS", "1000"))
"""On our own listener: what a host of ASGI does to WebSockets is the host's. For any number see
`python -m interop.beside`, which tries other front ends too."""

SHOWN = 3
"""Differences that are made short."""

FIRST_SEED = int(os.environ.get("SOCKWAVE_BESIDE_SEED", "1"))


@pytest.fixture(scope="module")
def reference(runner: asyncio.Runner) -> Iterator[Reference]:
    """One server of the reference."""
    server = Reference(peers.node())
    runner.run(server.__aenter__())
    yield server
    runner.run(server.__aexit__(None, None, None))


async def test_random_actions_have_the_same_effect(reference: Reference) -> None:
    async with Ours("native") as ours:
        comparison = Comparison(reference, ours)
        await comparison.run(range(FIRST_SEED, FIRST_SEED + SCRIPTS))
        for seed, found in [*comparison.differences.items()][:SHOWN]:
            print(f"\nseed {seed}:\n{described(await comparison.minimized(found))}")
    assert not comparison.differences, "differences that nobody has decided on: see above"
    # Enough went on to the end for this to say much.
    assert comparison.counts[None] > 0.5 * comparison.counts.total()
    assert comparison.actions > 10 * SCRIPTS
    print(f"{comparison.actions} actions: {dict(comparison.counts)}")


@pytest.mark.parametrize("decided", DECIDED, ids=lambda decided: decided.name)
async def test_decided_difference_is_there_and_is_recognized(
    reference: Reference, decided: Decided
) -> None:
    async with Ours("native") as ours:
        found = await Comparison(reference, ours).play(decided.example)
    assert found is not None
    assert found.step >= len(decided.example) - 1, described(found)
    recognized = decided_as(found)
    assert recognized is not None and recognized.name == decided.name, described(found)


@pytest.mark.parametrize("decided", DECIDED, ids=lambda decided: decided.name)
def test_decided_difference_has_its_row_in_the_documentation(decided: Decided) -> None:
    rows = (ROOT / "docs" / "differences.md").read_text().splitlines()
    assert any(row.startswith("|") and decided.page in row for row in rows), decided.page


@pytest.mark.parametrize("row", ROWS)
async def test_row_of_the_conformance_page_holds_on_both(reference: Reference, row: str) -> None:
    lines = (ROOT / "docs" / "conformance.md").read_text().splitlines()
    assert any(line.startswith(f"| {row} |") for line in lines), row
    async with Ours("native") as ours:
        comparison = Comparison(reference, ours)
        for script in ROWS[row]:
            found = await comparison.play(script)
            assert found is None, described(found)


async def test_script_of_a_seed_is_always_the_same() -> None:
    assert make_script(7) == make_script(7) != make_script(8)


async def test_server_compared_with_itself_is_the_same(reference: Reference) -> None:
    """What is random in a server's answers is left out."""
    for seed in range(5):
        script = make_script(seed)
        first = await Player(reference, f"first {seed}").play(script)
        assert first == await Player(reference, f"second {seed}").play(script)
        assert sum(map(len, first)) > 5
