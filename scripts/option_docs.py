"""Write the options where a reader looks for them, from the dataclasses that have them.

A dataclass has the default and the description of each option, a `TypedDict` the type in the forms
that a user may write. From these two come the text under each keyword, which editors show, and the
tables of `docs/options.md`. Run it after a change of an option; a test fails until then.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.options import ClusterOptions
from sockwave.codec.deflate import Deflate
from sockwave.engine.client import keywords as client_engine
from sockwave.engine.client.options import ClientEngineOptions
from sockwave.engine.core import keywords as engine
from sockwave.engine.core.cookie import Cookie
from sockwave.engine.core.cors import Cors
from sockwave.engine.core.limits import Limits, RateLimits
from sockwave.engine.core.option_signature import default_of
from sockwave.engine.core.options import EngineOptions, HttpCompression
from sockwave.socketio.client import keywords as client
from sockwave.socketio.client.options import ManagerOptions, SocketOptions
from sockwave.socketio.core.recovery import Recovery
from sockwave.socketio.server import keywords as server
from sockwave.socketio.server.options import ServerOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "options.md"
WIDTH: Final = 100

KEYWORDS: Final = (
    (engine, "EngineOptionsDict", EngineOptions),
    (server, "ServerOptionsDict", ServerOptions),
    (client_engine, "ClientEngineOptionsDict", ClientEngineOptions),
    (client, "ManagerOptionsDict", ManagerOptions),
    (client, "SocketOptionsDict", SocketOptions),
)
"""Where the keywords of a dataclass stand."""

VALUES: Final = (
    Cors,
    Cookie,
    HttpCompression,
    Deflate,
    Limits,
    RateLimits,
    Recovery,
    ClusterOptions,
)
"""Values of options, with options of their own."""

PATHS: Final = {
    "EngineOptions": '`"/engine.io"`, of a `Server` `"/socket.io"`',
    "ClientEngineOptions": '`"/socket.io"`',
}
"""What `path` is by default: Socket.IO has one of its own."""

TABLE: Final = re.compile(r"<!-- options: (?P<name>\w+) -->\n(?:\n(?:\|.*\n)+)?")
ATTRIBUTE: Final = re.compile(r"    (?P<name>\w+): (?P<text>.*)")


def main() -> None:
    """Write each file that is not as it should be."""
    for path, text in pages():
        if path.read_text() != text:
            path.write_text(text)
            print(f"{path.relative_to(ROOT)}: written")


def pages() -> Iterator[tuple[Path, str]]:
    """Files that name options, with what should stand in them."""
    texts: dict[Path, str] = {}
    for module, name, kind in KEYWORDS:
        path = Path(inspect.getfile(module))
        source = texts.get(path) or path.read_text()
        texts[path] = with_texts(source, name, kind)
    yield from texts.items()
    tables = {kind.__name__: table(kind) for kind in (*(kind for _, _, kind in KEYWORDS), *VALUES)}
    page = TABLE.sub(
        lambda match: f"<!-- options: {match['name']} -->\n\n{tables[match['name']]}",
        PAGE.read_text(),
    )
    yield PAGE, page


def with_texts(source: str, name: str, kind: type[Any]) -> str:
    """The source of a module where each keyword of a `TypedDict` has its text."""
    lines = source.splitlines(keepends=True)
    body = _class(source, name).body
    hints = [node for node in body if isinstance(node, ast.AnnAssign)]
    texts = descriptions(kind)
    defaults = {field.name: default(kind, field) for field in fields(kind)}
    written = [
        f"    {ast.unparse(hint)}\n" + _docstring(f"{texts[key]} Default: {defaults[key]}.")
        for hint in hints
        for key in [ast.unparse(hint.target)]
    ]
    start, end = hints[0].lineno - 1, body[-1].end_lineno
    return "".join([*lines[:start], "\n".join(written), *lines[end:]])


def table(kind: type[Any]) -> str:
    """The rows of a dataclass's options, for the page."""
    texts, types = descriptions(kind), forms(kind)
    rows = ["| option | type | default | |", "|---|---|---|---|"]
    for field in fields(kind):
        written = types[field.name].replace("|", r"\|")
        cells = (f"`{field.name}`", f"`{written}`", default(kind, field), texts[field.name])
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def descriptions(kind: type[Any]) -> dict[str, str]:
    """The text of each option of a dataclass, from its docstring."""
    found: dict[str, str] = {}
    name = ""
    for line in (inspect.getdoc(kind) or "").partition("Attributes:\n")[2].splitlines():
        if match := ATTRIBUTE.fullmatch(line):
            name = match["name"]
            found[name] = match["text"]
        elif line.startswith(" " * 8):
            found[name] += " " + line.strip()
        else:
            break
    return found


def forms(kind: type[Any]) -> dict[str, str]:
    """The types of options as a user may write them: those of the keywords, where there are any."""
    hints = {field.name: str(field.type) for field in fields(kind)}
    for module, name, owner in KEYWORDS:
        if owner is kind:
            body = _class(inspect.getsource(module), name).body
            nodes = [node for node in body if isinstance(node, ast.AnnAssign)]
            hints = {ast.unparse(node.target): ast.unparse(node.annotation) for node in nodes}
    return hints


def default(kind: type[Any], field: Field[Any]) -> str:
    """The default of an option, as it is written."""
    if field.name == "path" and kind.__name__ in PATHS:
        return PATHS[kind.__name__]
    value = default_of(field)
    if field.default_factory is not MISSING:
        return f"`{type(value).__name__}()`" if is_dataclass(value) else f"`{value!r}`"
    if value is MISSING:
        return "none: it must be given"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"`{value:_}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value!r}`"


def _class(source: str, name: str) -> ast.ClassDef:
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node
    raise LookupError(f"there is no class {name}")


def _docstring(text: str) -> str:
    lines = textwrap.wrap(
        f'"""{text}"""',
        WIDTH,
        initial_indent="    ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
