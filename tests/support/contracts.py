"""A contract with everything that the writers of code must write."""

from __future__ import annotations

from typing import Any, Final

from sockwave.contract.description import Argument, Contract, EventContract, NamespaceContract

__all__ = ["EVERYTHING", "of_model"]

MODELS: Final[dict[str, Any]] = {
    "Order": {
        "description": "What one wants.",
        "type": "object",
        "properties": {
            "item": {"type": "string", "minLength": 1},
            "count": {"type": "integer", "exclusiveMinimum": 0, "default": 1},
            "my-note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "color": {"$ref": "#/models/Color"},
        },
        "required": ["item"],
    },
    "Color": {"enum": ["red", "blue | green"]},
    "Placed": {
        "type": "object",
        "properties": {
            "id": {"type": "string", "format": "uuid", "description": "For the kitchen."},
            "total": {"type": "string", "format": "decimal"},
        },
        "required": ["id", "total"],
    },
    "Photo": {
        "type": "object",
        "properties": {
            "data": {"type": "string", "format": "binary"},
            "next": {"anyOf": [{"$ref": "#/models/Photo"}, {"type": "null"}]},
        },
        "required": ["data"],
    },
    "Tree": {
        "type": "array",
        "items": {"anyOf": [{"$ref": "#/models/Tree"}, {"type": "integer"}]},
    },
}

ORDER: Final = Argument("order", {"$ref": "#/models/Order"})
PHOTO: Final = {"$ref": "#/models/Photo"}
PAIR: Final = {
    "type": "array",
    "prefixItems": [{"type": "integer"}, {"type": "string"}],
    "items": False,
    "minItems": 2,
    "maxItems": 2,
}

EVERYTHING: Final = Contract(
    title="Shop",
    version="1.2.0",
    path="/live",
    description='Orders, as they come. */ """ \\',
    models=MODELS,
    namespaces=(
        NamespaceContract(
            name="/",
            auth={"type": "object", "properties": {"token": {"type": "string"}}},
            incoming=(
                EventContract(
                    name="place",
                    arguments=(ORDER,),
                    answer=({"$ref": "#/models/Placed"},),
                    description="Place an order.\n\nIt is brought at once.",
                ),
                EventContract(
                    name="note",
                    arguments=(ORDER, Argument("note", {"type": "string"}, required=False)),
                    answer=({"type": "integer"},),
                ),
                EventContract("typing", (Argument("on", {"type": "boolean"}),), answer=()),
                EventContract("unsaid", (Argument("default", {}),)),
                EventContract("upload", (Argument("photo", PHOTO),), answer=(PHOTO,)),
                EventContract("two", answer=({"type": "integer"}, {"type": "string"})),
                EventContract(
                    name="sum",
                    arguments=(Argument("first", {"type": "number"}),),
                    rest={"type": "number"},
                    answer=({"type": "number"},),
                ),
            ),
            outgoing=(
                EventContract(
                    name="message",
                    arguments=(
                        Argument("text", {"type": "string"}),
                        Argument("by", {"type": "string"}, required=False),
                    ),
                ),
                EventContract("picture", (Argument("photo", PHOTO),)),
                EventContract("pair", (Argument("pair", PAIR),)),
                EventContract(
                    name="ask",
                    arguments=(Argument("question", {"type": "string"}),),
                    answer=({"type": "boolean"},),
                ),
            ),
        ),
        NamespaceContract(
            name="/org/{org_id}",
            parameters={"org_id": {"type": "integer"}},
            incoming=(EventContract("go"),),
        ),
    ),
)


def of_model(schema: dict[str, Any]) -> Contract:
    """A contract with nothing but one model, `M`."""
    return Contract("Test", "1", models={"M": schema})
