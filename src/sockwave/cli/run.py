"""`sockwave run`: serve a Sockwave server, an ASGI application, or both on one port."""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias, cast

import click

from sockwave.cli.console import (
    Failure,
    ensure_port_is_free,
    host_option,
    log_level_option,
    say,
    serving,
    show_logs,
    url_of,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    AsgiApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

__all__ = ["run"]

MAX_SECONDS: Final = 86_400
"""A day: whoever drains for longer has mistyped."""


@click.command()
@click.argument("target", metavar="MODULE:NAME")
@click.option("--app", metavar="MODULE:NAME", help="ASGI application for the rest of the port.")
@host_option
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=3000, show_default=True, help="TCP port."
)
@click.option(
    "--drain-period",
    type=click.FloatRange(0, MAX_SECONDS),
    metavar="SECONDS",
    help="Spread the end of the connections over this time, when told to stop.",
)
@click.option(
    "--shutdown-timeout",
    type=click.FloatRange(0, MAX_SECONDS),
    metavar="SECONDS",
    help="Cut what clients have not taken this long after that.",
)
@log_level_option("info")
def run(
    target: str,
    app: str | None,
    host: str,
    port: int,
    drain_period: float | None,
    shutdown_timeout: float | None,
    log_level: str,
) -> None:
    """Serve MODULE:NAME, a sockwave.Server or an ASGI application.

    \b
    sockwave run chat:io                  a Server alone
    sockwave run chat:io --app chat:web   with a web application on the same port
    sockwave run chat:web                 an ASGI application

    SIGTERM and Ctrl-C stop it: clients get what was sent to them, and a goodbye; then it exits with
    code 0. A second signal ends it at once.
    """
    from sockwave import Server  # not at the top: `sockwave --version` needs none of it

    # As `python -m` does: the user's own module is next to where they stand.
    sys.path.insert(0, os.getcwd())
    show_logs(log_level)
    served = load(target)
    web = None if app is None else as_asgi(app, load(app))
    if isinstance(served, Server):
        run_it = functools.partial(
            served.run, drain_period=drain_period, shutdown_timeout=shutdown_timeout
        )
        serve = functools.partial(serve_socketio, target, run_it, web, host, port, log_level)
    elif web is None:
        if drain_period is not None or shutdown_timeout is not None:
            option = "--shutdown-timeout" if drain_period is None else "--drain-period"
            raise Failure(f"{target} is not a sockwave.Server, as {option} needs")
        asgi = as_asgi(target, served, wanted="neither a sockwave.Server nor")
        serve = functools.partial(serve_asgi, asgi, host, port, log_level)
    else:
        raise Failure(f"{target} is not a sockwave.Server, which --app needs")
    ensure_port_is_free(host, port)
    with serving():
        serve()


def load(target: str) -> object:
    """Import what `module:name` names.

    Raises:
        Failure: There is no such module or name. An error inside the module is printed with its
            traceback first: it is the user's own code, and the line alone would not help.
    """
    module_name, _, name = target.partition(":")
    if not (module_name and name):
        raise Failure(f"{target!r} is not of the form module:name, for example chat:io")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # Only when it is the module itself, or a package above it, that is missing.
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            _fail_to_import(module_name, error)
        raise Failure(f"there is no module {error.name!r} here") from error
    except Exception as error:
        _fail_to_import(module_name, error)
    found: object = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise Failure(f"module {module_name!r} has no {name!r}") from error
    return found


def as_asgi(target: str, candidate: object, *, wanted: str = "not") -> AsgiApp:
    """Return `candidate` if it can be called as an ASGI 3 application."""
    if callable(candidate) and not inspect.isclass(candidate):
        try:
            inspect.signature(candidate).bind("scope", "receive", "send")
        except (TypeError, ValueError):
            pass
        else:
            return cast("AsgiApp", candidate)
    raise Failure(f"{target} is {wanted} an ASGI application: {type(candidate).__name__}")


def serve_socketio(
    target: str,
    run: Callable[..., None],
    web: AsgiApp | None,
    host: str,
    port: int,
    log_level: str,
) -> None:
    """Serve a Server, and an application behind it if there is one, until told to stop."""
    run(
        host=host,
        port=port,
        app=web,
        on_listening=lambda listener: say(
            f"[bold]{target}[/bold] on [bold cyan]{url_of(host, listener.port)}[/bold cyan]"
            "  [dim]Ctrl-C stops it.[/dim]"
        ),
        uvicorn_options=web and {"log_config": None, "log_level": log_level},
    )


def serve_asgi(app: AsgiApp, host: str, port: int, log_level: str) -> None:
    """Serve an ASGI application by uvicorn until told to stop."""
    import uvicorn

    uvicorn.run(app, host=host, port=port, log_level=log_level, log_config=None)


def _fail_to_import(module_name: str, error: Exception) -> NoReturn:
    traceback.print_exception(type(error), error, _from_the_module(error.__traceback__))
    raise Failure(f"module {module_name!r} cannot be imported: {error}") from error


def _from_the_module(frames: TracebackType | None) -> TracebackType | None:
    """Drop our own frames and importlib's: they say nothing about the user's mistake."""
    while frames is not None:
        filename = frames.tb_frame.f_code.co_filename
        if filename != __file__ and "importlib" not in filename:
            return frames
        frames = frames.tb_next
    return None
