"""Each way in which a connection ends is told in a sentence that fits."""

from __future__ import annotations

import pytest

from sockwave import Server
from tests.records.ways import WAYS, Stage, Way
from tests.support.fronts import FRONTS
from tests.support.raw import until


def test_there_are_thirty_ways_and_more() -> None:
    assert len(WAYS) >= 30


@pytest.mark.parametrize("front", ["native", "wrapped"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
async def test_end_has_its_sentence(way: Way, front: str) -> None:
    io = Server(**{"connection_records": 10, **way.options})
    async with FRONTS[front].serve(io) as wire:
        await way.run(Stage(io, wire))
        await until(io.connections.recent)
        record = io.connections.recent()[-1]
    says = (front == "wrapped" and way.hosted) or way.says
    assert says in record.sentence
    assert record.sentence.endswith((".", "?"))
    assert record.ended_by == way.by
    assert record.option.startswith(way.option) and bool(record.option) is bool(way.option)
    hints = [hint for hint in record.hints if "event loop was" not in hint]  # a busy machine
    if way.hint:
        assert any(way.hint in hint for hint in hints)
    else:
        assert hints == []
