"""Every call in the source that writes a record of the log, found by its syntax tree."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SOURCE", "LogCall", "log_calls"]

SOURCE: Final = Path(__file__).parents[2] / "src" / "sockwave"

GAP: Final = "..."
"""What differs from one time to the next."""

_SLOT: Final = re.compile(r"%[-+0-9.]*[srdgf]")

_METHODS: Final = {
    "debug": "DEBUG",
    "info": "INFO",
    "warning": "WARNING",
    "error": "ERROR",
    "exception": "ERROR",
    "critical": "CRITICAL",
    "log": "",
}
"""Of a logger, with the level of what they write; `log` is told."""

_PASSING_ON: Final = {
    ("adapters/answering.py", "_warn_unsendable"): ("WARNING", 0),
    ("socketio/client/connection_log.py", "_say"): ("WARNING", 0),
    ("socketio/server/connections/connection.py", "_log"): ("INFO", 0),
    ("socketio/server/connections/connection.py", "_violated"): ("INFO", 0),
    ("socketio/server/connections/parsed.py", "_violated"): ("INFO", 0),
    ("socketio/server/connections/revision4.py", "_violated"): ("INFO", 0),
    ("socketio/server/lifecycle.py", "_log"): ("INFO", 0),
    ("socketio/server/dispatch.py", "_say"): ("DEBUG", 0),
    ("socketio/server/reached.py", "_warn"): ("WARNING", 1),
    ("socketio/server/sending.py", "_say"): ("DEBUG", 0),
    ("socketio/server/socket.py", "_say"): ("DEBUG", 0),
    ("engine/server/fronts/listener.py", "_log"): ("INFO", 0),
    ("engine/server/fronts/shared_port.py", "_log"): ("INFO", 0),
}
"""Methods, by file, that write what they are given: level, and which argument is the text. The
calls in their own bodies are not looked at."""

_WRITERS: Final = {"_log", "_say", "_violated", "_warn", "_warn_unsendable"}


@dataclass(frozen=True)
class LogCall:
    """One call.

    Attributes:
        file: Below the package.
        line: In the file.
        level: Empty where the call says it when it runs.
        texts: What may be its text, with `...` for what differs; none where that is not to be seen.
        extra: The expression that `extra=` is given, as source; None without it.
    """

    file: str
    line: int
    level: str
    texts: tuple[str, ...]
    extra: ast.expr | None


def log_calls(root: Path = SOURCE) -> Iterator[LogCall]:
    """All calls below a folder, in the order of files and lines."""
    for path in sorted(root.rglob("*.py")):
        yield from _Reader(path.relative_to(root).as_posix()).read(
            ast.parse(path.read_text("utf-8"))
        )


class _Reader:
    def __init__(self, file: str) -> None:
        self._file = file
        self._writers = {name for file_, name in _PASSING_ON if file_ == file}

    def read(self, node: ast.AST, function: Any = None) -> Iterator[LogCall]:
        for child in ast.iter_child_nodes(node):
            inner = child if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
            if isinstance(child, ast.Call) and (call := self._call(child, inner)) is not None:
                yield call
            yield from self.read(child, inner)

    def _call(self, call: ast.Call, function: Any) -> LogCall | None:
        found = self._text_of(call)
        if found is None:
            return None
        level, text = found
        if isinstance(text, ast.Name) and _is_parameter(text.id, function):
            assert function.name in _WRITERS | {"info", "warning", "_tell"}, (
                f"{self._file}:{call.lineno}: tell {__name__} of {function.name}"
            )
            return None
        if function is not None and (self._file, function.name) in _PASSING_ON:
            return None
        extra = next((each.value for each in call.keywords if each.arg == "extra"), None)
        texts = tuple(dict.fromkeys(_texts(text, _named(function, call.lineno))))
        return LogCall(self._file, call.lineno, level, texts, extra)

    def _text_of(self, call: ast.Call) -> tuple[str, ast.expr | None] | None:
        """Level and text, of a call that writes."""
        function = call.func
        if not isinstance(function, ast.Attribute):
            return None
        owner = ast.unparse(function.value).rpartition(".")[2].strip("_")
        if owner.endswith("logger") and function.attr in _METHODS:
            at = 1 if function.attr == "log" else 0
            return _METHODS[function.attr], call.args[at]
        if owner == "peer_log" and function.attr in ("info", "warning"):
            return function.attr.upper(), call.args[1]
        if owner == "peer_log" and function.attr == "invalid":
            return "INFO", ast.Constant("bad request (...): ...")
        if owner == "self" and function.attr in self._writers:
            level, at = _PASSING_ON[self._file, function.attr]
            return level, call.args[at]
        return None


def _is_parameter(name: str, function: Any) -> bool:
    return function is not None and name in {each.arg for each in function.args.args}


def _named(function: Any, line: int) -> dict[str, list[str]]:
    """Texts by the name that a function gives them last before a line."""
    found: dict[str, list[str]] = {}
    named = (node for node in ast.walk(function or ast.Pass()) if isinstance(node, ast.Assign))
    for node in sorted(named, key=lambda node: node.lineno):
        if node.lineno < line:
            for target in node.targets:
                for name, value in _pairs(target, node.value):
                    found[name] = list(_texts(value, {}))
    return found


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, other in zip(target.elts, value.elts, strict=True):
            yield from _pairs(one, other)


def _texts(node: ast.expr | None, names: dict[str, list[str]]) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield _SLOT.sub(GAP, node.value)
    elif isinstance(node, ast.JoinedStr):
        parts = [str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values]
        yield "".join(parts)
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body, names)
        yield from _texts(node.orelse, names)
    elif isinstance(node, ast.Name):
        yield from names.get(node.id, ())
