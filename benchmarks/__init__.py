"""Benchmarks that need nothing but Python; see `run.py`."""
