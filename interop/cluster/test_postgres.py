"""Servers in JavaScript and ours on PostgreSQL."""

from __future__ import annotations

import pytest

from interop.cluster.cluster import NODE_ALONE
from interop.cluster.emitters import EmitterMatrix
from interop.cluster.matrix import Matrix
from interop.cluster.questions import QuestionMatrix

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


class TestQuestions(QuestionMatrix):
    """Emitters of ours ask servers of both kinds."""

    carrier = "postgres"


class TestQuestionsToNode(QuestionMatrix):
    """And those in JavaScript alone."""

    carrier = "postgres"
    kinds = NODE_ALONE
