"""Everything that differs from one operating system to another, behind one door.

Nothing else of the package asks what it runs on, nor imports what only some systems have. Each
function looks when it is called, so a test can set `name` and see what another system would do
(`make test-elsewhere`); it imports what it needs only then.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable, Iterator

__all__ = [
    "after_fork_in_child",
    "awake_clock",
    "check_unix_sockets",
    "claim_file",
    "has_terminal",
    "has_unix_packets",
    "is_same_user",
    "is_windows",
    "keep_for_ever",
    "keep_freed_memory",
    "keep_port_after_restart",
    "memory_limit",
    "new_event_loop",
    "open_files_limit",
    "reason_of",
    "share_datagrams",
    "share_port",
    "stopping_on_signals",
    "supervising_signals",
    "tcp_progress",
    "unix_socket",
]

name: str = sys.platform
"""As `sys.platform`, which the standard library has read already when a test sets this one."""

_CGROUP_LIMITS: Final = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)

_NO_LIMIT: Final = 2**50
"""A cgroup without a limit says so by a number that no machine has as memory."""

_ACKED_BYTES: Final = 120
"""Where `tcpi_bytes_acked` is in `struct tcp_info`, since Linux 4.1."""

KEPT_HEAP: Final = 16 * 1024 * 1024
"""Bytes of freed memory that a process of ours may keep; see `keep_freed_memory`."""

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
"""Of `mallopt`, in glibc's `malloc.h`."""

_MMAPPED: Final = 1024 * 1024
"""Bytes from which on a piece of memory is mapped by itself, and given back with it. Once the other
threshold is set, glibc no longer raises this one above 128 kB where it would help."""

_HEAP_VARIABLES: Final = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")

_WAKE_UP: Final = 0.25
"""Seconds after which a loop that a signal cannot wake looks whether there was one."""


def is_windows() -> bool:
    """Whether this is Windows."""
    return name == "win32"


# --- the event loop -------------------------------------------------------------------------------


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Make the fastest event loop there is: uvloop's, or else the standard one."""
    try:
        import uvloop
    except ImportError:
        import asyncio

        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


@contextmanager
def stopping_on_signals(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` in the running loop at the first SIGINT or SIGTERM.

    The next one has its default effect, at once. Ctrl-Break of Windows counts as well. Signals
    belong to the main thread: in another one nothing is done about them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    import asyncio

    loop = asyncio.get_running_loop()
    before = [(number, signal.getsignal(number)) for number in _stop_signals()]
    taken = _by_loop(loop, stop) if _has_loop_signals(loop) else _by_interpreter(loop, stop)
    with taken:
        try:
            yield
        finally:
            for number, handler in before:
                # None stands for one that was not set by Python, which cannot be set again.
                signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def supervising_signals(
    stop: Callable[[signal.Signals], None], reload: Callable[[], None]
) -> Iterator[None]:
    """Call these in the running loop at each SIGINT, SIGTERM and SIGHUP; not on Windows."""
    import asyncio

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    loop.add_signal_handler(signal.SIGHUP, reload)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)


def _stop_signals() -> list[signal.Signals]:
    ctrl_break = getattr(signal, "SIGBREAK", None)
    return [signal.SIGINT, signal.SIGTERM, *([ctrl_break] if ctrl_break is not None else [])]


def _has_loop_signals(loop: asyncio.AbstractEventLoop) -> bool:
    if is_windows():
        return False
    try:
        loop.remove_signal_handler(signal.SIGTERM)
    except NotImplementedError:
        return False
    return True


@contextmanager
def _by_loop(loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> Iterator[None]:
    """Have the loop tell of signals."""
    numbers = _stop_signals()

    def stopping() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        stop()

    for number in numbers:
        loop.add_signal_handler(number, stopping)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@contextmanager
def _by_interpreter(loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> Iterator[None]:
    """Have the interpreter tell of signals, between two instructions of the main thread.

    On Windows nothing but the proactor's loop is woken by Ctrl-C, so this one wakes up by itself.
    """
    numbers = _stop_signals()
    timer: asyncio.TimerHandle | None = None

    def stopping(number: int, frame: Any) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)
        loop.call_soon_threadsafe(stop)

    def wake_up() -> None:
        nonlocal timer
        timer = loop.call_later(_WAKE_UP, wake_up)

    for number in numbers:
        signal.signal(number, stopping)
    wake_up()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()


# --- limits ---------------------------------------------------------------------------------------


def open_files_limit() -> int | None:
    """How many files and connections the process may have open; None where there is no limit."""
    resource = _resource()
    if resource is None:
        return None
    soft: int = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def memory_limit() -> int | None:
    """Bytes that the process may use (cgroup, address space); None where there is no limit."""
    limits = []
    for path in _CGROUP_LIMITS:
        with suppress(OSError):
            with open(path) as file:
                text = file.read().strip()
            if text.isdigit() and int(text) < _NO_LIMIT:
                limits.append(int(text))
    resource = _resource()
    if resource is not None and hasattr(resource, "RLIMIT_AS"):
        soft = resource.getrlimit(resource.RLIMIT_AS)[0]
        if soft != resource.RLIM_INFINITY:  # of which libraries and threads have taken much already
            limits.append(max(soft - _mapped(resource.getpagesize()), 0))
    return min(limits, default=None)


def _resource() -> Any:
    """The module of that name, which only Unix has."""
    try:
        import resource
    except ImportError:
        return None
    return resource


def _mapped(page: int) -> int:
    """Bytes of address space that the process has; 0 where nobody tells."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * page
    except OSError:
        return 0


def keep_freed_memory() -> None:
    """Let the C library keep what is freed at the end of its heap, up to `KEPT_HEAP`.

    By itself glibc gives everything past 128 kB back to the system and asks for it again at once:
    with messages of some kilobytes that is three calls of the system for each. Nothing is done
    where there is another C library, or where the environment says how this one is to be.
    """
    if not name.startswith("linux") or any(each in os.environ for each in _HEAP_VARIABLES):
        return
    import ctypes

    try:
        library = ctypes.CDLL(None)
        is_glibc = hasattr(library, "gnu_get_libc_version")
        if is_glibc:
            library.mallopt(_TRIM_THRESHOLD, KEPT_HEAP)
            library.mallopt(_MMAP_THRESHOLD, _MMAPPED)
    except (OSError, AttributeError):
        pass  # a static interpreter, or one without that


# --- sockets --------------------------------------------------------------------------------------


def check_unix_sockets(option: str) -> None:
    """Refuse an option that needs Unix sockets where there are none.

    Raises:
        ValueError: There are none.
    """
    import socket

    if is_windows() or not hasattr(socket, "AF_UNIX"):
        raise ValueError(f"{option}: there are no Unix sockets on this system ({name})")


def is_same_user(sock: socket.socket) -> bool:
    """Whether the process at the other end of a Unix socket is of this one's user.

    True where the system does not tell: then it is the mode of the socket's directory alone that
    keeps others out.
    """
    import socket
    import struct

    if not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = struct.Struct("3i")
    told = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
    user: int = credentials.unpack(told)[1]
    return user == os.getuid()


def unix_socket(kind: Literal["packets", "datagrams", "stream"]) -> socket.socket:
    """A Unix socket; the first two kinds keep the limits of what is sent, with connections or
    without."""
    import socket

    if kind == "stream":
        return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    kinds = {"packets": socket.SOCK_SEQPACKET, "datagrams": socket.SOCK_DGRAM}
    return socket.socket(socket.AF_UNIX, kinds[kind])


def has_unix_packets() -> bool:
    """Whether there are Unix sockets with connections that keep the limits of what is sent; macOS
    has none."""
    try:
        unix_socket("packets").close()
    except (OSError, AttributeError):
        return False
    return True


def claim_file(path: str) -> int | None:
    """Make a file this process's own, among those that ask this way; not on Windows.

    It is made if it is not there. It is free again when the descriptor is closed, which the end of
    the process does, however that comes.

    Returns:
        The descriptor; None while the file is another's.
    """
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor


def share_port(sock: socket.socket) -> None:
    """Let several sockets of this user listen on one port, where there is such a thing.

    The kernel deals new connections out among them.
    """
    import socket

    keep_port_after_restart(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def share_datagrams(sock: socket.socket) -> None:
    """Let several UDP sockets of this user have one port, where there is such a thing.

    The kernel deals datagrams out among them, by the addresses of clients. Not with the option of
    `share_port` for restarts, by which sockets of other users could take the port as well.
    """
    import socket

    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def keep_port_after_restart(sock: socket.socket) -> None:
    """Let a socket take a port on which connections of a server before it linger.

    Windows lets it by itself, and means something else by the option: that others may take the
    port at the same time.
    """
    import socket

    if not is_windows():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def tcp_progress(sock: socket.socket | None) -> tuple[int, int] | None:
    """How far a TCP connection's peer is, as Linux knows it; None where nobody tells.

    Returns:
        Bytes that its machine has acknowledged, and those that ours still holds for it.
    """
    if sock is None or not name.startswith("linux"):
        return None
    import fcntl
    import socket
    import struct
    import termios

    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED_BYTES + 8)
        (waiting,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))
        (taken,) = struct.unpack_from("Q", info, _ACKED_BYTES)
    except (OSError, ValueError, TypeError, struct.error):  # no TCP, closed, an older kernel
        return None
    return taken, waiting


def reason_of(error: OSError) -> str:
    """What the system says to an error, in lower case: `address already in use`."""
    import socket

    if error.errno is None:
        return str(error)
    if isinstance(error, socket.gaierror):  # its numbers are none of the system's
        return (error.strerror or str(error)).lower()
    if is_windows():  # where `os.strerror` does not know the errors of sockets
        text = (error.strerror or str(error)).rpartition("): ")[2]  # behind what asyncio adds
        return text.rstrip(".").lower()
    return os.strerror(error.errno).lower()


# --- clocks ---------------------------------------------------------------------------------------


def awake_clock() -> float:
    """Seconds of a clock that also runs while the machine sleeps, where there is one."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None or is_windows() else time.clock_gettime(boot)


# --- the process ----------------------------------------------------------------------------------


def after_fork_in_child(function: Callable[[], object]) -> None:
    """Call a function in each process that is forked from this one, where there is such a thing."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)


def has_terminal() -> bool:
    """Whether a person reads what goes to standard error; a program without a window has none."""
    return sys.stderr is not None and sys.stderr.isatty()


def keep_for_ever(value: object) -> None:
    """Never collect an object, not at the end of the interpreter either.

    For what a forked process has inherited: the end of an event loop's connection there would
    change what the parent's loop waits for, since the two share that with the kernel.
    """
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))
