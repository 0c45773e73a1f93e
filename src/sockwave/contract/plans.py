"""What is checked of the call of a handler; made once for each handler that is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sockwave.contract.annotations import UNKNOWN, default_of, function_of, read, unresolved
from sockwave.contract.checks import UnsupportedType, make_check
from sockwave.contract.results import Results, results_of
from sockwave.engine.core.handlers import name_of, place_of
from sockwave.errors import InvalidEvent
from sockwave.socketio.server.socket import Socket

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

    from sockwave.contract.annotations import Reading
    from sockwave.contract.checks import Check

__all__ = ["Plan", "make_plan"]


class Plan:
    """Checks the arguments of an event for one handler.

    Args:
        names: Of the parameters, to find their defaults.
        checks: Of each; None where everything is admitted.
        least: How many of them have no default.
        rest: Of all further arguments at once; None where they are not looked at.
        takes_rest: Whether there may be further ones.
        results: What is to be done with what the handler returns, if anything is.
        types: Of the parameters, as annotated.
        rest_type: Of all further arguments.

    Attributes:
        only: The check of the only argument, where a handler takes no other: most do.
    """

    __slots__ = (
        "_checks",
        "_least",
        "_names",
        "_rest",
        "_rest_type",
        "_takes_rest",
        "_types",
        "only",
        "results",
    )

    def __init__(
        self,
        names: tuple[str, ...],
        checks: tuple[Check | None, ...],
        least: int,
        rest: Check | None,
        takes_rest: bool,
        results: Results | None,
        types: tuple[Any, ...] = (),
        rest_type: Any = None,
    ) -> None:
        self._names = names
        self._checks = checks
        self._least = least
        self._rest = rest
        self._takes_rest = takes_rest
        self.results: Results | None = results
        self._types = types
        self._rest_type = rest_type
        self.only: Check | None = (
            checks[0] if len(checks) == least == 1 and not takes_rest else None
        )

    @property
    def checks_arguments(self) -> bool:
        """Whether anything is looked at before the call."""
        return self._rest is not None or any(check is not None for check in self._checks)

    def differs_from(self, other: Plan) -> str:
        """Where an argument is of another type than that of another handler, in words; or empty.

        What is not checked goes with everything, and so does an argument that the other one does
        not take: how many there may be, each handler says for itself.
        """
        for at in range(max(len(self._types), len(other._types)) + 1):  # and one further
            ours, theirs = self._checked_type(at), other._checked_type(at)
            if ours is UNKNOWN or theirs is UNKNOWN or ours == theirs:
                continue
            name = self._names[at] if at < len(self._names) else f"argument {at}"
            return f"{name!r} is {_written(ours)}"
        return ""

    def _checked_type(self, at: int) -> Any:
        """The annotation of an argument; UNKNOWN where anything goes."""
        if at < len(self._types):
            return UNKNOWN if self._checks[at] is None else self._types[at]
        return UNKNOWN if self._rest is None else self._rest_type

    def arguments(self, args: Sequence[Any], handler: Any) -> list[Any]:
        """The arguments for the call of a handler, of the types that it wants.

        Args:
            handler: Whose defaults stand for null.

        Raises:
            InvalidEvent: They are not admitted.
            TypeError: Too few or too many; with an `InvalidEvent` as its cause.
        """
        checks, least = self._checks, self._least
        count = len(args)
        if count < least or (count > len(checks) and not self._takes_rest):
            # As the call itself would: `on_error` and the log hear of it in the same way.
            reason = self._wanted(count)
            name = name_of(function_of(handler))
            raise TypeError(f"{name}(): {reason}") from InvalidEvent("$", reason)
        ready: list[Any] = []
        # Shorter than the checks where arguments with a default were left out.
        for at, (value, check) in enumerate(zip(args, checks, strict=False)):
            if value is None and at >= least:
                ready.append(default_of(handler, self._names[at]))
            elif check is None:
                ready.append(value)
            else:
                try:
                    ready.append(check(value))
                except InvalidEvent as error:
                    raise self._placed(error, at) from None
        if count > len(checks):
            ready.extend(self._further(list(args[len(checks) :])))
        return ready

    def _further(self, rest: list[Any]) -> list[Any]:
        if self._rest is None:
            return rest
        try:
            checked: list[Any] = self._rest(rest)
        except InvalidEvent as error:
            number, _, path = error.path.removeprefix("$[").partition("]")
            inside = InvalidEvent(f"${path}", error.reason)
            raise self._placed(inside, len(self._checks) + int(number)) from None
        return checked

    def _placed(self, error: InvalidEvent, at: int) -> InvalidEvent:
        """The same, with the argument in the path where there may be several."""
        if len(self._checks) == 1 and not self._takes_rest:
            return error
        return InvalidEvent(f"$[{at}]{error.path[1:]}", error.reason)

    def _wanted(self, count: int) -> str:
        most = len(self._checks)
        if self._takes_rest:
            wanted, last = f"at least {self._least}", self._least
        elif self._least == most:
            wanted, last = str(most), most
        else:
            wanted, last = f"{self._least} to {most}", most
        return f"Expected {wanted} argument{'' if last == 1 else 's'}, got {count}"


def make_plan(
    handler: Any, *, takes_socket: bool, strict: bool, left_out: Set[str] = frozenset()
) -> Plan | None:
    """Find out what to check; None where it is nothing.

    Args:
        takes_socket: The first parameter is the socket.
        left_out: Names of parameters that are no arguments of the event.

    Raises:
        TypeError: Something cannot be checked; the text says where, and what to do.
    """
    reading = read(handler, skipped=int(takes_socket), left_out=left_out)
    if reading is None:
        return None
    checks = tuple(
        _check_of(handler, name, annotation, strict)
        for name, annotation in zip(reading.names, reading.types, strict=True)
    )
    plan = Plan(
        reading.names,
        checks,
        reading.least,
        _check_of_rest(handler, reading, strict),
        reading.rest is not None,
        results_of(reading.result, place_of(handler)),
        reading.types,
        reading.rest,
    )
    return plan if plan.checks_arguments or plan.results is not None else None


def _written(annotation: Any) -> str:
    """A type as it is written, for people."""
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation)


def _check_of_rest(handler: Any, reading: Reading, strict: bool) -> Check | None:
    one = None if reading.rest is None else _check_of(handler, "*args", reading.rest, strict)
    if one is None:
        return None
    return _check_of(handler, "*args", list[reading.rest], strict)  # type: ignore[name-defined] # a value


def _check_of(handler: Any, name: str, annotation: Any, strict: bool) -> Check | None:
    if annotation is UNKNOWN or (isinstance(annotation, type) and issubclass(annotation, Socket)):
        return None
    try:
        return make_check(annotation, strict=strict)
    except NameError as error:
        raise unresolved(handler, name, annotation, error) from error
    except UnsupportedType as error:
        raise TypeError(
            f"handler {place_of(handler)}: what comes for {name!r} cannot be checked: {error}. "
            "Take a type that JSON can carry, such as a dataclass, a msgspec.Struct, a TypedDict or"
            " a union with tags; or Any, or register the handler with validate=False"
        ) from error
