"""Fuzzing: `python -m fuzz.run --help`."""
