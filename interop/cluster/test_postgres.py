"""Servers in JavaScript and ours on PostgreSQL."""

from __future__ import annotations

import pytest

from interop.cluster.cluster import NODE_ALONE
from interop.cluster.emitters import EmitterMatrix
from interop.cluster.matrix import Matrix

pytestmark = [pytest.mark.live, pytest.mark.interop]


class TestNodeAlone(Matrix):
    """What the tests ask for is what the reference does."""

    carrier = "postgres"
    kinds = NODE_ALONE


class TestMixed(Matrix):
    """Two servers of each kind."""

    carrier = "postgres"


class TestEmitters(EmitterMatrix):
    """Ours reach servers of both kinds; those of JavaScript only ours, as the others drop it."""

    carrier = "postgres"
