"""A contract as a module of Python: models, and typed views of a client and of what emits.

Theory: a view holds the untyped object, and its methods have one overload for each event, told
apart by the `Literal` of its name; at run time there is one method. Models are TypedDicts: values
are what travels, nothing is converted.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sockwave.contract.python_types import annotation, text_literal, union
from sockwave.contract.schema_parts import (
    free_name,
    model_names,
    namespace_prefixes,
    title_of,
    variants_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sockwave.contract.description import (
        Contract,
        EventContract,
        NamespaceContract,
        Schema,
    )

__all__ = ["to_python"]

_RETURNS: Final = "{returns}"
_WAITING: Final = "await self.socket.emit_with_ack(event, *args, timeout=timeout)"

WIDTH: Final = 100
"""Of a line."""

_TYPING: Final = (
    "TYPE_CHECKING",
    "Any",
    "Literal",
    "NotRequired",
    "TypeAlias",
    "TypedDict",
    "overload",
)
_OWN: Final = ("Client", "Emits", "Auth")
_TAKEN: Final = (
    *("AsyncIterator", "Awaitable", "Callable", "ClientSocket", "TypeVar"),
    *("R", "raise_failure"),
    *("bool", "bytes", "dict", "float", "int", "list", "object", "str"),
)


def to_python(contract: Contract) -> str:
    """A typed client module: the same contract gives the same text.

    For the namespace `/` there are `Client`, around a `ClientSocket`, and `Emits`, around what a
    server emits through (itself, a namespace, a socket, `io.to("room")`); for `/orders` the same
    with `Orders` before it. Models are TypedDicts, `Auth` is what clients connect with.
    """
    return _Module(contract).text()


@dataclass(frozen=True, slots=True)
class _Overload:
    """One signature of a method.

    Attributes:
        parameters: With annotations, without `self`.
        returns: What it gives.
        about: The first line of what the event is described as.
    """

    parameters: tuple[str, ...]
    returns: str
    about: str = ""


class _Module:
    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._prefixes = namespace_prefixes(contract)
        own = {prefix + name for prefix in self._prefixes.values() for name in _OWN}
        self._names = model_names(contract, {*own, *_TYPING, *_TAKEN, *keyword.kwlist})

    def text(self) -> str:
        contract = self._contract
        classes = [self._model(self._names[name], each) for name, each in contract.models.items()]
        for namespace in contract.namespaces:
            classes += _Namespace(namespace, self._prefixes[namespace.name], self._names).blocks()
        body = "\n\n\n".join(classes)
        head = [f"{title_of(contract)}: what the server says and hears at {contract.path}."]
        if contract.description:
            head += ["", contract.description]
        head += ["", "Written by `sockwave contract python`: change the server instead."]
        lines = [*_docstring("\n".join(head), ""), "", "from __future__ import annotations", ""]
        if re.search(r"\bR\b", body):
            body = f'R = TypeVar("R")\n\n\n{body}'
            return "\n".join([*lines, *_imports(body)]) + f"\n\n{body}\n"
        return "\n".join([*lines, *_imports(body)]) + (f"\n\n\n{body}\n" if body else "\n")

    def _model(self, name: str, schema: Schema) -> str:
        properties = schema.get("properties")
        if schema.get("type") != "object" or not properties:
            type_ = annotation(schema, self._names)
            comments = _comments(schema.get("description", ""))
            is_early = any(re.search(rf"\b{each}\b", type_) for each in self._names.values())
            value = text_literal(type_) if is_early else type_
            return "\n".join([*comments, _assigned(f"{name}: TypeAlias", value)])
        required = schema.get("required", ())
        fields = {}
        for field, each in properties.items():
            type_ = annotation(each, self._names)
            fields[field] = type_ if field in required else f"NotRequired[{type_}]"
        if not all(map(self._is_plain, fields)):
            return self._functional(name, schema, fields)
        lines = [f"class {name}(TypedDict):"]
        if schema.get("description"):
            lines += [*_docstring(schema["description"], "    "), ""]
        for field, type_ in fields.items():
            lines += _field(f"{field}: {type_}", properties[field])
        return "\n".join(lines)

    def _is_plain(self, field: str) -> bool:
        """Whether it can stand in a class: no other name, and none that annotations need."""
        if not field.isidentifier() or keyword.iskeyword(field) or field.startswith("__"):
            return False
        return field not in (*_TYPING, *_TAKEN, *self._names.values())

    def _functional(self, name: str, schema: Schema, fields: Mapping[str, str]) -> str:
        """Of names that are no identifiers; its annotations are read when it is imported."""
        lines = [*_comments(schema.get("description", "")), f"{name} = TypedDict("]
        lines += [f"    {text_literal(name)},", "    {"]
        for field, type_ in fields.items():
            optional = re.fullmatch(r"NotRequired\[(.*)\]", type_)
            quoted = (
                f"NotRequired[{text_literal(optional[1])}]" if optional else text_literal(type_)
            )
            lines.append(f"        {text_literal(field)}: {quoted},")
        return "\n".join([*lines, "    },", ")"])


class _Namespace:
    """Writes the classes of one namespace."""

    def __init__(self, namespace: NamespaceContract, prefix: str, names: Mapping[str, str]) -> None:
        self._namespace = namespace
        self._prefix = prefix
        self._names = names

    def blocks(self) -> list[str]:
        """Its classes, and an alias where `auth` is known."""
        namespace = self._namespace
        blocks = []
        if namespace.auth is not None:
            type_ = annotation(namespace.auth, self._names)
            blocks.append(_assigned(f"{self._prefix}Auth: TypeAlias", text_literal(type_)))
        return [*blocks, self._client(), *([self._emits()] if namespace.outgoing else [])]

    def _client(self) -> str:
        about = f"Namespace `{self._namespace.name}`, as a client has it."
        if self._namespace.description:
            about += f"\n\n{self._namespace.description}"
        about += "\n\nAttributes:\n    socket: For everything else."
        lines = [f"class {self._prefix}Client:", *_docstring(about, "    "), ""]
        lines += _constructor("socket", "ClientSocket")
        if self._namespace.incoming:
            lines += self._sending()
        if self._namespace.outgoing:
            lines += self._hearing()
        return "\n".join(lines)

    def _sending(self) -> list[str]:
        incoming = self._namespace.incoming
        waits = "timeout: float | None = None"
        return [
            *_method(
                [self._sent(each, with_ack=False) for each in incoming],
                _Overload(("event: str", "/", "*args: Any"), "None"),
                "def emit",
                ["self.socket.emit(event, *args)"],
                "Send an event; it is queued.",
            ),
            *_method(
                [self._sent(each, with_ack=True) for each in incoming],
                _Overload(("event: str", "/", "*args: Any", waits), "Any"),
                "async def emit_with_ack",
                [
                    f"answer: {_RETURNS} = {_WAITING}",
                    "return raise_failure(answer)",
                ],
                "Send an event and wait for its answer; raises `EventError` for a failure.",
            ),
        ]

    def _hearing(self) -> list[str]:
        outgoing = self._namespace.outgoing
        general = _Overload(("event: str", "/"), "Any")
        lines: list[str] = []
        for verb, about in (("on", "Handle an event"), ("once", "Handle an event once")):
            lines += _method(
                [self._heard(each) for each in outgoing],
                general,
                f"def {verb}",
                [f"return self.socket.{verb}(event)"],
                f'{about}: a decorator, as in `@client.{verb}("...")`.',
            )
        return lines + _method(
            [self._streamed(each) for each in outgoing],
            general,
            "def events",
            ["return self.socket.events(event)"],
            "Iterate over the arguments of an event.",
        )

    def _emits(self) -> str:
        about = (
            f"Namespace `{self._namespace.name}`, as its server sends in it.\n\n"
            "Attributes:\n"
            '    target: A server, a namespace, a socket, or what `to("room")` of them gives.'
        )
        lines = [f"class {self._prefix}Emits:", *_docstring(about, "    "), ""]
        lines += _constructor("target", "Any")
        lines += _method(
            [self._said(each) for each in self._namespace.outgoing],
            _Overload(("event: str", "/", "*args: Any"), "None"),
            "def emit",
            ["self.target.emit(event, *args)"],
            "Send an event; it is queued.",
        )
        return "\n".join(lines)

    # --- methods ----------------------------------------------------------------------------------

    def _sent(self, event: EventContract, *, with_ack: bool) -> list[_Overload]:
        """What a client sends."""
        answer = event.answer
        returns = "None"
        if with_ack and answer != ():
            types = [annotation(each, self._names) for each in answer or ({},)]
            returns = types[0] if len(types) == 1 else f"tuple[{', '.join(types)}]"
        return [
            _Overload(
                tuple(self._parameters(event, number, with_ack=with_ack)), returns, _first(event)
            )
            for number in variants_of(event)
        ]

    def _said(self, event: EventContract) -> list[_Overload]:
        """What a server sends."""
        return [
            _Overload(tuple(self._parameters(event, number, with_ack=False)), "None", _first(event))
            for number in variants_of(event)
        ]

    def _parameters(self, event: EventContract, number: int, *, with_ack: bool) -> list[str]:
        parameters = [_event_parameter(event)]
        taken = ["self", "event", "timeout", "answer", "rest", *keyword.kwlist]
        for argument in event.arguments[:number]:
            name = free_name(_parameter_name(argument.name), taken)
            taken.append(name)
            type_ = annotation(argument.schema, self._names)
            parameters.append(f"{name}: {type_ if argument.required else union(type_, 'None')}")
        parameters.append("/")
        if event.rest is not None and number == len(event.arguments):
            parameters.append(f"*rest: {annotation(event.rest, self._names)}")
        elif with_ack:
            parameters.append("*")
        if with_ack:
            parameters.append("timeout: float | None = None")
        return parameters

    def _heard(self, event: EventContract) -> list[_Overload]:
        """How a client registers a handler."""
        types = [annotation(each.schema, self._names) for each in event.arguments]
        counted = len(variants_of(event)) == 1 and event.rest is None
        arguments = f"[{', '.join(types)}]" if counted else "..."
        result = "R"
        if event.answer is not None:
            answers = [annotation(each, self._names) for each in event.answer]
            result = f"tuple[{', '.join(answers)}]" if len(answers) > 1 else "".join(answers)
            result = result or "None"
            result = union(f"Awaitable[{result}]", result)
        handler = f"Callable[{arguments}, {result}]"
        returns = f"Callable[[{handler}], {handler}]"
        return [_Overload((_event_parameter(event), "/"), returns, _first(event))]

    def _streamed(self, event: EventContract) -> list[_Overload]:
        types = [annotation(each.schema, self._names) for each in event.arguments]
        forms = []
        for number in variants_of(event):
            parts = types[:number]
            if event.rest is not None and number == len(types):
                parts.append(f"*tuple[{annotation(event.rest, self._names)}, ...]")
            forms.append(f"tuple[{', '.join(parts) or '()'}]")
        returns = f"AsyncIterator[{union(*forms)}]"
        return [_Overload((_event_parameter(event), "/"), returns, _first(event))]


def _method(
    overloads: list[list[_Overload]], general: _Overload, head: str, body: list[str], about: str
) -> list[str]:
    """Overloads and the one that runs; a single signature is the one that runs.

    Args:
        general: Of the one that runs.
        head: Such as `async def emit_with_ack`.
        body: With `event, *args` where the arguments go.
    """
    every = [each for one in overloads for each in one]
    lines: list[str] = []
    running = general
    if len(every) == 1:
        running = every[0]
    else:
        for each in every:
            lines += ["", *_about(each), "    @overload", *_signature(head, each, " ...")]
    lines += ["", *_about(running), *_signature(head, running, "")]
    lines += _docstring(about, "        ")
    arguments = [each.split(":")[0] for each in running.parameters if each not in ("/", "*")]
    call = ", ".join(each for each in arguments if each != "timeout")
    for line in body:
        text = line.replace("event, *args", call).replace(_RETURNS, running.returns)
        lines.append(f"        {text}")
    return lines


def _about(overload: _Overload) -> list[str]:
    return [f"    # {overload.about}"] if overload.about else []


def _signature(head: str, overload: _Overload, end: str) -> list[str]:
    parameters = ("self", *overload.parameters)
    line = f"    {head}({', '.join(parameters)}) -> {overload.returns}:{end}"
    if len(line) <= WIDTH:
        return [line]
    inner = [f"        {each}," for each in parameters]
    return [f"    {head}(", *inner, *_returns(overload.returns, end)]


def _returns(returns: str, end: str) -> list[str]:
    """The last line of a signature, or the lines that a formatter makes of it."""
    line = f"    ) -> {returns}:{end}"
    decorator = re.fullmatch(r"Callable\[\[(.*)\], \1\]", returns)
    if len(line) <= WIDTH or decorator is None:
        return [line]
    handler = decorator[1]
    inner = f"        [{handler}], {handler}"
    lines = [inner] if len(inner) <= WIDTH else [f"        [{handler}],", f"        {handler},"]
    return ["    ) -> Callable[", *lines, f"    ]:{end}"]


def _constructor(name: str, type_: str) -> list[str]:
    return [
        f'    __slots__ = ("{name}",)',
        "",
        f"    def __init__(self, {name}: {type_}) -> None:",
        f"        self.{name} = {name}",
    ]


def _first(event: EventContract) -> str:
    return next(iter(event.description.strip().splitlines()), "")


def _event_parameter(event: EventContract) -> str:
    return f"event: Literal[{text_literal(event.name)}]"


def _parameter_name(name: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_]", "_", name).strip("_") or "value"
    return f"a{name}" if name[0].isdigit() else name


def _imports(body: str) -> list[str]:
    """Of what the text uses; what only annotations name is imported for those who check them."""

    def line(module: str, *names: str) -> list[str]:
        used = [name for name in names if re.search(rf"\b{name}\b", body)]
        used.sort(key=lambda name: (not name.isupper(), name[0].islower(), name.lower()))
        return [f"from {module} import {', '.join(used)}"] if used else []

    groups = [
        line("collections.abc", "AsyncIterator", "Awaitable", "Callable"),
        line("sockwave", "ClientSocket"),
    ]
    checked = _grouped(groups, "    ")
    if checked:
        body += "TYPE_CHECKING"
        checked = ["", "if TYPE_CHECKING:", *checked]
    typing = line("typing", *_TYPING, "TypeVar")
    return [*_grouped([typing, line("sockwave", "raise_failure")], ""), *checked]


def _grouped(groups: list[list[str]], indent: str) -> list[str]:
    """Lines, with an empty one between the groups."""
    lines: list[str] = []
    for group in groups:
        if lines and group:
            lines.append("")
        lines += [indent + each for each in group]
    return lines


def _docstring(text: str, indent: str) -> list[str]:
    text = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"').strip()
    first, *others = text.splitlines() or [""]
    if not others:
        space = " " if first.endswith('"') else ""
        return [f'{indent}"""{first}{space}"""']
    inner = [f"{indent}{each}".rstrip() for each in others]
    return [f'{indent}"""{first.rstrip()}', *inner, f'{indent}"""']


def _comments(text: str) -> list[str]:
    return [f"# {each}".rstrip() for each in text.splitlines()]


def _field(line: str, schema: Schema) -> list[str]:
    text = schema.get("description", "")
    return [f"    {line}", *(_docstring(text, "    ") if text else ())]


def _assigned(name: str, value: str) -> str:
    line = f"{name} = {value}"
    if len(line) <= WIDTH or not value.startswith("Literal[") or " | " in value:
        return line
    values = re.findall(r'"(?:[^"\\]|\\.)*"|[^\s,]+', value[8:-1])
    inner = [f"    {each}," for each in values]
    return "\n".join([f"{name} = Literal[", *inner, "]"])
