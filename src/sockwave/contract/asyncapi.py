"""A contract as AsyncAPI 3.0, which other tools read: pages, generators, gateways.

Theory: a channel is a namespace, an operation an event in one direction; for the server `receive`
is what clients send. The payload of a message is the array that an event packet carries, without
the name: so a channel has one message for each event and direction, and one more for each
acknowledgement, which is the reply of the operation. AsyncAPI has no word for the `auth` of
Socket.IO, so its schema stands in the channel as an extension, `x-auth`, beside the security scheme
that says that there is one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sockwave.contract.description import FAILURE
from sockwave.contract.examples import example_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sockwave.contract.description import (
        Contract,
        EventContract,
        NamespaceContract,
        Schema,
    )

__all__ = ["to_asyncapi"]

_BRACED: Final = re.compile(r"\{(\w+)\}")
_NOT_A_KEY: Final = re.compile(r"[^A-Za-z0-9_\-]+")
_FAILURE_NAME: Final = "EventFailure"


def to_asyncapi(contract: Contract) -> dict[str, Any]:
    """The document of AsyncAPI 3.0 for a contract, as JSON values: always in the same order.

    A message's payload is the array of an event's arguments; one that may be left out is not in
    `minItems`, and may be null. A reply has the arguments of the acknowledgement, or the one of a
    failure. Schemas are those of JSON Schema draft 7, which AsyncAPI has: `prefixItems` becomes
    `items`.
    """
    names = _Keys()
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for namespace in contract.namespaces:
        key = names.of(namespace.name.strip("/") or "main")
        channel = _Channel(contract, namespace, key)
        channels[key] = channel.document(operations)
    document: dict[str, Any] = {
        "asyncapi": "3.0.0",
        "info": {"title": contract.title, "version": contract.version},
        "defaultContentType": "application/json",
        "servers": {"server": _server(contract)},
        "channels": channels,
        "operations": operations,
        "components": _components(contract),
    }
    if contract.description:
        document["info"]["description"] = contract.description
    return document


def _server(contract: Contract) -> dict[str, Any]:
    return {
        "host": "{host}",
        "pathname": contract.path,
        "protocol": "socketio",
        "protocolVersion": "5",
        "description": "Connect with a client of Socket.IO; `pathname` is its option `path`.",
        "variables": {"host": {"default": "localhost:3000", "description": "Host and port."}},
    }


def _components(contract: Contract) -> dict[str, Any]:
    schemas = {name: _adapted(each) for name, each in contract.models.items()}
    schemas.setdefault(_failure_name(contract.models), _adapted(FAILURE))
    components: dict[str, Any] = {"schemas": dict(sorted(schemas.items()))}
    if any(each.auth is not None for each in contract.namespaces):
        components["securitySchemes"] = {
            "auth": {
                "type": "userPassword",
                "description": (
                    "Clients connect with `auth`, an object that the channel describes as "
                    "`x-auth`: io(url, {auth: {...}})."
                ),
            }
        }
    return components


def _failure_name(models: Mapping[str, Schema]) -> str:
    """A class of the application may be called so."""
    name = _FAILURE_NAME
    while name in models:
        name = f"Socket{name}"
    return name


class _Keys:
    """Names that AsyncAPI takes as keys, each once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, name: str) -> str:
        """The key for a name."""
        key = free = _NOT_A_KEY.sub("_", name).strip("_") or "event"
        number = 1
        while free in self._taken:
            number += 1
            free = f"{key}_{number}"
        self._taken.add(free)
        return free


class _Channel:
    """The channel of a namespace, while it is made."""

    def __init__(self, contract: Contract, namespace: NamespaceContract, key: str) -> None:
        self._contract = contract
        self._namespace = namespace
        self._key = key
        self._keys = _Keys()
        self._messages: dict[str, Any] = {}

    def document(self, operations: dict[str, Any]) -> dict[str, Any]:
        """All of it; its operations come to the others."""
        namespace = self._namespace
        for action, events in (("receive", namespace.incoming), ("send", namespace.outgoing)):
            for event in events:
                self._event(event, action, operations)
        channel: dict[str, Any] = {
            "address": namespace.name,
            "title": f"Namespace {namespace.name}",
            "messages": self._messages,
        }
        if namespace.description:
            channel["description"] = namespace.description
        if namespace.parameters:
            if set(_BRACED.findall(namespace.name)) == set(namespace.parameters):
                channel["parameters"] = {
                    name: {"description": schema.get("description", "A part of the name.")}
                    for name, schema in namespace.parameters.items()
                }
            else:  # a pattern is no address
                channel["address"] = None
                channel["description"] = f"All names that fit the pattern {namespace.name}"
        if namespace.auth is not None:
            channel["x-auth"] = _adapted(namespace.auth)
        return channel

    def _event(self, event: EventContract, action: str, operations: dict[str, Any]) -> None:
        key = self._keys.of(f"{action}_{event.name}")
        self._messages[key] = self._message(event)
        operation: dict[str, Any] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{self._key}"},
            "title": event.name,
            "messages": [self._reference(key)],
        }
        if event.description:
            operation["summary"] = event.description.split("\n", 1)[0]
            operation["description"] = event.description
        if action == "receive" and self._namespace.auth is not None:
            operation["security"] = [{"$ref": "#/components/securitySchemes/auth"}]
        if event.answer is not None:
            answer = self._keys.of(f"answer_{event.name}")
            payload = _fixed([_adapted(each) for each in event.answer], len(event.answer))
            if action == "receive":
                failure = f"#/components/schemas/{_failure_name(self._contract.models)}"
                payload = {"anyOf": [payload, _fixed([{"$ref": failure}], 1)]}
            example = [example_of(each, self._contract.models) for each in event.answer]
            self._messages[answer] = {
                "name": event.name,
                "title": f"The acknowledgement of {event.name}",
                "contentType": "application/json",
                "payload": payload,
                "examples": [{"payload": example}],
            }
            operation["reply"] = {
                "channel": {"$ref": f"#/channels/{self._key}"},
                "messages": [self._reference(answer)],
            }
        operations[f"{self._key}.{key}"] = operation

    def _reference(self, key: str) -> dict[str, str]:
        return {"$ref": f"#/channels/{self._key}/messages/{key}"}

    def _message(self, event: EventContract) -> dict[str, Any]:
        models = self._contract.models
        example = [example_of(each.schema, models) for each in event.arguments]
        message: dict[str, Any] = {
            "name": event.name,
            "title": event.name,
            "contentType": "application/json",
            "payload": _arguments(event),
            "examples": [{"payload": example}],
        }
        if event.description:
            message["description"] = event.description
        return message


def _arguments(event: EventContract) -> Schema:
    items = []
    least = 0
    for at, each in enumerate(event.arguments):
        schema = _adapted(each.schema)
        if each.required:
            least = at + 1
        elif schema:
            schema = {"anyOf": [schema, {"type": "null"}]}
        titled = {"title": each.name, **schema}
        if "$ref" in schema:  # draft 7 looks at nothing beside a reference
            titled = {"title": each.name, "allOf": [schema]}
        items.append(titled)
    rest = None if event.rest is None else _adapted(event.rest)
    return _fixed(items, least, rest)


def _fixed(items: list[Schema], least: int, rest: Schema | None = None) -> Schema:
    """An array with a schema for each place, and for all further ones."""
    schema: Schema = {"type": "array", "minItems": least}
    if items:
        schema["items"] = items
        schema["additionalItems"] = False if rest is None else rest
    elif rest is not None:
        schema["items"] = rest
    if rest is None:
        schema["maxItems"] = len(items)
    return schema


_SCHEMAS_BY_NAME: Final = ("properties", "patternProperties", "$defs", "definitions")
_AS_IT_IS: Final = ("default", "enum", "const", "examples", "required", "example")


def _adapted(schema: Schema) -> Schema:
    """The same for draft 7, with references to where the models stand in the document."""
    made: Schema = {}
    for word, value in schema.items():
        if word == "$ref":
            made[word] = f"#/components/schemas/{value.rpartition('/')[2]}"
        elif word in _AS_IT_IS:
            made[word] = value
        elif word in _SCHEMAS_BY_NAME:
            made[word] = {name: _adapted(each) for name, each in value.items()}
        elif word == "prefixItems":
            made["items"] = [_adapted(each) for each in value]
        elif word == "items" and "prefixItems" in schema:
            made["additionalItems"] = _adapted(value) if isinstance(value, dict) else value
        elif isinstance(value, dict):
            made[word] = _adapted(value)
        elif isinstance(value, list):
            made[word] = [_adapted(each) if isinstance(each, dict) else each for each in value]
        else:
            made[word] = value
    if "$ref" in made and len(made) > 1:  # draft 7 looks at nothing beside a reference
        made["allOf"] = [{"$ref": made.pop("$ref")}]
    return made
