"""Annotations of Python for schemas: of values as they travel, dictionaries and lists and text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sockwave.contract.schema_parts import is_bytes, reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sockwave.contract.description import Schema

__all__ = ["annotation", "text_literal", "union"]

_SIMPLE: Final = {
    "string": "str",
    "number": "float",
    "integer": "int",
    "boolean": "bool",
    "null": "None",
}


def annotation(schema: Any, names: Mapping[str, str]) -> str:
    """The annotation of a schema, `Any` where nothing closer can be said.

    Args:
        schema: `True` and `{}` admit everything, `False` nothing.
        names: Of the models.
    """
    if not isinstance(schema, dict) or "allOf" in schema:
        return "Any"
    model = reference(schema)
    if model is not None:
        return names.get(model, "Any")
    if "const" in schema:
        return _literals([schema["const"]])
    if "enum" in schema:
        return _literals(schema["enum"])
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        return union(*(annotation(each, names) for each in branches))
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return union(*(annotation({**schema, "type": kind}, names) for kind in kinds))
    return _kind(schema, names)


def _kind(schema: Schema, names: Mapping[str, str]) -> str:
    kind = schema.get("type")
    if is_bytes(schema):
        return "bytes"
    if kind == "array":
        return f"list[{_items(schema, names)}]"
    if kind == "object":
        closed = "properties" in schema or "patternProperties" in schema
        rest = schema.get("additionalProperties", True)
        return f"dict[str, {'Any' if closed else annotation(rest, names)}]"
    return _SIMPLE.get(kind or "", "Any")


def _items(schema: Schema, names: Mapping[str, str]) -> str:
    """Of a tuple all types, since it comes as a list."""
    parts = [annotation(each, names) for each in schema.get("prefixItems", ())]
    items = schema.get("items", True)
    least_more = schema.get("maxItems", len(parts) + 1) > len(parts)
    if not parts or (items is not False and least_more):
        parts.append(annotation(items, names))
    return union(*parts)


def _literals(values: list[Any]) -> str:
    inside, others = [], []
    for each in values:
        if isinstance(each, str):
            inside.append(text_literal(each))
        elif isinstance(each, (bool, int)):
            inside.append(str(each))
        else:
            others.append(_type_of(each))
    if inside:
        others.insert(0, f"Literal[{', '.join(dict.fromkeys(inside))}]")
    return union(*others)


def _type_of(value: Any) -> str:
    if value is None:
        return "None"
    return "float" if isinstance(value, float) else "Any"


def union(*types: str) -> str:
    """One of the types; `None` stands last."""
    if "Any" in types or not types:
        return "Any"
    members = list(dict.fromkeys(part for each in types for part in _members(each)))
    members.sort(key=lambda each: each == "None")
    return " | ".join(members)


def _members(type_: str) -> list[str]:
    """The types of a union, those in brackets left whole."""
    parts, depth, start = [], 0, 0
    in_text = False
    for at, sign in enumerate(type_):
        if sign == '"' and type_[at - 1 : at] != "\\":
            in_text = not in_text
        elif not in_text:
            depth += (sign == "[") - (sign == "]")
            if depth == 0 and type_[at : at + 3] == " | ":
                parts.append(type_[start:at])
                start = at + 3
    return [*parts, type_[start:]]


def text_literal(text: str) -> str:
    """A string of the language, in double quotes."""
    return json.dumps(text)
