"""Servers in JavaScript and ours on Redis, with the classic protocol."""

from __future__ import annotations

import pytest

from interop.cluster.cluster import NODE_ALONE
from interop.cluster.emitters import EmitterMatrix
from interop.cluster.matrix import Matrix
from interop.cluster.questions import QuestionMatrix

pytestmark = [pytest.mark.live, pytest.mark.interop]


class TestNodeAlone(Matrix):
    """What the tests ask for is what the reference does."""

    carrier = "redis"
    kinds = NODE_ALONE


class TestMixed(Matrix):
    """Two servers of each kind."""

    carrier = "redis"


class TestEmitters(EmitterMatrix):
    """They reach servers of both kinds."""

    carrier = "redis"


class TestQuestions(QuestionMatrix):
    """Emitters of ours ask servers of both kinds."""

    carrier = "redis"


class TestQuestionsToNode(QuestionMatrix):
    """And those in JavaScript alone."""

    carrier = "redis"
    kinds = NODE_ALONE
