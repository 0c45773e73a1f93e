"""Which pages of other origins a rule admits."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sockwave.engine.core.cors import Cors


@pytest.mark.parametrize(
    ("rule", "origin", "allowed"),
    [
        ("*", "https://a.com", True),
        (True, "https://a.com", True),
        ("https://a.com", "https://a.com", True),
        ("https://a.com", "https://a.com.evil.org", False),
        ("https://a.com", "http://a.com", False),
        ("https://a.com", "null", False),
        (["https://a.com", "https://b.com"], "https://b.com", True),
        (["https://a.com", "https://b.com"], "https://c.com", False),
        (re.compile(r"https://\w+\.a\.com"), "https://x.a.com", True),
        (re.compile(r"https://\w+\.a\.com"), "https://x.a.com.evil.org", False),
        (re.compile(r"https://\w+\.a\.com"), "evil https://x.a.com", False),
        (["*"], "https://a.com", True),
        (lambda origin: origin.endswith(".org"), "https://a.org", True),
        (lambda origin: origin.endswith(".org"), "https://a.com", False),
    ],
)
def test_rule_admits_origin(rule: Any, origin: str, allowed: bool) -> None:
    assert Cors(origin=rule).allows(origin) is allowed


def test_long_origin_is_not_given_to_a_pattern() -> None:
    pattern = re.compile(r"https://a+\.com")
    assert Cors(origin=pattern).allows("https://" + "a" * 200 + ".com")
    assert not Cors(origin=pattern).allows("https://" + "a" * 300 + ".com")
