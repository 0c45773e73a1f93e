"""What carriers cost is measured on each engine; no matter how much."""

from __future__ import annotations

from typing import Final

import pytest

from benchmarks.carriers.engines import is_there
from benchmarks.carriers.fitting import fit
from benchmarks.carriers.measuring import Size, measure
from benchmarks.carriers.model import CARRIERS, Carrier
from tests.support.peers import unavailable

pytestmark = [pytest.mark.live, pytest.mark.slow]

TINY: Final = Size(
    nodes=(2, 3), many=4, seconds=0.2, rest=0.2, interval=0.3, audience=8, crowd=2, is_whole=False
)
WITH_ENGINE: Final = [carrier for carrier in CARRIERS.values() if carrier.cores]


@pytest.mark.parametrize("carrier", WITH_ENGINE, ids=lambda carrier: carrier.name)
def test_carrier_has_costs(carrier: Carrier) -> None:
    if not is_there(carrier.name):
        unavailable(f"the engine of {carrier.title} is not installed: `make engines`")
    found = measure([carrier.name], TINY, lambda _: None).carriers[carrier.name]
    costs = fit(carrier, found)
    assert {sample.nodes for sample in found.samples} == {2, 3, 4}
    for cost in (costs.publish, costs.wanted):
        assert cost.of(1) > 0
    assert max(costs.engine_message.of(1), costs.engine_delivery.of(1)) > 0
    assert costs.heard_bytes > 32
    assert costs.sent_bytes > 32
