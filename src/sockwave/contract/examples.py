"""A value for a schema, for people to look at: always the same one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sockwave.contract.description import Schema

__all__ = ["example_of"]

_FORMATS: Final = {
    "binary": "<binary>",
    "date": "2026-01-02",
    "date-time": "2026-01-02T03:04:05Z",
    "decimal": "2.50",
    "duration": "PT90S",
    "email": "ada@example.com",
    "ipv4": "192.0.2.1",
    "time": "03:04:05Z",
    "uri": "https://example.com/",
    "uuid": "6e5a0b0e-3c4f-4a63-8f8b-0a1b2c3d4e5f",
}
_MAX_ITEMS: Final = 100
"""Of an array that must be long: an example is to be read."""


class _NoExample(Exception):
    """Nothing that fits is known: of a pattern, or of a class that must have itself inside."""


def example_of(schema: Schema, models: Mapping[str, Schema]) -> Any:
    """A value that a schema admits; None where none is known. Bytes are the text `<binary>`.

    What the schema gives as an example or a default comes first. A pattern is not solved.

    Args:
        models: What references in the schema mean.
    """
    try:
        return _value(schema, models, ())
    except _NoExample:
        return None


def _value(schema: Schema, models: Mapping[str, Schema], inside: tuple[str, ...]) -> Any:
    if schema.get("examples"):
        return schema["examples"][0]
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    if (reference := schema.get("$ref")) is not None:
        name = reference.rpartition("/")[2]
        if name in inside or name not in models:
            raise _NoExample
        return _value(models[name], models, (*inside, name))
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return _first(schema[word], models, inside)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object":
        return _object(schema, models, inside)
    if kind == "array":
        return _array(schema, models, inside)
    if kind == "string":
        return _text(schema)
    if kind in ("integer", "number"):
        return _number(schema)
    return True if kind == "boolean" else None


def _first(members: list[Schema], models: Mapping[str, Schema], inside: tuple[str, ...]) -> Any:
    for each in members:
        try:
            return _value(each, models, inside)
        except _NoExample:
            continue
    raise _NoExample


def _object(schema: Schema, models: Mapping[str, Schema], inside: tuple[str, ...]) -> Any:
    """With all properties that are there to be shown; those that need not be may be left out."""
    found: dict[str, Any] = {}
    for name, each in schema.get("properties", {}).items():
        try:
            found[name] = _value(each, models, inside)
        except _NoExample:
            if name in schema.get("required", ()):
                raise
    if not found and schema.get("minProperties") and "propertyNames" not in schema:
        found = {f"key{at}": None for at in range(schema["minProperties"])}
    more = schema.get("additionalProperties")
    if isinstance(more, dict) and not schema.get("properties"):
        keys = schema.get("propertyNames", {})
        try:
            key = str(_value({"type": "string", **keys}, models, inside))
            found = {key: _value(more, models, inside)}
        except _NoExample:
            if schema.get("minProperties"):
                raise
    return found


def _array(schema: Schema, models: Mapping[str, Schema], inside: tuple[str, ...]) -> Any:
    if "prefixItems" in schema:
        return [_value(each, models, inside) for each in schema["prefixItems"]]
    least = schema.get("minItems", 0)
    if least > _MAX_ITEMS:
        raise _NoExample
    try:
        item = _value(schema.get("items") or {}, models, inside)
    except _NoExample:
        if least:
            raise
        return []
    most = schema.get("maxItems", max(least, 1))
    return [item] * min(most, max(least, 1))


def _text(schema: Schema) -> str:
    if "pattern" in schema and "format" not in schema:
        number = "1"  # keys of a dictionary of numbers
        if schema["pattern"].startswith("^-?(0|[1-9]"):
            return number
        raise _NoExample
    text = _FORMATS.get(schema.get("format", ""), "text")
    least, most = schema.get("minLength", 0), schema.get("maxLength", len(text))
    if least > _MAX_ITEMS:
        raise _NoExample
    return text.ljust(least, "t")[: max(most, least)]


def _number(schema: Schema) -> int | float:
    """The smallest one from 1 on that fits, or the largest one that is less."""
    step = schema.get("multipleOf")
    least, most = schema.get("minimum"), schema.get("maximum")
    is_whole = schema.get("type") == "integer"
    if (above := schema.get("exclusiveMinimum")) is not None:
        least = above + 1 if is_whole or "exclusiveMaximum" not in schema else None
    if (below := schema.get("exclusiveMaximum")) is not None:
        most = below - 1 if is_whole else None
        if above is not None and not is_whole:
            return (above + below) / 2  # type: ignore[no-any-return] # numbers
        most = below - 1
    number: int | float = step if step is not None else 1
    if least is not None and number < least:
        number = least if step is None else -(-least // step) * step
    if most is not None and number > most:
        number = most if step is None else most // step * step
    return number if is_whole else float(number)
