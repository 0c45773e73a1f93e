"""`sockwave contract`: what a server says and hears, as a file; what a newer one would break."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from sockwave.cli.console import Failure
from sockwave.cli.run import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave import Server
    from sockwave.contract import Contract

__all__ = ["FORMATS", "Format", "contract"]


class Format(NamedTuple):
    """What a contract can be written as.

    Attributes:
        help: One line, for `sockwave contract --help`.
        write: Makes the text, which ends with a new line; imports what it needs when it is called.
    """

    help: str
    write: Callable[[Contract], str]


def write_json(contract: Contract) -> str:
    """The document that `sockwave contract check` compares with."""
    from sockwave.contract import to_document

    return _text(to_document(contract))


def write_asyncapi(contract: Contract) -> str:
    """AsyncAPI 3.0, in JSON."""
    from sockwave.contract import to_asyncapi

    return _text(to_asyncapi(contract))


def write_typescript(contract: Contract) -> str:
    """Types for the stock JavaScript client."""
    from sockwave.contract import to_typescript

    return to_typescript(contract)


def write_python(contract: Contract) -> str:
    """A module with a typed client."""
    from sockwave.contract import to_python

    return to_python(contract)


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


FORMATS: Final[dict[str, Format]] = {
    "json": Format("Write the contract itself, for sockwave contract check.", write_json),
    "asyncapi": Format("Write AsyncAPI 3.0, for pages and generators.", write_asyncapi),
    "typescript": Format("Write types for the stock JavaScript client.", write_typescript),
    "python": Format("Write a module with a typed client for Python.", write_python),
}
"""By the name of the command; each becomes `sockwave contract NAME`."""


@click.group()
def contract() -> None:
    """Write down what MODULE:NAME says and hears, or check it.

    \b
    sockwave contract json chat:io --output contract.json
    sockwave contract json chat:io --output contract.json --check
    sockwave contract check contract.json chat:io

    MODULE:NAME is a sockwave.Server, or a function without arguments that makes one.
    """


def command_of(name: str, format_: Format) -> click.Command:
    """`sockwave contract NAME`."""

    @click.command(name, help=format_.help)
    @click.argument("target", metavar="MODULE:NAME")
    @click.option("--output", metavar="FILE", help="Write there.  [default: print it]")
    @click.option(
        "--check",
        is_flag=True,
        help="Write nothing: exit with code 1 if the file is another one than would be written.",
    )
    @click.option("--title", metavar="TEXT", help="Of the application.")
    @click.option("--version", metavar="TEXT", help="Of the application.")
    def command(
        target: str, output: str | None, check: bool, title: str | None, version: str | None
    ) -> None:
        if check and output is None:
            raise click.UsageError("--check goes with --output")
        text = format_.write(described(target, title=title, version=version))
        if output is None:
            click.echo(text, nl=False)
        elif check:
            check_file(output, text)
        else:
            write_file(output, text)

    return command


for _name, _format in FORMATS.items():
    contract.add_command(command_of(_name, _format))


@contract.command()
@click.argument("old", metavar="OLD.JSON")
@click.argument("target", metavar="MODULE:NAME")
def check(old: str, target: str) -> None:
    """Tell what MODULE:NAME changes for clients of OLD.JSON.

    OLD.JSON is what sockwave contract json has written. The exit code is 1 if a change breaks
    clients that were written for it.
    """
    from sockwave.contract import compare, from_document

    try:
        before = from_document(json.loads(read_file(old)))
    except ValueError as error:  # no JSON is one, too
        raise Failure(f"{old}: {error}") from error
    now = described(target, title=None, version=None)
    try:
        changes = compare(before, now)
    except ValueError as error:
        raise Failure(f"{old}: {error}") from error
    for each in changes:
        click.echo(str(each))
    breaking = sum(each.is_breaking for each in changes)
    if breaking:
        changed = "1 change breaks" if breaking == 1 else f"{breaking} changes break"
        raise Failure(f"{changed} clients of {old}")
    if not changes:
        click.echo("Nothing has changed for clients.")


def described(target: str, *, title: str | None, version: str | None) -> Contract:
    """The contract of what `module:name` names.

    Raises:
        Failure: It is no server.
    """
    from sockwave.contract import describe

    given = {"title": title, "version": version}
    said: dict[str, Any] = {name: text for name, text in given.items() if text is not None}
    sys.path.insert(0, os.getcwd())
    with contextlib.redirect_stdout(sys.stderr):  # what a module prints is no part of the document
        return describe(server_of(target), **said)


def server_of(target: str) -> Server:
    """The server that `module:name` is, or makes.

    Raises:
        Failure: It is none.
    """
    from sockwave import Server

    found = load(target)
    if inspect.isfunction(found) or inspect.ismethod(found):
        try:
            found = found()
        except Exception as error:
            raise Failure(f"{target}() failed: {type(error).__name__}: {error}") from error
    if not isinstance(found, Server):
        raise Failure(f"{target} is neither a sockwave.Server nor a function that makes one")
    return found


def read_file(name: str) -> str:
    """The text of a file.

    Raises:
        Failure: It cannot be read.
    """
    try:
        return Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(f"{name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Failure(f"{name} is no text in UTF-8") from error


def write_file(name: str, text: str) -> None:
    """Write a file, with the same ends of lines on all systems.

    Raises:
        Failure: It cannot be written.
    """
    try:
        Path(name).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise Failure(f"{name} cannot be written: {error.strerror}") from error


def check_file(name: str, text: str) -> None:
    """Refuse a file that is another one.

    Raises:
        Failure: Says which line is the first one.
    """
    present = read_file(name)
    if present == text:
        return
    lines = itertools.zip_longest(present.splitlines(), text.splitlines())
    pairs = ((at, *pair) for at, pair in enumerate(lines, 1) if pair[0] != pair[1])
    at, before, now = next(pairs, (0, None, None))
    if not at:
        raise Failure(f"{name} is out of date: its line ends are others")
    was = "nothing" if before is None else before.strip()
    is_ = "nothing" if now is None else now.strip()
    raise Failure(f"{name} is out of date: line {at} has {was}, and would have {is_}")
