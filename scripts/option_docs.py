"""Write the options where a reader looks for them, from the dataclasses that have them.

A dataclass has the default and the description of each option, a `TypedDict` the type in the forms
that a user may write; of a function its signature and docstring have both, of a command its help.
From these come the text under each keyword, which editors show, and the tables of
`docs/options.md`, where `option_advice.toml` adds units, and when to change what. Run it after a
change of an option; a test fails until then.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import tomllib
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

import sockwave.sync
from sockwave import adapters, emitters
from sockwave.adapters.options import ClusterOptions
from sockwave.cli.run import run as run_command
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
from sockwave.socketio.core.record_options import ConnectionRecords
from sockwave.socketio.core.recovery import Recovery
from sockwave.socketio.server import keywords as server
from sockwave.socketio.server.health_values import HealthOptions
from sockwave.socketio.server.options import ServerOptions
from sockwave.socketio.server.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "options.md"
ADVICE: Final = ROOT / "scripts" / "option_advice.toml"
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
    HealthOptions,
    ConnectionRecords,
    ClusterOptions,
    adapters.JetStream,
)
"""Values of options, with options of their own."""

FUNCTIONS: Final[dict[str, Any]] = {
    "Server.listen": Server.listen,
    "Server.run": Server.run,
    "RedisAdapter": adapters.RedisAdapter,
    "ShardedRedisAdapter": adapters.ShardedRedisAdapter,
    "RedisStreamsAdapter": adapters.RedisStreamsAdapter,
    "NatsAdapter": adapters.NatsAdapter,
    "PostgresAdapter": adapters.PostgresAdapter,
    "PythonSocketIOAdapter": adapters.PythonSocketIOAdapter,
    "WorkersAdapter": adapters.WorkersAdapter,
    "RedisEmitter": emitters.RedisEmitter,
    "RedisStreamsEmitter": emitters.RedisStreamsEmitter,
    "NatsEmitter": emitters.NatsEmitter,
    "PostgresEmitter": emitters.PostgresEmitter,
    "sockwave.connect": sockwave.connect,
    "sockwave.sync.connect": sockwave.sync.connect,
}
"""What takes options by its own arguments. Those of dataclasses that it takes too stand there."""

COMMANDS: Final[dict[str, click.Command]] = {"sockwave run": run_command}

PATHS: Final = {
    "EngineOptions": '`"/engine.io"`, of a `Server` `"/socket.io"`',
    "ClientEngineOptions": '`"/socket.io"`',
}
"""What `path` is by default: Socket.IO has one of its own."""

TABLE: Final = re.compile(r"<!-- options: (?P<name>[\w. ]+) -->\n(?:\n(?:\|.*\n)+)?")
PAGE_NAME: Final = re.compile(r"docs/(?P<page>(?P<name>[\w-]+)\.md(?:#[\w-]+)?)")
ATTRIBUTE: Final = re.compile(r"    (?P<names>\w+(?:, \w+)*): (?P<text>.*)")


class Row(NamedTuple):
    """An option as the page has it; the type and the default are written as in code."""

    name: str
    type: str
    default: str
    text: str


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
    tables = {name: table(name, rows) for name, rows in all_rows().items()}
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


def all_rows() -> dict[str, list[Row]]:
    """The options of everything that has some, by its name on the page."""
    kinds = (*(kind for _, _, kind in KEYWORDS), *VALUES)
    found = {kind.__name__: list(rows_of_dataclass(kind)) for kind in kinds}
    found |= {name: list(rows_of_function(function)) for name, function in FUNCTIONS.items()}
    found |= {name: list(rows_of_command(command)) for name, command in COMMANDS.items()}
    return found


def table(owner: str, rows: list[Row]) -> str:
    """The options of one thing, for the page."""
    lines = [
        "| option | type | unit | default | what it does | when to change it |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        unit, when = advice().get(owner, {}).get(row.name) or ("", "")
        written = row.type.replace("|", r"\|")
        text = PAGE_NAME.sub(r"[\g<name>](\g<page>)", row.text)
        cells = (f"`{row.name}`", f"`{written}`", unit or "–", row.default, text, when)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


@cache
def advice() -> dict[str, dict[str, tuple[str, str]]]:
    """Unit of each option, and when to change it, by what has the options."""
    return {
        owner: {name: (unit, when) for name, (unit, when) in entries.items()}
        for owner, entries in tomllib.loads(ADVICE.read_text()).items()
    }


def rows_of_dataclass(kind: type[Any]) -> Iterator[Row]:
    """The options of a dataclass."""
    texts, types = descriptions(kind), forms(kind)
    for field in fields(kind):
        yield Row(field.name, types[field.name], default(kind, field), texts[field.name])


def rows_of_function(function: Callable[..., Any]) -> Iterator[Row]:
    """The arguments of a function, or of what makes an object, that are its own."""
    texts = descriptions(function, "Args")
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "self" or (name not in texts and parameter.kind is parameter.KEYWORD_ONLY):
            continue
        if name == "url":  # no option
            continue
        written = str(parameter.annotation).replace("ssl_module.", "ssl.")
        yield Row(name, written, written_default(parameter.default), texts[name])


def rows_of_command(command: click.Command) -> Iterator[Row]:
    """The options of a command."""
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            text, _, shown = (parameter.help or "").partition("  [default: ")
            value = parameter.default
            is_given = isinstance(value, (str, int, float))
            default = shown.strip("]") or (str(value) if is_given else "")
            kind = parameter.metavar or parameter.type.name
            if isinstance(parameter.type, click.Choice):
                kind = "|".join(map(str, parameter.type.choices))
            yield Row(parameter.opts[0], kind, f"`{default}`" if default else "–", text)


def descriptions(kind: Callable[..., Any], section: str = "Attributes") -> dict[str, str]:
    """The text of each option of a dataclass, or argument of a function, from its docstring."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in (inspect.getdoc(kind) or "").partition(f"{section}:\n")[2].splitlines():
        if match := ATTRIBUTE.fullmatch(line):
            names = match["names"].split(", ")
            found.update(dict.fromkeys(names, match["text"]))
        elif line.startswith(" " * 8):
            found.update((name, f"{found[name]} {line.strip()}") for name in names)
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
    return written_default(default_of(field))


def written_default(value: object) -> str:
    """A default, as it is written."""
    if value in (MISSING, inspect.Parameter.empty):
        return "none: it must be given"
    if is_dataclass(value):
        return f"`{type(value).__name__}()`"
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
