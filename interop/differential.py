"""The same texts to the JavaScript parsers and to ours: what one refuses the other refuses, what
both accept has the same value, and the differences are those that are listed here.

    python -m interop.differential --inputs 1000000 --seed 1
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fuzz import corpus
from fuzz.mutate import mutate
from fuzz.targets import reassemble
from sockwave.codec.engineio import BinaryMessage, iter_payload
from sockwave.codec.socketio import MAX_NAME_BYTES
from sockwave.errors import PacketError
from tests.support import peers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.peers import NodePeer

__all__ = ["DIFFERENCES", "PARSERS", "Case", "Difference", "compare", "inputs_of", "kind_of"]

REFUSED: Final = "refused"
"""Stands for the value where there is none; no packet is a text."""

_BATCH: Final = 50_000


@dataclass(frozen=True)
class Case:
    """A text, and what each side made of it.

    Attributes:
        text: For Socket.IO with the type digit of the message.
    """

    parser: str
    text: str
    ours: Any
    theirs: Any

    @property
    def is_same(self) -> bool:
        """Whether there is no difference."""
        return same(self.ours, self.theirs)

    @property
    def is_stricter(self) -> bool:
        """Whether only we refuse."""
        return bool(self.ours == REFUSED and self.theirs != REFUSED)


# --- the differences ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """A way in which the two differ, and why it stays so.

    Attributes:
        example: Texts that show it.
        is_it: Whether a case is of this kind.
    """

    parser: str
    name: str
    reason: str
    example: Sequence[str]
    is_it: Callable[[Case], bool]


# What Number() takes for nothing.
_BLANK: Final = r"[\s\ufeff]"
_TEXT: Final = re.compile(
    rf"4(?:[56](?P<count>[^-]*-)?|.)?(?:/[^,]*,?)?(?P<id>(?:[0-9]|{_BLANK})*)", re.DOTALL
)
_DIGITS: Final = re.compile(r"[0-9]{1,16}-")


def _part(case: Case, name: str) -> str:
    found = _TEXT.match(case.text)
    return (found[name] or "") if found else ""


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level := [
        child
        for container in level
        if isinstance(container, (list, dict))
        for child in (container.values() if isinstance(container, dict) else container)
    ]:
        deepest += 1
    return deepest


def _has(value: Any, found: Callable[[Any], bool]) -> bool:
    level = [value]
    while level:
        if any(map(found, level)):
            return True
        level = [
            child
            for container in level
            if isinstance(container, (list, dict))
            for child in (container.values() if isinstance(container, dict) else container)
        ]
    return False


class _Infinite:
    """A number that JSON has not."""


DIFFERENCES: Final = (
    Difference(
        "socket.io",
        "type missing",
        "Number('') and Number(' ') are 0 in JavaScript, so that no type is a CONNECT",
        ("4", "4 ", "4\n/a,"),
        lambda case: case.is_stricter and not case.text[1:2].strip("\ufeff \t\r\n\v\f\u00a0"),
    ),
    Difference(
        "socket.io",
        "event without a payload",
        "a handler without even a name would be called (docs/security.md, row V09)",
        ("42", "42/a,", "4212", "451-", "461-"),
        lambda case: case.is_stricter and case.theirs[0] in (2, 3) and case.theirs[3] is None,
    ),
    Difference(
        "socket.io",
        "blank in front of the payload",
        "JavaScript takes blanks for digits of an id, 0 or NaN; to us they belong to the JSON",
        ('42 ["a"]', "43/a, 1[]", '42\ufeff["a"]', '42 1["a"]'),
        lambda case: re.search(_BLANK, _part(case, "id")) is not None,
    ),
    Difference(
        "socket.io",
        "id beyond 2^53-1",
        "it would be rounded, and the acknowledgement go to another id (V04)",
        ('429007199254740993["a"]', "42" + "9" * 400 + '["a"]', "43" + "0" * 17 + "[]"),
        lambda case: (
            case.is_stricter
            and (len(_part(case, "id")) > 16 or int(_part(case, "id") or 0) > 2**53 - 1)
        ),
    ),
    Difference(
        "socket.io",
        "number of attachments that is not written in digits",
        "JavaScript takes whatever Number() takes: 1e0, 0x1, blanks",
        ('451e0-["a"]', '450x1-["a"]', '45 1-["a"]', '45+1-["a"]', "45" + "0" * 16 + '1-["a"]'),
        lambda case: (
            case.is_stricter
            and case.text[1] in "56"
            and not _DIGITS.fullmatch(_part(case, "count"))
        ),
    ),
    Difference(
        "socket.io",
        "placeholder whose number is not an integer",
        "there is no attachment of that number: JavaScript puts undefined there (V08)",
        (
            '451-["a",{"_placeholder":true,"num":0.5}]',
            '451-["a",{"_placeholder":true,"num":0.0}]',
            '451-["a",{"_placeholder":true,"num":0e1}]',
        ),
        lambda case: (
            case.is_stricter
            and re.search(r'"num"\s*:\s*-?\d+(\.\d+|[eE]|\.\d+[eE])', case.text) is not None
        ),
    ),
    Difference(
        "socket.io",
        "number beyond a double",
        "infinity cannot be sent on (D14)",
        ('42["a",1e999]', "42[-1e999]"),
        lambda case: case.is_stricter and _has(case.theirs, lambda v: isinstance(v, _Infinite)),
    ),
    Difference(
        "socket.io",
        "nested deeper than 128",
        "max_depth",
        ('42["a",' + "[" * 128 + "]" * 128 + "]",),
        lambda case: case.is_stricter and _depth(case.theirs[3]) >= 128,
    ),
    Difference(
        "socket.io",
        "name of more than 255 bytes",
        "names are kept, and asked for in every broadcast (docs/differences.md#limits)",
        ("40/" + "n" * 255, '42["' + "é" * 128 + '"]'),
        lambda case: (
            case.is_stricter
            and (
                len(_utf8(case.theirs[1:2])) > MAX_NAME_BYTES
                or (case.theirs[0] == 2 and len(_utf8(case.theirs[3][:1])) > MAX_NAME_BYTES)
            )
        ),
    ),
)


def _utf8(names: list[Any]) -> bytes:
    return b"".join(_HALF.sub("\ufffd", name).encode() for name in names if isinstance(name, str))


def kind_of(case: Case) -> str | None:
    """Name of the difference; None for one that is not listed."""
    for difference in DIFFERENCES:
        if difference.parser == case.parser and difference.is_it(case):
            return difference.name
    return None


# --- comparing ------------------------------------------------------------------------------------

_HALF: Final = re.compile("[\ud800-\udfff]")


def same(ours: Any, theirs: Any) -> bool:
    """Compare values: numbers as doubles, and half of a surrogate pair is U+FFFD."""
    if isinstance(ours, bool) or isinstance(theirs, bool) or ours is None or theirs is None:
        return ours is theirs
    if isinstance(ours, (int, float)) and isinstance(theirs, (int, float)):
        return float(ours) == float(theirs)
    if isinstance(ours, str) and isinstance(theirs, str):
        return ours == _HALF.sub("\ufffd", theirs)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, dict) and isinstance(theirs, dict):
        others = {_HALF.sub("\ufffd", key): value for key, value in theirs.items()}
        return ours.keys() == others.keys() and all(same(ours[key], others[key]) for key in ours)
    return type(ours) is type(theirs) and bool(ours == theirs)


def _our_packet(text: str) -> Any:
    try:
        packet = reassemble(text.encode())
    except PacketError:
        return REFUSED
    return [packet.type - ord("0"), packet.namespace, packet.id, packet.data]


def _our_payload(text: str) -> Any:
    packets: list[Any] = []
    try:
        for packet in iter_payload(text.encode()):
            if isinstance(packet, BinaryMessage):
                packets.append([4, packet.data])
            else:
                packets.append([packet[0] - ord("0"), packet[1:].decode()])
    except PacketError:
        packets.append(["error", "parser error"])
    return packets


@dataclass(frozen=True)
class _Parser:
    ours: Callable[[str], Any]
    corpus: Sequence[bytes]
    prefix: str
    """What our text has and theirs has not: the type digit of a message."""


PARSERS: Final = {
    "socket.io": _Parser(_our_packet, corpus.SOCKETIO, "4"),
    "engine.io": _Parser(_our_payload, corpus.ENGINEIO, ""),
}


def inputs_of(name: str, count: int, seed: int) -> list[str]:
    """Texts from valid ones: as they are, then changed."""
    parser, rng = PARSERS[name], random.Random(f"{seed} {name}")
    made = [*parser.corpus]
    while len(made) < count:
        made.append(mutate(rng, parser.corpus))
    size = len(parser.prefix)
    return [parser.prefix + data.decode(errors="ignore")[size:] for data in made[:count]]


def compare(node: NodePeer, name: str, texts: Sequence[str]) -> list[Case]:
    """Let both sides decode texts."""
    parser = PARSERS[name]
    size = len(parser.prefix)
    lines = [json.dumps({"parser": name, "text": text[size:]}) for text in texts]
    done = subprocess.run(
        [node.executable, peers.INTEROP / "parsers.cjs"],
        input="\n".join(lines) + "\n",
        stdout=subprocess.PIPE,
        env=node.env,
        check=True,
        encoding="utf-8",
    )
    answers = done.stdout.splitlines()
    assert len(answers) == len(texts)
    return [
        Case(name, text, parser.ours(text), _their_value(answer))
        for text, answer in zip(texts, answers, strict=True)
    ]


def _their_value(answer: str) -> Any:
    told = json.loads(answer, object_hook=_unpack)
    return REFUSED if "error" in told else told["value"]


def _unpack(value: dict[str, Any]) -> Any:
    if "\0bytes" in value:
        return base64.b64decode(value["\0bytes"])
    return _Infinite() if "\0number" in value else value


def main() -> int:
    """Compare many; tell what is not listed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="in all")
    parser.add_argument("--seed", type=int, default=None, help="default: a new one each time")
    arguments = parser.parse_args()
    seed = random.randrange(2**31) if arguments.seed is None else arguments.seed
    print(f"seed {seed}")
    node, failures = peers.node(), 0
    for name in PARSERS:
        counts: Counter[str | None] = Counter()
        left = arguments.inputs // len(PARSERS)
        while left > 0:
            cases = compare(node, name, inputs_of(name, min(left, _BATCH), seed + left))
            left -= len(cases)
            for case in cases:
                if not case.is_same:
                    kind = kind_of(case)
                    counts[kind] += 1
                    if kind is None:
                        print(f"{name} {case.text!r}: {case.ours!r}, there {case.theirs!r}")
        failures += counts[None]
        print(f"{name}: {dict(counts)}")
    print(f"{arguments.inputs} inputs, {failures} differences that are not listed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
