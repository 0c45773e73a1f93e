"""Models of Pydantic, which check themselves; Pydantic is imported by whoever has made one."""

from __future__ import annotations

import sys
from typing import Any

from sockwave.contract.model_unions import slow_union_of
from sockwave.errors import InvalidEvent

__all__ = ["ModelFault", "from_model", "is_model", "is_slow_model", "to_model"]


class ModelFault(InvalidEvent, ValueError):
    """What a model does not admit; a ValueError, so that msgspec adds where the model stands."""


def is_model(cls: Any) -> bool:
    """Whether a class is one of Pydantic's models."""
    pydantic = sys.modules.get("pydantic")  # not imported, it has no models
    return pydantic is not None and isinstance(cls, type) and issubclass(cls, pydantic.BaseModel)


def is_slow_model(cls: Any) -> bool:
    """Whether a payload could make a model slow to check.

    Raises:
        NameError: An annotation of it, or of one inside, cannot be resolved.
    """
    cls.model_rebuild()  # where it names a class that was not there yet
    return slow_union_of(cls.__pydantic_core_schema__)


def to_model(cls: Any, value: Any) -> Any:
    """Make a model of a value as it came, by the rules of the model.

    Raises:
        ModelFault: The first thing that it does not admit.
    """
    if not is_model(cls):
        raise NotImplementedError  # it was refused when the handler was registered
    try:
        return cls.model_validate(value)
    except sys.modules["pydantic"].ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        path = "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"]
        )
        raise ModelFault(f"${path}", fault["msg"]) from None


def from_model(value: Any) -> Any:
    """The fields of a model.

    Raises:
        TypeError: It is none.
    """
    if not is_model(type(value)):
        raise TypeError(f"nothing is known of how a {type(value).__qualname__} goes into JSON")
    return value.model_dump(by_alias=True)
