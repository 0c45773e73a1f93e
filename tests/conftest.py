"""Hypothesis profiles: the same examples on every run, and many more when SOCKWAVE_FUZZ is set."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=100)
settings.register_profile("fuzz", deadline=None, max_examples=2_000)
settings.load_profile("fuzz" if os.environ.get("SOCKWAVE_FUZZ") else "ci")
