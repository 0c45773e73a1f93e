"""How many bytes a value holds when each of them is written where it stands.

A value can be small in memory and huge on the wire, since the same bytes may stand in it a thousand
times. JSON packets frame an object once; what is written in one piece has to be judged before.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

__all__ = ["holds_more_than"]

_FIELDS: Final = ("__dataclass_fields__", "__attrs_attrs__", "__struct_fields__")
"""Where classes keep the names of their fields: dataclasses, those of attrs, structs of msgspec."""


def holds_more_than(value: Any, most: int) -> bool:
    """Whether the binary parts of a value, each as often as it occurs, are more than so many bytes.

    Text is not counted: no message of a peer makes the same long text occur twice.
    """
    try:
        # This looks at everything many times as fast as we could, and most values have no bytes.
        orjson.dumps(value)
    except TypeError:
        left = most
    else:
        return False

    def unfold(item: Any) -> Any:
        """Count what is bytes; of anything else give what it is made of."""
        nonlocal left
        size = _binary_size(item)
        if size is None:
            return _parts(item)
        left -= size
        if left < 0:
            raise TypeError  # ends it
        return None

    try:
        orjson.dumps(value, default=unfold)
    except TypeError:
        if left >= 0:  # it has something in it that JSON has not
            return _holds_more(value, most)
    return left < 0


def _holds_more(value: Any, most: int) -> bool:
    try:
        return _rest(value, most) < 0
    except RecursionError:  # circular, or too deep: the encoder says so
        return False


def _rest(value: Any, most: int) -> int:
    """How many of so many bytes a value leaves; below 0, it is not looked at to its end."""
    size = _binary_size(value)
    if size is not None:
        return most - size
    if isinstance(value, (str, int, float)):
        return most
    for part in value.values() if isinstance(value, dict) else _parts(value):
        most = _rest(part, most)
        if most < 0:
            break
    return most


def _binary_size(value: Any) -> int | None:
    if isinstance(value, (bytes, bytearray)):
        return len(value)
    return value.nbytes if isinstance(value, memoryview) else None


def _parts(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    kind = type(value)
    for place in _FIELDS:
        fields = getattr(kind, place, None)
        if fields is not None:
            names = [getattr(field, "name", field) for field in fields]
            return [getattr(value, name, None) for name in names]
    return []
