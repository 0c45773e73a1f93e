"""A contract as TypeScript: what the stock client takes as `Socket<ServerToClientEvents, ...>`.

Theory: the types of the stock client read the parameters of an event's function. `emit` takes all
of them; `emitWithAck` takes all but the last, and its result is the first argument of the last. An
acknowledgement that may be left out (`ack?:`) makes `emitWithAck` untyped, so an event that answers
has one that may not; `EmitWithoutAck` types `emit` of the same event without. An event that answers
nothing has both forms, as a union of its parameters. So has one with arguments that may be left
out: JavaScript then sends fewer, and the acknowledgement is the last all the same.

Bytes have two types: what the stock client takes is wide, what it hands over is one of two. A model
with bytes inside has their type as a parameter.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sockwave.contract.description import FAILURE
from sockwave.contract.schema_parts import (
    free_name,
    holders_of_bytes,
    line_of,
    model_names,
    namespace_prefixes,
    title_of,
    variants_of,
)
from sockwave.contract.typescript_types import Types, comment, literal, notes_of, property_name

if TYPE_CHECKING:
    from sockwave.contract.description import (
        Contract,
        EventContract,
        NamespaceContract,
        Schema,
    )

__all__ = ["to_typescript"]

_SENT: Final = "SentBytes"
_RECEIVED: Final = "ReceivedBytes"

_TYPES_OF_BYTES: Final = f"""\
/** Bytes, as the client takes them; the last one is a `Blob` or `File`. */
export type {_SENT} =
  | ArrayBuffer
  | ArrayBufferView
  | {{ readonly size: number; readonly type: string; arrayBuffer(): Promise<ArrayBuffer> }};

/** Bytes, as the client hands them over: `ArrayBuffer` in browsers, `Buffer` in Node. */
export type {_RECEIVED} = ArrayBuffer | Uint8Array;"""

_RESERVED_WORDS: Final = frozenset(
    "arguments await break case catch class const continue debugger default delete do else enum "
    "eval export extends false finally for function if implements import in instanceof interface "
    "let new null package private protected public return static super switch this throw true try "
    "typeof var void while with yield".split()
)

_GLOBALS: Final = ("Array", "ArrayBuffer", "ArrayBufferView", "Promise", "Uint8Array")
_BUILT_IN: Final = (
    "any bigint boolean never null number object string symbol undefined unknown void".split()
)


def to_typescript(contract: Contract) -> str:
    """Interfaces for the stock JavaScript client: the same contract gives the same text.

    For the namespace `/` there are `ServerToClientEvents`, `ClientToServerEvents` and, for `emit`
    without an acknowledgement of events that answer, `EmitWithoutAck`; for `/orders` the same with
    `Orders` before it. With an `auth` there is `Auth`. A model is an interface of its name.

    The types are never narrower than the schemas. Where they are wider, comments say so.
    """
    return _File(contract).text()


class _File:
    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._holders = holders_of_bytes(contract)
        self._prefixes = namespace_prefixes(contract)
        reserved = {"EventFailure", _SENT, _RECEIVED, *_RESERVED_WORDS, *_GLOBALS, *_BUILT_IN}
        for prefix in self._prefixes.values():
            reserved |= {prefix + name for name in _NAMES_OF_NAMESPACES}
        self._names = model_names(contract, reserved)
        self._types = Types(self._names, self._holders)

    def text(self) -> str:
        contract = self._contract
        head = [f"{title_of(contract)}: what the server says and hears at {contract.path}."]
        if contract.description:
            head += ["", contract.description]
        head += ["", "Written by `sockwave contract typescript`: change the server instead."]
        blocks = ["\n".join(comment(head))]
        blocks += [self._model(name, schema) for name, schema in contract.models.items()]
        blocks.append(self._declared("EventFailure", FAILURE, ""))
        for namespace in contract.namespaces:
            blocks += self._namespace(namespace)
        text = "\n\n".join(blocks)
        if _SENT in text or _RECEIVED in text:
            blocks.insert(1, _TYPES_OF_BYTES)
        return "\n\n".join(blocks) + "\n"

    # --- models -----------------------------------------------------------------------------------

    def _model(self, name: str, schema: Schema) -> str:
        parameter = f"<Bytes = {_SENT}>" if name in self._holders else ""
        return self._declared(self._names[name], schema, parameter)

    def _declared(self, name: str, schema: Schema, parameter: str) -> str:
        notes = "\n".join(comment(notes_of(schema)))
        type_ = self._types.of(schema, "Bytes")
        if type_.startswith("{\n") and type_.index("\n}") == len(type_) - 2:
            text = f"export interface {name}{parameter} {type_}"
        else:
            text = f"export type {name}{parameter} = {type_};"
        return f"{notes}\n{text}" if notes else text

    # --- namespaces -------------------------------------------------------------------------------

    def _namespace(self, namespace: NamespaceContract) -> list[str]:
        prefix = self._prefixes[namespace.name]
        about = f"`{namespace.name}`"
        if namespace.parameters:
            parts = [
                f"`{name}` is {line_of(self._types.of(schema, _SENT))}"
                for name, schema in namespace.parameters.items()
            ]
            about += f", where {', '.join(parts)}"
        blocks = []
        if namespace.auth is not None:
            notes = [f"What `auth` is for {about}.", *notes_of(namespace.auth)]
            type_ = self._types.of(namespace.auth, _SENT)
            blocks.append("\n".join([*comment(notes), f"export type {prefix}Auth = {type_};"]))
        outgoing = [_Event(each, self._types) for each in namespace.outgoing]
        incoming = [_Event(each, self._types) for each in namespace.incoming]
        described = [namespace.description] if namespace.description else []
        blocks.append(
            _interface(
                f"{prefix}ServerToClientEvents",
                [f"Events that the server sends in {about}.", *described],
                [line for each in outgoing for line in each.heard()],
            )
        )
        blocks.append(
            _interface(
                f"{prefix}ClientToServerEvents",
                [f"Events that clients send in {about}."],
                [line for each in incoming for line in each.sent()],
            )
        )
        answering = [line for each in incoming for line in each.sent_without_ack()]
        if answering:
            maps = f"{prefix}ServerToClientEvents, {prefix}ClientToServerEvents"
            notes = [
                "For `emit` without an acknowledgement of an event that answers:",
                f"`Socket<{maps}> & {prefix}EmitWithoutAck`.",
            ]
            blocks.append(_interface(f"{prefix}EmitWithoutAck", notes, answering))
        return blocks


_NAMES_OF_NAMESPACES: Final = (
    "ServerToClientEvents",
    "ClientToServerEvents",
    "EmitWithoutAck",
    "Auth",
)


def _interface(name: str, notes: list[str], lines: list[str]) -> str:
    if not lines:
        return "\n".join([*comment(notes), f"export type {name} = Record<never, never>;"])
    return "\n".join([*comment(notes), f"export interface {name} {{", *lines, "}"])


class _Event:
    """One event as a property of a map, or as an overload of `emit`."""

    def __init__(self, event: EventContract, types: Types) -> None:
        self._event = event
        self._types = types
        taken: list[str] = ["ack"]
        for argument in event.arguments:
            taken.append(free_name(_parameter_name(argument.name), taken))
        self._names = taken[1:]
        self._rest = free_name("rest", taken)

    def sent(self) -> list[str]:
        """In the map of what clients send."""
        answer = self._event.answer
        binary = _SENT
        if answer:
            received = [self._type(each, _RECEIVED) for each in answer]
            more = "".join(f", answer{n}?: {t}" for n, t in enumerate(received[1:], 2))
            ack = f"ack: (answer: {_joined(received[0], 'EventFailure')}{more}) => void"
            forms = [[*form, ack] for form in self._forms(binary)]
        else:
            ack = "ack: (failure?: EventFailure) => void"
            if answer is None:
                ack = "ack: (...answer: any[]) => void"
            plain = self._forms(binary)
            forms = [*plain, *([*form, ack] for form in plain)]
        return [*self._comment(), f"  {property_name(self._event.name)}: {_function(forms)};"]

    def sent_without_ack(self) -> list[str]:
        """As an overload of `emit`; none where the map has it."""
        if not self._event.answer:
            return []
        event = self._event
        parameters = [f"event: {literal(event.name)}"]
        for name, argument in zip(self._names, event.arguments, strict=True):
            type_ = self._type(argument.schema, _SENT)
            if argument.required:
                parameters.append(f"{name}: {type_}")
            else:
                parameters.append(f"{name}?: {_joined(type_, 'null')}")
        if any("?:" in each for each in parameters):
            forms = self._forms(_SENT)
            union = " | ".join(f"[{', '.join(form)}]" for form in forms)
            return [f"  emit({parameters[0]}, ...args: {union}): this;"]
        if event.rest is not None:
            parameters.append(f"...{self._rest}: {_list_of(self._type(event.rest, _SENT))}")
        return [f"  emit({', '.join(parameters)}): this;"]

    def heard(self) -> list[str]:
        """In the map of what the server sends."""
        answer = self._event.answer
        forms = self._forms(_RECEIVED, is_sent=False)
        if answer is None:
            required = len(forms[0])
            forms = [[*forms[0], *(_optional(each) for each in forms[-1][required:])]]
        else:
            named = [f"answer{number or ''}" for number in range(len(answer))]
            types = [self._type(each, _SENT) for each in answer]
            pairs = [f"{name}: {type_}" for name, type_ in zip(named, types, strict=True)]
            forms = [[*form, f"ack: ({', '.join(pairs)}) => void"] for form in forms]
        return [*self._comment(), f"  {property_name(self._event.name)}: {_function(forms)};"]

    def _forms(self, binary: str, *, is_sent: bool = True) -> list[list[str]]:
        """The parameters, for each number of arguments that the event may come with."""
        event = self._event
        pairs = []
        for name, argument in zip(self._names, event.arguments, strict=True):
            type_ = self._type(argument.schema, binary)
            if is_sent and not argument.required:
                type_ = _joined(type_, "null", "undefined")
            pairs.append(f"{name}: {type_}")
        forms = [pairs[:number] for number in variants_of(event)]
        if event.rest is not None:
            forms[-1].append(f"...{self._rest}: {_list_of(self._type(event.rest, binary))}")
        return forms

    def _type(self, schema: Schema, binary: str) -> str:
        return self._types.of(schema, binary, "  ")

    def _comment(self) -> list[str]:
        event = self._event
        notes = [event.description] if event.description else []
        for name, argument in zip(self._names, event.arguments, strict=True):
            notes += [f"@param {name} {line_of(note)}" for note in notes_of(argument.schema)]
        for note in notes_of(event.rest):
            notes.append(f"@param {self._rest} {line_of(note)}")
        for answer in event.answer or ():
            notes += [f"@returns {line_of(note)}" for note in notes_of(answer)]
        return comment(notes, "  ")


def _function(forms: list[list[str]]) -> str:
    """A function of each of the forms; the client's types read a union of parameters as well."""
    if len(forms) == 1:
        if not any(each.startswith("...") for each in forms[0][:-1]):
            return f"({', '.join(forms[0])}) => void"
        return f"(...args: [{', '.join(forms[0])}]) => void"
    union = "".join(f"\n      | [{', '.join(form)}]" for form in forms)
    return f"(\n    ...args:{union}\n  ) => void"


def _optional(parameter: str) -> str:
    return parameter if parameter.startswith("...") else parameter.replace(":", "?:", 1)


def _joined(type_: str, *others: str) -> str:
    """A union with what is not in it yet."""
    if type_ == "unknown":
        return type_
    members = type_.split(" | ")
    return " | ".join([type_, *(each for each in others if each not in members)])


def _list_of(type_: str) -> str:
    return f"Array<{type_}>"


def _parameter_name(name: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_$]", "_", name) or "value"
    if name[0].isdigit() or name in _RESERVED_WORDS:
        name = f"_{name}"
    return name
