"""`python -m sockwave.cli`, where the `sockwave` script is not on PATH."""

from __future__ import annotations

from sockwave.cli import main

main(prog_name="sockwave")
