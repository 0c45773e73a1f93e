"""One target under atheris, which keeps inputs that reach new code and changes those further.

    python -m fuzz.guided json .cache/fuzz/json -max_total_time=20

What stands behind the target are arguments of libFuzzer. It runs in a process of its own, which
ends with the first failure.
"""

from __future__ import annotations

import sys
import time
from typing import Final

import atheris

from fuzz.cost import check_time, time_limit

_SLOWER: Final = 10
"""How much slower code is that counts where it goes."""


def main() -> None:
    """Fuzz until the time is over."""
    _, name, *arguments = sys.argv
    with atheris.instrument_imports(include=["sockwave"]):
        from fuzz.targets import TARGETS

        target = TARGETS[name]
        check = target.make()

    def one_input(data: bytes) -> None:
        began = time.perf_counter()
        check(data)
        limit = time_limit(len(data), is_codec=target.is_codec) * _SLOWER
        if time.perf_counter() - began > limit:
            check_time(check, data, limit)

    atheris.Setup([sys.argv[0], *arguments], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
