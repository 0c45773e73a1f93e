"""Every case runs twice: for the codec as a server reading a client, and the other way round."""

from __future__ import annotations

import pytest

from tests.codec.handlers import Connection


@pytest.fixture(params=[True, False], ids=["server", "client"])
def side(request: pytest.FixtureRequest) -> Connection:
    return Connection(is_server=request.param)
