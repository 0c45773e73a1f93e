"""Typed handlers: what their annotations say is checked when an event comes, and told to others.

The server reaches it as an extension, for the first handler that has annotations; a program without
them does not import it. What tells of it is imported when it is asked for.

    handlers.py      the wrapping of a handler; plans are kept by the handler's code
    plans.py         what is checked of a call, made once
    checks.py        one type: from a value as it came to one of the type
    results.py       what a handler returns, as values for the wire
    model_unions.py  unions of Pydantic that are slow to tell apart: refused
    params.py        parts of the name of a namespace, for handlers that ask for them
    annotations.py   what a handler's signature says, names resolved
    description.py   what a server says and hears, as data: what every export is made of
    typescript.py    a contract as TypeScript for the stock client; typescript_types.py its types
    python.py        a contract as a typed client for Python; python_types.py its annotations
    schema_parts.py  names, references and bounds, for both
    describing.py    the same, found out from a server
    schemas.py       JSON Schemas of types
    asyncapi.py      as AsyncAPI 3.0
    examples.py      a value for a schema
    comparing.py     what a newer contract changes for clients of an older one
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sockwave.contract.asyncapi import to_asyncapi
    from sockwave.contract.comparing import Change, compare
    from sockwave.contract.describing import Auth, describe
    from sockwave.contract.description import (
        Argument,
        Contract,
        EventContract,
        NamespaceContract,
        from_document,
        to_document,
    )
    from sockwave.contract.python import to_python
    from sockwave.contract.typescript import to_typescript

__all__ = [
    "Argument",
    "Auth",
    "Change",
    "Contract",
    "EventContract",
    "NamespaceContract",
    "compare",
    "describe",
    "from_document",
    "to_asyncapi",
    "to_document",
    "to_python",
    "to_typescript",
]

_MODULES: Final = {
    "Argument": "description",
    "Auth": "describing",
    "Change": "comparing",
    "Contract": "description",
    "EventContract": "description",
    "NamespaceContract": "description",
    "compare": "comparing",
    "describe": "describing",
    "from_document": "description",
    "to_asyncapi": "asyncapi",
    "to_document": "description",
    "to_python": "python",
    "to_typescript": "typescript",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
