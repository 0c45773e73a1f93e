"""Servers in JavaScript and ours on Redis, with sharded channels."""

from __future__ import annotations

import pytest

from interop.cluster.cluster import NODE_ALONE
from interop.cluster.matrix import Matrix

pytestmark = [pytest.mark.live, pytest.mark.interop]


class TestNodeAlone(Matrix):
    """What the tests ask for is what the reference does."""

    carrier = "sharded"
    kinds = NODE_ALONE


class TestMixed(Matrix):
    """Two servers of each kind."""

    carrier = "sharded"
