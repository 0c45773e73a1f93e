"""The contract of the server in examples/contract."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sockwave.contract.describing import describe

if TYPE_CHECKING:
    from types import ModuleType

    from sockwave.contract.description import Contract

FOLDER: Final = Path(__file__).resolve().parents[2] / "examples" / "contract"


def module(name: str) -> ModuleType:
    """A module of the example, made anew."""
    spec = importlib.util.spec_from_file_location(f"example_contract_{name}", FOLDER / f"{name}.py")
    assert spec and spec.loader
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made  # where its annotations are looked up
    spec.loader.exec_module(made)
    return made


def contract(server: ModuleType) -> Contract:
    """What it hears, and what it says."""
    return describe(server.io, title="Tea shop", version="1.0.0")
