"""What a server says and hears, as data: what every export is made of.

Types are JSON Schemas (2020-12). A class stands once in `Contract.models`, under its name, and is
referred to by `{"$ref": "#/models/<name>"}`. Bytes, which travel as attachments, are
`{"type": "string", "format": "binary"}`; a type of which nothing is known is `{}`.

The document (`to_document`, `from_document`) is what `sockwave contract json` writes, and what
`sockwave contract check` compares with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

__all__ = [
    "FAILURE",
    "FORMAT",
    "Argument",
    "Contract",
    "EventContract",
    "NamespaceContract",
    "Schema",
    "from_document",
    "to_document",
]

Schema: TypeAlias = dict[str, Any]
"""A JSON Schema."""

FORMAT: Final = 1
"""Of the document; another number is another form."""

FAILURE: Final[Schema] = {
    "title": "EventFailure",
    "description": "The acknowledgement of an event that was refused, or that has failed.",
    "type": "object",
    "properties": {
        "error": {"type": "string", "description": "A code, such as `validation`."},
        "message": {"type": "string"},
        "data": {},
        "event": {"type": "string"},
        "path": {"type": "string", "description": "Of a validation: where, `$` is the argument."},
        "reason": {"type": "string"},
    },
    "required": ["error"],
}
"""What a handler that was asked for an acknowledgement answers instead of its own."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One of an event.

    Attributes:
        name: Of the parameter of the handler, or of the declaration.
        schema: Of its values.
        required: Whether it may not be left out.
    """

    name: str
    schema: Schema
    required: bool = True


@dataclass(frozen=True, slots=True)
class EventContract:
    """An event, in one direction.

    Attributes:
        name: Of the event.
        arguments: In order.
        rest: Of each further one; None where there may be none.
        answer: The arguments of its acknowledgement, nearly always one; None where nothing is said
            of it, empty where it has none.
        description: For people, from the docstring.
        place: File and line, for messages; not in the document.
    """

    name: str
    arguments: tuple[Argument, ...] = ()
    rest: Schema | None = None
    answer: tuple[Schema, ...] | None = None
    description: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class NamespaceContract:
    """A namespace, or all those of a pattern such as `/org/{org_id}`.

    Attributes:
        name: Of it.
        parameters: Of each part in braces.
        incoming: Events that clients send, by name.
        outgoing: Events that the server sends, by name.
        auth: Of the `auth` that clients connect with; None where nothing is said of it.
        description: For people.
    """

    name: str
    parameters: dict[str, Schema] = field(default_factory=dict)
    incoming: tuple[EventContract, ...] = ()
    outgoing: tuple[EventContract, ...] = ()
    auth: Schema | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Contract:
    """What a server says and hears.

    Attributes:
        title: Of the application.
        version: Of the application.
        path: Where clients connect, as the option `path`.
        namespaces: By name.
        models: Schemas of classes, by name.
        description: For people.
    """

    title: str
    version: str
    path: str = "/socket.io"
    namespaces: tuple[NamespaceContract, ...] = ()
    models: dict[str, Schema] = field(default_factory=dict)
    description: str = ""


def to_document(contract: Contract) -> dict[str, Any]:
    """JSON values for a contract: the same contract gives the same ones, in the same order."""
    return {
        "sockwave": FORMAT,
        "title": contract.title,
        "version": contract.version,
        "description": contract.description,
        "path": contract.path,
        "namespaces": {each.name: _namespace(each) for each in contract.namespaces},
        "models": dict(contract.models),
    }


def _namespace(namespace: NamespaceContract) -> dict[str, Any]:
    return {
        "description": namespace.description,
        "parameters": dict(namespace.parameters),
        "auth": namespace.auth,
        "incoming": {each.name: _event(each) for each in namespace.incoming},
        "outgoing": {each.name: _event(each) for each in namespace.outgoing},
    }


def _event(event: EventContract) -> dict[str, Any]:
    return {
        "description": event.description,
        "arguments": [
            {"name": each.name, "schema": each.schema, "required": each.required}
            for each in event.arguments
        ],
        "rest": event.rest,
        "answer": None if event.answer is None else list(event.answer),
    }


def from_document(document: Any) -> Contract:
    """The contract of a document.

    Raises:
        ValueError: It is none, or one of another form; the text says which.
    """
    if not isinstance(document, dict) or "sockwave" not in document:
        raise ValueError("this is no contract: write one with `sockwave contract json module:io`")
    if document["sockwave"] != FORMAT:
        raise ValueError(
            f"this contract has form {document['sockwave']!r}, and this version of sockwave reads "
            f"{FORMAT}: write it anew with `sockwave contract json module:io`"
        )
    try:
        return Contract(
            title=document["title"],
            version=document["version"],
            path=document["path"],
            description=document["description"],
            models={name: _schema(each) for name, each in document["models"].items()},
            namespaces=tuple(
                NamespaceContract(
                    name=name,
                    parameters={part: _schema(it) for part, it in each["parameters"].items()},
                    incoming=_events(each["incoming"]),
                    outgoing=_events(each["outgoing"]),
                    auth=None if each["auth"] is None else _schema(each["auth"]),
                    description=each["description"],
                )
                for name, each in document["namespaces"].items()
            ),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"this contract lacks something, or was changed by hand: {error}"
        ) from None


def _schema(value: Any) -> Schema:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is no schema")
    return value


def _events(events: dict[str, Any]) -> tuple[EventContract, ...]:
    return tuple(
        EventContract(
            name=name,
            arguments=tuple(
                Argument(one["name"], _schema(one["schema"]), one["required"])
                for one in each["arguments"]
            ),
            rest=None if each["rest"] is None else _schema(each["rest"]),
            answer=None if each["answer"] is None else tuple(map(_schema, each["answer"])),
            description=each["description"],
        )
        for name, each in events.items()
    )
