"""Limits: wrong values that name their option, and what is not limited."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import pytest

from sockwave.engine.core.limits import Limits, RateLimits


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
@pytest.mark.parametrize("value", [0, -1, "1", True])
def test_wrong_limit_is_refused_and_named(name: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=name):
        Limits(**{name: value})


@pytest.mark.parametrize("name", [field.name for field in fields(RateLimits)])
@pytest.mark.parametrize("value", [0, -1, "1", True, float("nan"), float("inf")])
def test_wrong_rate_limit_is_refused_and_named(name: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=name):
        RateLimits(**{name: value})


def test_no_rate_is_limited_by_default() -> None:
    limits = asdict(RateLimits())
    assert limits.pop("burst") == 5.0
    assert limits.pop("max_addresses") == 100_000
    assert set(limits.values()) == {None}
