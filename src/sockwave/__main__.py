"""`python -m sockwave`, where the `sockwave` script is not on PATH."""

from __future__ import annotations

from sockwave.cli import main

if __name__ == "__main__":
    main(prog_name="sockwave")
