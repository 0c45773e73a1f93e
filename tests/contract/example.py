"""The contract of the server in examples/contract."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sockwave.contract.describing import describe
from sockwave.contract.description import Argument, EventContract

if TYPE_CHECKING:
    from types import ModuleType

    from sockwave.contract.description import Contract

FOLDER: Final = Path(__file__).resolve().parents[2] / "examples" / "contract"

OUTGOING: Final = (
    EventContract(
        "brewed", (Argument("pot", {"$ref": "#/models/Brewed"}),), description="A pot is ready."
    ),
    EventContract(
        "rated",
        (Argument("number", {"type": "integer"}), Argument("stars", {"type": "integer"})),
        description="Somebody has said how an order was.",
    ),
)


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
    described = describe(server.io, title="Tea shop", version="1.0.0")
    (namespace,) = described.namespaces
    brewed = {
        "title": "Brewed",
        "description": "A pot that is ready.",
        "type": "object",
        "properties": {
            "number": {"type": "integer"},
            "tea": {"enum": ["assam", "darjeeling", "sencha"]},
            "photo": {"type": "string", "format": "binary"},
        },
        "required": ["number", "tea", "photo"],
    }
    return replace(
        described,
        namespaces=(replace(namespace, outgoing=OUTGOING),),
        models={"Brewed": brewed, **described.models},
    )
