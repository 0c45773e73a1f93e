"""The public suite of adapters, on an engine that has trouble: one form for all carriers.

    class TestRedis(FaultSuite):
        adapter = RedisAdapter

        def make_engine(self) -> Redis: ...
        def address_of(self, engine: Redis) -> str: ...
        def cut(self, engine: Redis) -> None: ...

All tests of the suite are run side by side, each in a thread, with servers of its own that use the
one engine. When all of them know each other the trouble begins, and when it is over, and they hear
each other again, every test must pass. So each kind of trouble costs its time once.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

import pytest

from sockwave.testing import AdapterSuite, FaultProxy
from tests.live.programs import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sockwave.testing import AdapterMaker, ClusterStage

__all__ = ["FaultSuite"]

Engine = TypeVar("Engine", bound=Program)

PAUSE: Final = 10.0
"""Seconds for which an engine stands still: longer than heartbeats may be silent."""

AWAY: Final = 3.0
"""Seconds for which it is not there."""

PATIENCE: Final = 60.0
"""Seconds for all that a test of the suite waits for; so many at a time take longer."""

TESTS: Final = sorted(name for name in dir(AdapterSuite) if name.startswith("test_"))


@pytest.mark.timeout(400)  # each is the whole suite, with a trouble of ten seconds in it
class FaultSuite(Generic[Engine]):
    """Tests of an adapter whose engine has trouble: inherit from it, and say which.

    Attributes:
        adapter: Made for each server, of the address of the engine.
        options: For it.
    """

    adapter: ClassVar[Callable[..., Any]]
    options: ClassVar[Mapping[str, Any]] = {}

    def make_engine(self) -> Engine:
        """Make an engine that may be broken, not started."""
        raise NotImplementedError

    def address_of(self, engine: Engine) -> str:
        """What the adapter takes; has the port of the engine in it."""
        raise NotImplementedError

    def cut(self, engine: Engine) -> None:
        """Cut connections of servers, once, as an administrator or a network would."""
        raise NotImplementedError

    def fill(self, engine: Engine) -> None:
        """Let it reach the limit of its memory, or of what else it can take."""
        raise NotImplementedError

    def empty(self, engine: Engine) -> None:
        """Let it have room again."""
        raise NotImplementedError

    # --- tests ------------------------------------------------------------------------------------

    async def test_all_is_well_after_a_restart(self) -> None:
        await self._disturbed(lambda engine: engine.restart())

    async def test_all_is_well_when_it_was_away(self) -> None:
        def trouble(engine: Engine) -> None:
            engine.stop()
            threading.Event().wait(AWAY)
            engine.start()

        await self._disturbed(trouble)

    async def test_all_is_well_when_it_has_stood_still_for_ten_seconds(self) -> None:
        def trouble(engine: Engine) -> None:
            engine.pause()
            threading.Event().wait(PAUSE)
            engine.resume()

        await self._disturbed(trouble)

    async def test_all_is_well_when_connections_were_cut(self) -> None:
        await self._disturbed(self.cut)

    async def test_all_is_well_when_its_memory_was_full(self) -> None:
        def trouble(engine: Engine) -> None:
            self.fill(engine)
            threading.Event().wait(AWAY)
            self.empty(engine)

        await self._disturbed(trouble)

    async def test_all_is_well_while_it_is_slow(self) -> None:
        with self.make_engine() as engine:
            async with FaultProxy("127.0.0.1", engine.port, seed=1) as proxy:
                proxy.set(delay=0.05, jitter=0.05)
                address = self.address_of(engine).replace(str(engine.port), str(proxy.port))
                await _Run(lambda: type(self).adapter(address, **self.options)).finish(None)

    async def _disturbed(self, trouble: Callable[[Engine], None]) -> None:
        with self.make_engine() as engine:
            address = self.address_of(engine)
            run = _Run(lambda: type(self).adapter(address, **self.options))
            await run.finish(lambda: trouble(engine))


class _Run:
    """The suite, once.

    Args:
        make: Makes the adapter of a server.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make
        self.is_over = threading.Event()
        self.met = threading.Barrier(len(TESTS) + 1)

    async def finish(self, trouble: Callable[[], None] | None) -> None:
        """Run all tests, with trouble once all their servers know each other.

        Raises:
            ExceptionGroup: Some have failed.
        """
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(len(TESTS) + 1) as pool:
            tests = [loop.run_in_executor(pool, self._run, name) for name in TESTS]
            try:
                with suppress(threading.BrokenBarrierError):
                    await loop.run_in_executor(pool, self.met.wait, PATIENCE)
                    if trouble is not None:
                        await loop.run_in_executor(pool, trouble)
            finally:
                self.is_over.set()
                outcomes = await asyncio.gather(*tests, return_exceptions=True)
        failed = [each for each in outcomes if isinstance(each, Exception)]
        broken = threading.BrokenBarrierError
        if failed := [each for each in failed if not isinstance(each, broken)] or failed:
            raise ExceptionGroup(f"{len(failed)} of {len(TESTS)} tests have failed", failed)

    def _run(self, name: str) -> None:
        try:
            getattr(_Disturbed(self), name)()
        except TimeoutError as error:  # which the loop would make anew, without its traceback
            self.met.abort()
            raise AssertionError(f"in {name}: this has not come, {vars(error)}") from error
        except Exception as error:
            self.met.abort()  # nobody has to wait for it
            error.add_note(f"in {name}: {vars(error)}")
            raise
        except pytest.fail.Exception as error:  # no Exception
            self.met.abort()
            raise AssertionError(f"in {name}: {error}") from error


class _Disturbed(AdapterSuite):
    """One test of the suite."""

    patience = PATIENCE
    short = 3.0

    def __init__(self, run: _Run) -> None:
        self._all = run

    async def make_adapter(self) -> AdapterMaker:
        made: AdapterMaker = self._all.make()
        return made

    async def disturb(self, cluster: ClusterStage) -> None:
        """Wait for the others, send all the time, and go on when the trouble is over."""
        await asyncio.to_thread(self._all.met.wait, PATIENCE)
        while not self._all.is_over.is_set():
            for number in range(len(cluster.servers)):
                cluster[number].to("nobody").emit("meanwhile", number)
            await asyncio.sleep(0.05)
        await cluster.meet()
