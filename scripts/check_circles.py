"""Check that files of the package import each other in one direction.

Every import counts, those for types and those inside functions included: a circle of types is as
hard to follow for a reader as one that runs.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from scripts.imports import circles, imports

if TYPE_CHECKING:
    from collections.abc import Collection

ALLOWED: Final[dict[frozenset[str], str]] = {
    frozenset(
        f"sockwave.socketio.server.{name}"
        for name in (
            *("failures", "namespace", "observed", "parent"),
            *("server", "socket", "watching"),
        )
    ): "of types: `socket.namespace.server.of(...)`; a `ParentNamespace` is a `Namespace`",
    frozenset(f"sockwave.socketio.client.{name}" for name in ("manager", "socket")): (
        "of types: `socket.manager`, `manager.socket(...)`"
    ),
}
"""Circles of imports for types that may be, and why. None may run, not even inside a function."""


def problems(
    graph: dict[str, set[str]], allowed: Collection[frozenset[str]] = tuple(ALLOWED)
) -> list[str]:
    """Say which circles may not be, and which permissions nothing needs any more."""
    found = circles(graph)
    new = [circle for circle in found if not any(circle <= each for each in allowed)]
    gone = [each for each in allowed if not any(circle <= each for circle in found)]
    return [
        *(f"a new circle of imports: {', '.join(sorted(circle))}" for circle in new),
        *(f"this circle is gone, and needs no permission: {', '.join(sorted(g))}" for g in gone),
    ]


def main() -> int:
    """Print what is wrong with the circles of the package."""
    found = [*problems(imports()), *problems(imports(for_types=False), allowed=())]
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
