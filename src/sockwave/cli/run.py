"""`sockwave run`: serve a Sockwave server, an ASGI application, or both on one port."""

from __future__ import annotations

import functools
import importlib
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, TypeAlias, cast

import click

from sockwave.cli.admin import USERNAME, open_admin, prepare_admin
from sockwave.cli.console import (
    Failure,
    Number,
    log_format_option,
    log_level_option,
    say,
    serving,
    show_logs,
)
from sockwave.cli.place import Place, place_options
from sockwave.cli.reload import pid_file
from sockwave.cli.reloading import is_reloaded, run_and_reload
from sockwave.engine.server.routing import told_worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from sockwave import Listener, Server

    AsgiApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

__all__ = ["run"]


def worker_count(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """Read a number of processes, or `auto`; how many there may be, the server says."""
    if value is None or value == "auto":
        return value
    if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value)):
        raise click.BadParameter(f"{value!r} is neither a number from 1 on nor auto.")
    return int(value)


_OUR_FILE: Final = (lambda: None).__code__.co_filename
"""As tracebacks name it, which in a frozen program is not `__file__`."""

MAX_SECONDS: Final = 86_400
"""A day: whoever drains for longer has mistyped."""


@click.command()
@click.argument("target", metavar="MODULE:NAME")
@click.option("--app", metavar="MODULE:NAME", help="ASGI application for the rest of the port.")
@place_options
@click.option(
    "--webtransport",
    "serves_webtransport",
    is_flag=True,
    help="Serve WebTransport too, on the UDP port of the same number, with --certfile.",
)
@click.option("--root-path", metavar="PATH", help="Where a proxy has put the application.")
@click.option(
    "--env-file", metavar="FILE", help="Read variables of the environment from there first."
)
@click.option("--reload", is_flag=True, help="Start anew whenever a file of Python changes.")
@click.option(
    "--reload-dir",
    "reload_dirs",
    multiple=True,
    metavar="FOLDER",
    help="Look there for changes; may be given again.  [default: the current one]",
)
@click.option(
    "--workers",
    callback=worker_count,
    metavar="NUMBER|auto",
    help="Serve by so many processes, or by one on each core.",
)
@click.option(
    "--drain-period",
    type=Number(0, MAX_SECONDS),
    metavar="SECONDS",
    help="Spread the end of the connections over this time, when told to stop.",
)
@click.option(
    "--shutdown-timeout",
    type=Number(0, MAX_SECONDS),
    metavar="SECONDS",
    help="Cut what clients have not taken this long after that.",
)
@click.option(
    "--unresponsive-timeout",
    type=Number(0, MAX_SECONDS),
    metavar="SECONDS",
    help="Replace a worker that does not answer for so long. 0: never.  [default: 60]",
)
@click.option(
    "--health",
    metavar="PATH",
    help="Say there whether it is well: /health has /health/live and /health/ready.",
)
@click.option(
    "--pid-file", "pid_path", metavar="FILE", help="Keep the process id there, for sockwave reload."
)
@click.option(
    "--metrics",
    "metrics_port",
    type=click.IntRange(1, 65_535),
    metavar="PORT",
    help="Answer Prometheus there, at /metrics of 127.0.0.1.",
)
@click.option("--admin", is_flag=True, help="Hand out the Admin UI, with a password made up now.")
@log_level_option("info")
@log_format_option
def run(
    target: str,
    app: str | None,
    serves_webtransport: bool,
    root_path: str | None,
    env_file: str | None,
    reload: bool,
    reload_dirs: tuple[str, ...],
    workers: int | Literal["auto"] | None,
    drain_period: float | None,
    shutdown_timeout: float | None,
    unresponsive_timeout: float | None,
    health: str | None,
    pid_path: str | None,
    metrics_port: int | None,
    admin: bool,
    log_level: str,
    log_format: str,
    **place_given: Any,
) -> None:
    """Serve MODULE:NAME, a sockwave.Server or an ASGI application.

    \b
    sockwave run chat:io                  a Server alone
    sockwave run chat:io --app chat:web   with a web application on the same port
    sockwave run chat:web                 an ASGI application

    SIGTERM and Ctrl-C stop it: clients get what was sent to them, and a goodbye; then it exits with
    code 0. A second signal ends it at once. sockwave reload replaces the processes of --workers.
    """
    from sockwave import Server  # not at the top: `sockwave --version` needs none of it

    place = Place(**place_given)
    if serves_webtransport and (place.certfile is None or place.unix_path is not None):
        raise click.UsageError("--webtransport needs a port, and --certfile")
    if workers is not None and not place.is_port:
        raise click.UsageError("--workers open their own port: no --unix-path, no --fd")
    if reload_dirs and not reload:
        raise click.UsageError("--reload-dir goes with --reload")
    password = prepare_admin() if admin else None
    if reload and not is_reloaded():
        if workers is not None:
            raise click.UsageError("--reload is for one process; for --workers: sockwave reload")
        place.check()
        if password is not None:
            told_admin("", password)
        sys.exit(run_and_reload(reload_dirs, place.fd))
    if env_file is not None:
        read_environment(env_file)
    # As `python -m` does: the user's own module is next to where they stand.
    sys.path.insert(0, os.getcwd())
    show_logs(log_level, worker_name(), log_format)
    served = load(target)
    web = None if app is None else as_asgi(app, load(app))
    if admin and not isinstance(served, Server):
        raise Failure(f"{target} is not a sockwave.Server, as --admin needs")
    if isinstance(served, Server):
        if admin and open_admin(served) and password is not None:
            told_admin(served.path, password)
        if reload:
            served.checks.development = True
        if root_path is not None and web is None:
            raise Failure(f"--root-path is for an application: give {target} the option path")
        if workers is not None:
            check_workers(workers)
        elif unresponsive_timeout is not None:
            raise click.UsageError("--unresponsive-timeout goes with --workers")
        if health is not None:
            serve_health(served, health)
        if metrics_port is not None:
            serve_metrics(served, metrics_port)
        run_it = functools.partial(
            served.run,
            workers=workers,
            drain_period=drain_period,
            shutdown_timeout=shutdown_timeout,
            **given(unresponsive_timeout=unresponsive_timeout),
            **(webtransport_for(served, place) if serves_webtransport else {}),
        )
        serve = functools.partial(
            serve_socketio, target, run_it, web, place, log_level, given(root_path=root_path)
        )
    elif web is None:
        wanted = {
            "--webtransport": serves_webtransport or None,
            "--workers": workers,
            "--metrics": metrics_port,
            "--drain-period": drain_period,
            "--shutdown-timeout": shutdown_timeout,
            "--unresponsive-timeout": unresponsive_timeout,
            "--health": health,
        }
        for option in (name for name, value in wanted.items() if value is not None):
            raise Failure(f"{target} is not a sockwave.Server, as {option} needs")
        asgi = as_asgi(target, served, wanted="neither a sockwave.Server nor")
        serve = functools.partial(
            serve_asgi, target, asgi, place, log_level, given(root_path=root_path)
        )
    else:
        raise Failure(f"{target} is not a sockwave.Server, which --app needs")
    if told_worker() is not None:  # the supervisor has the port, and the last word
        serve()
        return
    if workers is None or not _has_inherited_socket():
        place.check()
    with pid_file(pid_path), serving():
        serve()


def told_admin(path: str, password: str) -> None:
    """Say where the Admin UI is, and how to get in."""
    where = f" at [bold cyan]{path}/admin/[/bold cyan]" if path else ""
    say(f"Admin UI{where}: [bold]{USERNAME}[/bold], [bold]{password}[/bold]")


def read_environment(name: str) -> None:
    """Read variables of the environment from a file; those that are set already stay.

    Raises:
        Failure: It cannot be read, or there is nothing to read it with.
    """
    try:
        import dotenv
    except ModuleNotFoundError as error:
        raise Failure('--env-file needs python-dotenv: pip install "sockwave[reload]"') from error
    if not os.path.isfile(name):
        raise Failure(f"--env-file: there is no file {name}")
    try:
        dotenv.load_dotenv(name)
    except OSError as error:
        raise Failure(f"--env-file: {name} cannot be read: {error.strerror}") from error
    except ValueError as error:  # one line of it holds no text, or no name
        raise Failure(f"--env-file: {name} holds no variables: {error}") from error


def _has_inherited_socket() -> bool:
    from sockwave.workers.ports import has_inherited_socket

    return has_inherited_socket()


def check_workers(workers: int | Literal["auto"]) -> None:
    """Refuse what `run` of the server would, in one line.

    Raises:
        Failure: Too many, or this system cannot do it.
    """
    from sockwave.workers.running import worker_count as checked

    try:
        checked(workers)
    except ValueError as error:
        raise Failure(str(error)) from error


def serve_health(server: Server, path: str) -> None:
    """Let a server answer about its health.

    Raises:
        Failure: Not at this path.
    """
    try:
        server.serve_health(path)
    except ValueError as error:
        raise Failure(f"--health: {str(error).removeprefix('health: ')}") from error


def serve_metrics(served: Server, port: int) -> None:
    """Let Prometheus ask on a port of its own.

    Raises:
        Failure: Its library is not installed, or the program has metrics at its registry already.
    """
    try:
        from sockwave.metrics import PrometheusMetrics

        PrometheusMetrics(served).listen(port)
    except (ImportError, ValueError) as error:
        raise Failure(f"--metrics: {error}") from error


def webtransport_for(io: Server, place: Place) -> dict[str, Any]:
    """Keywords of `Server.run` for WebTransport.

    Raises:
        Failure: It cannot be served: what `run` would say, in one line.
    """
    from sockwave import WebTransport
    from sockwave.engine.server.fronts.webtransport import check_webtransport, loaded

    assert place.certfile is not None  # `run` has looked
    webtransport = WebTransport(place.certfile, place.keyfile)
    try:
        check_webtransport(io.engine, webtransport)
        loaded(webtransport)
    except (ImportError, OSError, ValueError) as error:
        raise Failure(str(error)) from error
    return {"webtransport": webtransport}


def given(**options: Any) -> dict[str, Any]:
    """Those that have a value; the server has its own for the others."""
    return {name: value for name, value in options.items() if value is not None}


def worker_name() -> str:
    """What the log calls this process, in a worker; empty in any other."""
    if told_worker() is None:
        return ""
    from sockwave.workers.identity import Identity

    identity = Identity.of_this_process()
    return "" if identity is None else f"worker {identity.index}, pid {os.getpid()}"


def load(target: str) -> object:
    """Import what `module:name` names.

    Raises:
        Failure: There is no such module or name. An error inside the module is printed with its
            traceback first: it is the user's own code, and the line alone would not help.
    """
    module_name, _, name = target.partition(":")
    if not (module_name and name):
        likely = os.path.basename(target).removesuffix(".py")
        example = f"{likely if likely.isidentifier() else 'chat'}:io"
        raise Failure(f"{target!r} is not of the form module:name, for example {example}")
    _check_module_name(module_name, name)
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


def _check_module_name(module_name: str, name: str) -> None:
    """Refuse the path of a file, which people try first.

    Raises:
        Failure: Says what to write.
    """
    is_file = module_name.endswith(".py") and os.path.isfile(module_name)
    if not is_file and "/" not in module_name and os.sep not in module_name:
        return
    parts = os.path.normpath(module_name).removesuffix(".py").split(os.sep)
    if not all(part.isidentifier() for part in parts):
        raise Failure(f"{module_name!r} is a path: go there, and give the module's name alone")
    wanted = f"{'.'.join(parts)}:{name}"
    raise Failure(f"{module_name!r} is a path, and a module is wanted without .py: {wanted}")


def as_asgi(target: str, candidate: object, *, wanted: str = "not") -> AsgiApp:
    """Return `candidate` if it can be called as an ASGI 3 application."""
    from sockwave.engine.server.fronts.asgi_apps import is_asgi, what_it_is

    if is_asgi(candidate):
        return cast("AsgiApp", candidate)
    raise Failure(f"{target} is {wanted} an ASGI application: {what_it_is(candidate)}")


def warn_without_server(target: str, app: AsgiApp) -> None:
    """Say so when clients of Socket.IO will find nobody in an application."""
    from sockwave.cli.inside import has_server, name_of_server

    if has_server(app):
        return
    module_name = target.partition(":")[0]
    name = name_of_server(sys.modules[module_name]) or "io"
    click.secho(
        f"Note: no sockwave.Server was found in {target}: clients of Socket.IO get its answers,"
        f" most likely 404. To serve both: sockwave run {module_name}:{name} --app {target}",
        fg="yellow",
        err=True,
    )


def serve_socketio(
    target: str,
    run: Callable[..., None],
    web: AsgiApp | None,
    place: Place,
    log_level: str,
    web_options: dict[str, Any],
) -> None:
    """Serve a Server, and an application behind it if there is one, until told to stop."""
    if web is None:
        where = place.for_server()
    else:
        where, tls = place.for_server_with_app()
        options = {"log_config": None, "log_level": log_level, **tls, **web_options}
        where.update(app=web, uvicorn_options=options)
    run(on_listening=lambda listener: say(welcome(target, listener)), **where)


def welcome(target: str, listener: Listener) -> str:
    """The line that says where it is."""
    where = f"{listener.url}/" if listener.port else listener.host
    return f"[bold]{target}[/bold] on [bold cyan]{where}[/bold cyan]  [dim]Ctrl-C stops it.[/dim]"


def serve_asgi(
    target: str, app: AsgiApp, place: Place, log_level: str, options: dict[str, Any]
) -> None:
    """Serve an ASGI application by uvicorn until told to stop."""
    import uvicorn

    from sockwave.engine.server.fronts.hosting import WithoutQuery

    warn_without_server(target, app)
    WithoutQuery().begin()  # session ids stand in queries, and tokens
    uvicorn.run(app, log_level=log_level, log_config=None, **place.for_uvicorn(), **options)


def _fail_to_import(module_name: str, error: Exception) -> NoReturn:
    traceback.print_exception(type(error), error, _from_the_module(error.__traceback__))
    raise Failure(f"module {module_name!r} cannot be imported: {error}") from error


def _from_the_module(frames: TracebackType | None) -> TracebackType | None:
    """Drop our own frames and importlib's: they say nothing about the user's mistake."""
    while frames is not None:
        filename = frames.tb_frame.f_code.co_filename
        if filename != _OUR_FILE and "importlib" not in filename:
            return frames
        frames = frames.tb_next
    return None
