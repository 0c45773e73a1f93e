"""What a newer contract changes for those who were written for an older one.

Theory: clients of the older contract stay as they are. What they send must still be admitted, so
the schemas of what comes in may become wider; what they get must still be what they know, so those
of what goes out, answers among it, may become narrower. One function says whether all values of one
schema are values of another, and is asked in one direction or in the other. Where it cannot know,
as of two patterns, it says no: then somebody looks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sockwave.contract.description import (
        Contract,
        EventContract,
        NamespaceContract,
        Schema,
    )

__all__ = ["Change", "compare"]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is another than before.

    Attributes:
        is_breaking: Whether a client that was written for the older contract may fail.
        place: Namespace, event, and where in it.
        text: What has changed.
    """

    is_breaking: bool
    place: str
    text: str

    def __str__(self) -> str:
        kind = "breaking" if self.is_breaking else "compatible"
        return f"{kind}: {self.place}: {self.text}"


def compare(old: Contract, new: Contract) -> list[Change]:
    """Tell what changes for clients that were written for the older contract.

    Descriptions, titles and defaults are not compared, nor the names of classes and arguments.

    Returns:
        Breaking ones first, each kind in the order of namespaces and events.
    """
    changes = list(_Comparison(old, new).changes())
    return sorted(changes, key=lambda each: not each.is_breaking)


class _Comparison:
    def __init__(self, old: Contract, new: Contract) -> None:
        self._old = old
        self._new = new
        self._sent = _Admitting(old.models, new.models)
        self._got = _Admitting(new.models, old.models)

    def changes(self) -> Iterator[Change]:
        if self._old.path != self._new.path:
            yield Change(True, "path", f"it was {self._old.path} and is {self._new.path}")
        old = {each.name: each for each in self._old.namespaces}
        new = {each.name: each for each in self._new.namespaces}
        for name in sorted({*old, *new}):
            if name not in new:
                yield Change(True, name, "the namespace is gone")
            elif name not in old:
                yield Change(False, name, "the namespace is new")
            else:
                yield from self._namespace(old[name], new[name])

    def _namespace(self, old: NamespaceContract, new: NamespaceContract) -> Iterator[Change]:
        for part in sorted({*old.parameters, *new.parameters}):
            place = f"{old.name} {{{part}}}"
            was, wanted = old.parameters.get(part, {}), new.parameters.get(part, {})
            if wanted != {"type": "string"}:  # which each part is
                yield from self._fitting(place, was, wanted, self._sent)
            elif was != wanted:
                yield Change(False, place, "more is admitted")
        if old.auth != new.auth or old.auth is not None:
            yield from self._fitting(f"{old.name} auth", old.auth or {}, new.auth or {}, self._sent)
        yield from self._events(old.name, old.incoming, new.incoming, is_sent=True)
        yield from self._events(old.name, old.outgoing, new.outgoing, is_sent=False)

    def _events(
        self,
        namespace: str,
        old: tuple[EventContract, ...],
        new: tuple[EventContract, ...],
        *,
        is_sent: bool,
    ) -> Iterator[Change]:
        before = {each.name: each for each in old}
        now = {each.name: each for each in new}
        gone = "clients may not send" if is_sent else "the server does not send"
        come = "clients may send it" if is_sent else "the server sends it"
        for name in sorted({*before, *now}):
            place = f"{namespace} {name}{'' if is_sent else ' (from the server)'}"
            if name not in now:
                yield Change(True, place, f"{gone} it any more")
            elif name not in before:
                yield Change(False, place, come)
            else:
                pair = before[name], now[name]
                yield from self._arguments(place, *pair, is_sent=is_sent)
                yield from self._answer(place, *pair, is_sent=is_sent)

    def _arguments(
        self, place: str, old: EventContract, new: EventContract, *, is_sent: bool
    ) -> Iterator[Change]:
        admitting = self._sent if is_sent else self._got
        for at in range(max(len(old.arguments), len(new.arguments))):
            before = old.arguments[at] if at < len(old.arguments) else None
            now = new.arguments[at] if at < len(new.arguments) else None
            said = now or before
            assert said is not None
            where = f"{place} argument {at + 1} ({said.name})"
            if now is None:
                assert before is not None
                if new.rest is not None:  # it counts among the further ones
                    yield from self._fitting(where, before.schema, new.rest, admitting)
                else:
                    # A client whose handler takes one argument more fails without it.
                    yield Change(True, where, "it is gone")
            elif before is None:
                if is_sent and now.required:
                    yield Change(True, where, "it is new and may not be left out")
                elif is_sent and old.rest is not None:
                    yield from self._fitting(where, old.rest, now.schema, admitting)
                else:
                    yield Change(False, where, "it is new")
            else:
                if before.required is not now.required:
                    breaks = now.required if is_sent else not now.required
                    text = "it may not be left out" if now.required else "it may be left out"
                    yield Change(breaks, where, f"{text} any more" if now.required else text)
                yield from self._fitting(where, before.schema, now.schema, admitting)
        yield from self._rest(f"{place} further arguments", old.rest, new.rest, is_sent=is_sent)

    def _rest(
        self, place: str, old: Schema | None, new: Schema | None, *, is_sent: bool
    ) -> Iterator[Change]:
        if old is None and new is None:
            return
        if new is None:
            yield Change(is_sent, place, "there may be none any more")
        elif old is None:
            yield Change(False, place, "there may be some")
        else:
            yield from self._fitting(place, old, new, self._sent if is_sent else self._got)

    def _answer(
        self, place: str, old: EventContract, new: EventContract, *, is_sent: bool
    ) -> Iterator[Change]:
        """Of what a client sends it gets the answer; of what it gets it gives it."""
        place = f"{place} answer"
        if old.answer is None:
            if new.answer is not None:
                breaks = not is_sent and new.answer != ()
                yield Change(breaks, place, "it is said now what it is")
            return
        if new.answer is None:
            yield Change(is_sent, place, "it is not said any more what it is")
            return
        admitting = self._got if is_sent else self._sent
        if len(old.answer) != len(new.answer):
            if is_sent and not old.answer:
                yield Change(False, place, "there is a value now")  # nobody has looked for one
                return
            text = f"it had {_counted(len(old.answer))} and has {_counted(len(new.answer))}"
            yield Change(True, place, text)
            return
        for at, (before, now) in enumerate(zip(old.answer, new.answer, strict=True)):
            where = place if len(old.answer) == 1 else f"{place} {at + 1}"
            yield from self._fitting(where, before, now, admitting)

    def _fitting(
        self, place: str, old: Schema, new: Schema, admitting: _Admitting
    ) -> Iterator[Change]:
        """Whether what is sent by the one is admitted by the other, whichever sends."""
        first, second = (old, new) if admitting is self._sent else (new, old)
        fault = admitting.fault(first, second)
        if fault is not None:
            path, reason = fault
            who = "what clients send" if admitting is self._sent else "what clients get"
            yield Change(True, f"{place} {path}" if path != "$" else place, f"{who}: {reason}")
            return
        back = self._got if admitting is self._sent else self._sent
        if back.fault(second, first) is not None:
            word = "more is admitted" if admitting is self._sent else "it is more exact"
            yield Change(False, place, word)


def _counted(number: int) -> str:
    return f"{number} value{'' if number == 1 else 's'}"


_SAID: Final = ("title", "description", "default", "examples", "deprecated")
_LEAST: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_COMPARED: Final = frozenset(
    (
        *_LEAST,
        *_MOST,
        *("type", "enum", "const", "anyOf", "oneOf", "$ref", "multipleOf", "properties"),
        *("required", "additionalProperties", "propertyNames", "items", "prefixItems"),
        "discriminator",
    )
)


class _Admitting:
    """Whether each value of one schema is one of another.

    Args:
        first: What references in the one schema mean.
        second: What they mean in the other.
    """

    def __init__(self, first: Mapping[str, Schema], second: Mapping[str, Schema]) -> None:
        self._first = first
        self._second = second
        self._assumed: set[tuple[str, str]] = set()

    def fault(self, first: Schema, second: Schema, path: str = "$") -> tuple[str, str] | None:
        """Where a value of the first schema is none of the second, and why; None if nowhere."""
        pair = (json.dumps(first, sort_keys=True), json.dumps(second, sort_keys=True))
        if pair in self._assumed:  # a class that has itself inside
            return None
        self._assumed.add(pair)
        try:
            return self._fault(_resolved(first, self._first), _resolved(second, self._second), path)
        finally:
            self._assumed.discard(pair)

    def _fault(self, first: Schema, second: Schema, path: str) -> tuple[str, str] | None:
        if not second:
            return None
        if "$ref" in first or "$ref" in second:
            raise ValueError(f"a schema refers to a model that is not there: {first} or {second}")
        members = _members(first)
        if members is not None:
            return self._first_fault((each, second, path) for each in members)
        members = _members(second)
        if members is not None:
            return self._fault_of_union(first, members, path)
        if "enum" in first:
            return _fault_of_values(first["enum"], second, path)
        if "enum" in second:
            return path, f"only {_listed(second['enum'])} is admitted"
        kind, wanted = _kind(first), _kind(second)
        if wanted is not None and kind != wanted and (kind, wanted) != ("integer", "number"):
            return path, f"{kind or 'anything'} where {wanted} is wanted"
        if (reason := _fault_of_limits(first, second)) is not None:
            return path, reason
        return self._fault_of_object(first, second, path) or self._fault_of_array(
            first, second, path
        )

    def _first_fault(self, asked: Any) -> tuple[str, str] | None:
        for first, second, path in asked:
            if (fault := self.fault(first, second, path)) is not None:
                return fault
        return None

    def _fault_of_union(
        self, first: Schema, members: list[Schema], path: str
    ) -> tuple[str, str] | None:
        if "enum" in first:  # each value may be one of another member
            for value in first["enum"]:
                if self._none_takes({"enum": [value]}, members, path):
                    return path, f"{json.dumps(value)} is not admitted"
            return None
        if not self._none_takes(first, members, path):
            return None
        kind = first.get("type")
        of_kind = [each for each in members if _resolved(each, self._second).get("type") == kind]
        if kind is not None and len(of_kind) == 1:
            return self.fault(first, of_kind[0], path)
        return path, f"{first.get('title') or kind or 'anything'} is none of those admitted"

    def _none_takes(self, first: Schema, members: list[Schema], path: str) -> bool:
        return all(self.fault(first, each, path) is not None for each in members)

    def _fault_of_object(self, first: Schema, second: Schema, path: str) -> tuple[str, str] | None:
        ours, theirs = first.get("properties", {}), second.get("properties", {})
        sure = set(first.get("required", ()))
        for name in second.get("required", ()):
            if name not in sure:
                return f"{path}.{name}", "it is required, and may be missing"
        for name, schema in theirs.items():
            if name in ours:
                if (fault := self.fault(ours[name], schema, f"{path}.{name}")) is not None:
                    return fault
            elif isinstance(other := first.get("additionalProperties", {}), dict) and (
                other and (fault := self.fault(other, schema, f"{path}.{name}")) is not None
            ):
                return fault
        more = second.get("additionalProperties", {})
        if more is False:
            if first.get("additionalProperties", True) is not False:
                return path, "further properties are refused"
            for name in ours:
                if name not in theirs:
                    return f"{path}.{name}", "it is refused"
        elif more:
            for name in ours:
                if name not in theirs:
                    if (fault := self.fault(ours[name], more, f"{path}.{name}")) is not None:
                        return fault
            others = first.get("additionalProperties", {})
            if isinstance(others, dict):
                if (fault := self.fault(others, more, f"{path}[...]")) is not None:
                    return fault
        keys = second.get("propertyNames")
        if keys and (
            fault := self.fault(
                {"type": "string", **first.get("propertyNames", {})},
                {"type": "string", **keys},
                path,
            )
        ):
            return path, f"a key: {fault[1]}"
        return None

    def _fault_of_array(self, first: Schema, second: Schema, path: str) -> tuple[str, str] | None:
        if second.get("type") != "array":
            return None
        ours, theirs = first.get("prefixItems", []), second.get("prefixItems", [])
        rest, wanted = first.get("items", {}), second.get("items", {})
        for at in range(max(len(ours), len(theirs))):
            if at >= first.get("maxItems", at + 1):
                break
            one = ours[at] if at < len(ours) else rest
            other = theirs[at] if at < len(theirs) else wanted
            if (fault := self.fault(one, other, f"{path}[{at}]")) is not None:
                return fault
        if first.get("maxItems", len(ours) + 1) > len(ours):
            return self.fault(rest, wanted, f"{path}[...]")
        return None


def _resolved(schema: Schema, models: Mapping[str, Schema]) -> Schema:
    """What is meant, without what is only said."""
    seen: set[str] = set()
    while (reference := schema.get("$ref")) is not None:
        name = reference.rpartition("/")[2]
        if name not in models or name in seen:
            return schema
        seen.add(name)
        schema = models[name]
    found = {word: value for word, value in schema.items() if word not in _SAID}
    if "const" in found:
        found["enum"] = [found.pop("const")]
    if found.get("additionalProperties") is True:
        del found["additionalProperties"]
    if found.get("type") == "integer":  # of whole numbers "above 0" is "at least 1"
        for word, other, step in _WHOLE:
            if isinstance(bound := found.get(word), int):
                del found[word]
                found[other] = _tighter(found.get(other), bound + step, step)
    elif found == {"type": "boolean"}:
        found = {"enum": [False, True]}
    return found


def _tighter(bound: float | None, other: int, step: int) -> float:
    if bound is None:
        return other
    return max(bound, other) if step > 0 else min(bound, other)


_WHOLE: Final = (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1))


def _kind(schema: Schema) -> str | None:
    """The type; bytes are no text, though it says so."""
    return "binary" if schema.get("format") == "binary" else schema.get("type")


def _members(schema: Schema) -> list[Schema] | None:
    found = schema.get("anyOf") or schema.get("oneOf")
    if found is None and isinstance(schema.get("type"), list):
        found = [{**schema, "type": each} for each in schema["type"]]
    return found


def _fault_of_values(values: list[Any], second: Schema, path: str) -> tuple[str, str] | None:
    for value in values:
        if not _is_admitted(value, second):
            return path, f"{json.dumps(value)} is not admitted"
    return None


_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


def _is_admitted(value: Any, schema: Schema) -> bool:
    """Whether a plain value is one of a schema without members."""
    if "enum" in schema:
        return any(each == value and type(each) is type(value) for each in schema["enum"])
    kind = schema.get("type")
    if kind is None:
        return True
    if type(value) not in _KINDS[kind]:
        return False
    as_schema: Schema = {"type": kind}
    if isinstance(value, str):
        as_schema |= {"minLength": len(value), "maxLength": len(value)}
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        as_schema |= {"minimum": value, "maximum": value}
    limits = {word: each for word, each in schema.items() if word in (*_LEAST, *_MOST)}
    return _fault_of_limits(as_schema, limits) is None and not (set(schema) - {"type", *limits})


def _fault_of_limits(first: Schema, second: Schema) -> str | None:
    for word in _LEAST:
        if word in second and not _is_above(first, word, second[word]):
            return f"{word} {second[word]} is wanted"
    for word in _MOST:
        if word in second and not _is_below(first, word, second[word]):
            return f"{word} {second[word]} is wanted"
    if (step := second.get("multipleOf")) is not None:
        ours = first.get("multipleOf")
        if ours is None or ours % step:
            return f"multipleOf {step} is wanted"
    for word in sorted(set(second) - _COMPARED):
        if first.get(word) != second[word]:
            return f"{word} {json.dumps(second[word])} is wanted"
    return None


def _is_above(first: Schema, word: str, bound: float) -> bool:
    if word in ("minLength", "minItems", "minProperties"):
        return bool(first.get(word, 0) >= bound)
    least, above = first.get("minimum"), first.get("exclusiveMinimum")
    if word == "minimum":
        return (least is not None and least >= bound) or (above is not None and above >= bound)
    return (least is not None and least > bound) or (above is not None and above >= bound)


def _is_below(first: Schema, word: str, bound: float) -> bool:
    if word in ("maxLength", "maxItems", "maxProperties"):
        return word in first and bool(first[word] <= bound)
    most, below = first.get("maximum"), first.get("exclusiveMaximum")
    if word == "maximum":
        return (most is not None and most <= bound) or (below is not None and below <= bound)
    return (most is not None and most < bound) or (below is not None and below <= bound)


def _listed(values: list[Any]) -> str:
    return " or ".join(json.dumps(each) for each in values)
