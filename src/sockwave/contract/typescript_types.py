"""Types of TypeScript for schemas: never narrower, and where wider, words for what is lost.

Objects stay open, as they are in TypeScript: a value may have more properties than its interface.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from sockwave.contract.schema_parts import BOUNDS, is_bytes, reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sockwave.contract.description import Schema

__all__ = ["Types", "comment", "literal", "notes_of", "property_name"]

_IDENTIFIER: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")

_SIMPLE: Final = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean"}

_OPEN: Final = "{ [key: string]: unknown }"


class Types:
    """Writes types, with the names that a file has given to the models.

    Args:
        names: Of the models.
        holders: Models that take the type of bytes as a parameter.
    """

    def __init__(self, names: Mapping[str, str], holders: frozenset[str]) -> None:
        self._names = names
        self._holders = holders

    def of(self, schema: Any, binary: str, indent: str = "") -> str:
        """The type of a schema.

        Args:
            schema: `True` and `{}` admit everything, `False` nothing.
            binary: Type of bytes.
            indent: Of the line it stands on.
        """
        if schema is False:
            return "never"
        if not isinstance(schema, dict) or not schema:
            return "unknown"
        all_of = [self._own(schema, binary, indent)]
        all_of += [
            _union([self.of(each, binary, indent) for each in schema[keyword]])
            for keyword in ("anyOf", "oneOf")
            if keyword in schema
        ]
        all_of += [self.of(each, binary, indent) for each in schema.get("allOf", ())]
        kept = list(dict.fromkeys(each for each in all_of if each != "unknown"))
        if len(kept) > 1:  # an interface does not fit an open object, which adds nothing here
            kept = [each for each in kept if each != _OPEN] or kept[:1]
        if len(kept) == 1:
            return kept[0]
        return " & ".join(_grouped(each) for each in kept) or "unknown"

    def _own(self, schema: Schema, binary: str, indent: str) -> str:
        """What a schema says beside its branches."""
        model = reference(schema)
        if model is not None:
            if model not in self._names:
                return "unknown"
            suffix = f"<{binary}>" if model in self._holders else ""
            return self._names[model] + suffix
        if "const" in schema:
            return literal(schema["const"])
        if "enum" in schema:
            return _union([literal(each) for each in schema["enum"]])
        kinds = schema.get("type")
        if isinstance(kinds, list):
            return _union([self._kind({**schema, "type": kind}, binary, indent) for kind in kinds])
        return self._kind(schema, binary, indent)

    def _kind(self, schema: Schema, binary: str, indent: str) -> str:
        kind = schema.get("type")
        if is_bytes(schema):
            return binary
        if kind == "null":
            return "null"
        if kind == "array":
            return self._array(schema, binary, indent)
        if kind == "object":
            return self.object(schema, binary, indent)
        return _SIMPLE.get(kind or "", "unknown")

    def _array(self, schema: Schema, binary: str, indent: str) -> str:
        prefix = schema.get("prefixItems", [])
        items = schema.get("items", True)
        if not prefix:
            return _array_of(self.of(items, binary, indent))
        least = schema.get("minItems", 0)
        parts = []
        for number, each in enumerate(prefix):
            type_ = self.of(each, binary, indent)
            parts.append(type_ if number < least else f"{_grouped(type_)}?")
        most = schema.get("maxItems")
        if items is not False and (most is None or most > len(prefix)):
            parts.append(f"...{_array_of(self.of(items, binary, indent))}")
        return f"[{', '.join(parts)}]"

    def object(self, schema: Schema, binary: str, indent: str) -> str:
        """The braces of an object, over several lines where it has properties."""
        properties = schema.get("properties", {})
        rest = schema.get("additionalProperties", True)
        if not properties:
            of = "unknown" if "patternProperties" in schema else self.of(rest, binary, indent)
            return f"{{ [key: string]: {of} }}"
        inner = indent + "  "
        required = schema.get("required", ())
        lines = ["{"]
        for name, each in properties.items():
            lines += comment(notes_of(each), inner)
            mark = "" if name in required else "?"
            type_ = self.of(each, binary, inner)
            lines.append(f"{inner}{property_name(name)}{mark}: {type_};")
        if isinstance(rest, dict) or "patternProperties" in schema:
            lines.append(f"{inner}[key: string]: unknown;")
        return "\n".join([*lines, indent + "}"])


def _array_of(type_: str) -> str:
    return f"{_grouped(type_)}[]"


def _union(types: list[str]) -> str:
    if "unknown" in types:
        return "unknown"
    return " | ".join(dict.fromkeys(_grouped(t, "&") for t in types)) or "never"


def _grouped(type_: str, signs: str = "|&") -> str:
    """In parentheses where it is more than one type; strings and braces may have the signs too."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', type_)
    depth = 0
    for sign in bare:
        depth += (sign in "{[(<") - (sign in "}])>")
        if depth == 0 and sign in signs:
            return f"({type_})"
    return type_


def literal(value: Any) -> str:
    """The type of one JSON value."""
    if isinstance(value, dict):
        pairs = [f"{property_name(name)}: {literal(each)}" for name, each in value.items()]
        return f"{{ {'; '.join(pairs)} }}" if pairs else "{ [key: string]: never }"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, (int, float)) and not isinstance(value, bool) and _is_inexact(value):
        return "number"
    return json.dumps(value)


def _is_inexact(value: float) -> bool:
    """Whether JavaScript has another number for it, or none."""
    return value != value or abs(value) > 2**53 or value in (float("inf"), float("-inf"))


def property_name(name: str) -> str:
    """A name as it is, or in quotes."""
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name)


def comment(lines: list[str], indent: str = "") -> list[str]:
    """The lines of a JSDoc, none for no text; `*/` inside cannot end it."""
    text = "\n".join(lines).replace("*/", "*\\/")
    flat = [each.rstrip() for each in text.splitlines()]
    if not flat:
        return []
    if len(flat) == 1:
        return [f"{indent}/** {flat[0]} */"]
    inner = [f"{indent} * {each}".rstrip() for each in flat]
    return [f"{indent}/**", *inner, f"{indent} */"]


def notes_of(schema: Any) -> list[str]:
    """For people: the description, the default, and what the type does not say."""
    if not isinstance(schema, dict):
        return []
    notes = [schema["description"]] if schema.get("description") else []
    if "default" in schema:
        notes.append(f"Default: {json.dumps(schema['default'], ensure_ascii=False)}")
    wider = list(wider_of(schema))
    if wider:
        notes.append(f"Wider than the contract, which says: {'; '.join(wider)}.")
    if schema.get("deprecated"):
        notes.append("@deprecated")
    return notes


def wider_of(schema: Any, where: str = "") -> Iterator[str]:
    """What the type of a schema does not say; models are left to themselves.

    Args:
        where: Of the part, such as `[]` for the items of an array.
    """
    if not isinstance(schema, dict) or reference(schema) is not None:
        return
    said = [] if "const" in schema or "enum" in schema else list(_bounds_of(schema))
    if said:
        yield f"{where} {', '.join(said)}".lstrip()
    for keyword in ("anyOf", "oneOf", "allOf"):
        for each in schema.get(keyword, ()):
            yield from wider_of(each, where)
    for number, each in enumerate(schema.get("prefixItems", ())):
        yield from wider_of(each, f"{where}[{number}]")
    yield from wider_of(schema.get("items"), f"{where}[]")
    yield from wider_of(schema.get("additionalProperties"), f"{where}[key]")


def _bounds_of(schema: Schema) -> Iterator[str]:
    kinds = schema.get("type")
    if "integer" in (kinds if isinstance(kinds, list) else [kinds]):
        yield "whole numbers"
    tuple_size = len(schema.get("prefixItems", ()))
    for keyword, text in BOUNDS.items():
        if keyword not in schema or (keyword == "format" and is_bytes(schema)):
            continue
        if tuple_size and keyword in ("minItems", "maxItems") and schema[keyword] <= tuple_size:
            continue
        yield text.format(schema[keyword])
    if "propertyNames" in schema:
        yield f"keys as {json.dumps(schema['propertyNames'])}"
    if "patternProperties" in schema:
        yield f"values by key as {json.dumps(schema['patternProperties'])}"
    elif isinstance(schema.get("additionalProperties"), dict) and schema.get("properties"):
        yield f"other values as {json.dumps(schema['additionalProperties'])}"
    if schema.get("additionalProperties") is False and schema.get("properties"):
        yield "no other properties"
    if "not" in schema:
        yield f"none as {json.dumps(schema['not'])}"
