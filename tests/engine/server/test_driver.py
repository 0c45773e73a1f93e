"""The driver in a loop of its own: the flush, deadlines, tasks, threads and accounts."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.engine.core.heartbeat import LATE
from sockwave.engine.core.options import EngineOptions, Limits
from sockwave.engine.core.session import Session
from sockwave.engine.io.loop import DEADLINES_PER_TICK
from sockwave.engine.server.driver import FLUSH_SECONDS, FLUSHES_PER_LOOK, Driver
from sockwave.types import DisconnectReason, SessionId
from tests.engine.core.fakes import FakeSink, FakeTransport
from tests.support.patient_loop import PatientLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def make_driver(**limits: int) -> Driver:
    """A driver bound to the running loop."""
    driver = Driver(
        EngineOptions(limits=Limits(**limits)),
        ended=lambda session, reason, description: driver.forget_backlog(session),
        upgraded=lambda session: None,
    )
    driver.bind(asyncio.get_running_loop())
    return driver


def run(
    main: Callable[[], Coroutine[Any, Any, None]],
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> None:
    """Run to the end; what nobody caught fails the test."""
    uncaught: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.get_loop().set_exception_handler(lambda loop, context: uncaught.append(context))
        runner.run(main())
    assert not uncaught


def open_session(driver: Driver) -> tuple[Session, FakeTransport, FakeSink]:
    transport, sink = FakeTransport(), FakeSink()
    session = Session(SessionId("s"), transport, driver)
    session.sink = sink
    transport.receiver = session
    return session, transport, sink


class FakeFlushable:
    """Notes when it is flushed."""

    def __init__(self, flushed: list[FakeFlushable]) -> None:
        self._flushed = flushed

    def flush(self) -> None:
        self._flushed.append(self)


# --- the flush ------------------------------------------------------------------------------------


def test_what_is_dirty_is_flushed_once_at_the_end_of_the_turn() -> None:
    async def main() -> None:
        driver, flushed = make_driver(), list[FakeFlushable]()
        first, second = FakeFlushable(flushed), FakeFlushable(flushed)
        driver.flush_later(first)
        driver.flush_later(second)
        assert flushed == []
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert flushed == [first, second]

    run(main)


def test_crowd_is_flushed_in_slices_with_turns_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(Driver, "turn_clock", lambda driver: now)

    class Slow(FakeFlushable):
        def flush(self) -> None:
            nonlocal now
            now += FLUSH_SECONDS / (2 * FLUSHES_PER_LOOK)
            super().flush()

    async def main() -> None:
        driver, flushed = make_driver(), list[FakeFlushable]()
        for _ in range(10 * FLUSHES_PER_LOOK + 5):
            driver.flush_later(Slow(flushed))
        counts = []
        for _ in range(6):
            await asyncio.sleep(0)
            counts.append(len(flushed))
        assert counts[0] == 3 * FLUSHES_PER_LOOK  # the clock is first looked at behind the first
        assert counts[-1] == 10 * FLUSHES_PER_LOOK + 5

    run(main)


def test_what_becomes_dirty_during_the_flush_is_flushed_too() -> None:
    async def main() -> None:
        driver, flushed = make_driver(), list[FakeFlushable]()

        class Again(FakeFlushable):
            def flush(self) -> None:
                driver.flush_later(FakeFlushable(flushed))

        driver.flush_later(Again(flushed))
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(flushed) == 1

    run(main)


def test_failure_of_one_flush_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        driver, flushed = make_driver(), list[FakeFlushable]()

        class Broken(FakeFlushable):
            def flush(self) -> None:
                raise ValueError("oops")

        driver.flush_later(Broken(flushed))
        driver.flush_later(FakeFlushable(flushed))
        await asyncio.sleep(0)
        assert len(flushed) == 1

    run(main)
    assert "internal error while sending" in caplog.text


# --- deadlines ------------------------------------------------------------------------------------


class FakeEntry:
    """Notes when its deadline has come."""

    def __init__(self, action: Callable[[], None] = lambda: None) -> None:
        self.wheel_slot = 0
        self.times: list[float] = []
        self._action = action

    def handle_timeout(self, now: float) -> None:
        self.times.append(now)
        self._action()


def test_deadline_comes_in_time_whatever_was_scheduled_before() -> None:
    async def main() -> None:
        driver = make_driver()
        late, early, never = FakeEntry(), FakeEntry(), FakeEntry()
        now = driver.clock()
        driver.schedule(late, now + 60)
        driver.schedule(early, now + 0.02)
        driver.schedule(never, now + 0.02)
        driver.cancel(never)
        await asyncio.sleep(0.06)
        assert (late.times, never.times) == ([], [])
        assert early.times[0] >= now + 0.02

    run(main, PatientLoop)


def test_deadline_may_be_set_anew_when_it_has_come() -> None:
    async def main() -> None:
        driver = make_driver()
        entry = FakeEntry(lambda: driver.schedule(entry, driver.clock() + 0.01))
        driver.schedule(entry, driver.clock() + 0.01)
        await asyncio.sleep(0.1)
        assert len(entry.times) >= 3

    run(main, PatientLoop)


def test_crowd_of_deadlines_is_worked_off_in_slices() -> None:
    async def main() -> None:
        driver = make_driver()
        entries = [FakeEntry() for _ in range(2 * DEADLINES_PER_TICK + 1)]
        for entry in entries:
            driver.schedule(entry, driver.clock() + 0.01)
        await asyncio.sleep(0.08)
        assert all(len(entry.times) == 1 for entry in entries)

    run(main, PatientLoop)


def test_failure_at_one_deadline_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        driver, good = make_driver(), FakeEntry()

        def fail() -> None:
            raise ValueError("oops")

        driver.schedule(FakeEntry(fail), driver.clock())
        driver.schedule(good, driver.clock() + 0.01)
        await asyncio.sleep(0.05)
        assert len(good.times) == 1

    run(main, PatientLoop)
    assert "internal error at a deadline" in caplog.text


def test_after_a_long_stop_clients_are_heard_before_anybody_is_judged() -> None:
    async def main() -> None:
        driver = make_driver()
        loop = asyncio.get_running_loop()
        stopped = 0.0
        driver.clock = lambda: loop.time() + stopped  # type: ignore[method-assign] # a stop
        entry = FakeEntry()
        driver.schedule(entry, loop.time() + 0.01)
        stopped = LATE + 1
        await asyncio.sleep(0.03)
        assert entry.times == []
        await asyncio.sleep(0.06)
        assert len(entry.times) == 1

    run(main, PatientLoop)


# --- tasks ----------------------------------------------------------------------------------------


def test_coroutine_that_never_waits_runs_to_its_end() -> None:
    async def main() -> None:
        driver, done = make_driver(), list[int]()

        async def work() -> None:
            done.append(1)

        driver.spawn(work())
        if sys.version_info >= (3, 12):
            assert done == [1], "eager: before anything else"
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert done == [1]
        assert driver.cancel_tasks() == []

    run(main)


def test_task_is_owned_until_its_end() -> None:
    async def main() -> None:
        driver, go_on = make_driver(), asyncio.Event()

        async def work() -> None:
            await go_on.wait()

        driver.spawn(work())
        await asyncio.sleep(0)
        assert len(driver._tasks) == 1
        go_on.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert driver._tasks == set()

    run(main)


def test_cancelling_ends_all_tasks_but_the_one_that_asks() -> None:
    async def main() -> None:
        driver, ended = make_driver(), list[str]()

        async def wait() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append("wait")

        async def stop() -> None:
            await asyncio.sleep(0)
            await asyncio.wait(driver.cancel_tasks())
            ended.append("stop")

        driver.spawn(wait())
        driver.spawn(stop())
        await asyncio.sleep(0.01)
        assert ended == ["wait", "stop"]
        assert driver._tasks == set()

    run(main, PatientLoop)


# --- threads and loops ----------------------------------------------------------------------------


def test_driver_knows_the_thread_of_its_loop() -> None:
    async def main() -> None:
        driver = make_driver()
        assert not driver.is_foreign_thread()
        assert await asyncio.to_thread(driver.is_foreign_thread)

    run(main)


def test_calls_of_a_thread_keep_their_order() -> None:
    async def main() -> None:
        driver, calls = make_driver(), list[int]()

        def work() -> None:
            for at in range(100):
                driver.call_from_thread(calls.append, at)

        await asyncio.to_thread(work)
        await asyncio.sleep(0)
        assert calls == list(range(100))

    run(main)


def test_driver_without_a_loop_says_so() -> None:
    driver = Driver(EngineOptions(), ended=print, upgraded=print)
    assert not driver.is_bound
    with pytest.raises(RuntimeError, match="the server is not running"):
        driver.clock()


def test_who_waits_for_a_loop_is_called_in_it_once() -> None:
    driver = Driver(
        EngineOptions(),
        ended=lambda session, reason, description: None,
        upgraded=lambda session: None,
    )
    called: list[tuple[str, object, bool]] = []

    def note(when: str) -> None:
        called.append((when, asyncio.get_running_loop(), driver.is_foreign_thread()))

    driver.when_bound(lambda: note("before"))

    async def main() -> None:
        driver.bind()
        driver.when_bound(lambda: note("after"))
        assert called == []
        await asyncio.to_thread(driver.when_bound, lambda: note("thread"))
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        assert called == [(when, loop, False) for when in ("before", "after", "thread")]

    asyncio.run(main())
    asyncio.run(bind_again(driver))
    assert len(called) == 3


async def bind_again(driver: Driver) -> None:
    driver.bind()
    await asyncio.sleep(0)


def test_driver_in_use_is_not_taken_to_another_loop() -> None:
    class Connected:
        def abort(self) -> None: ...

    with asyncio.Runner() as one, asyncio.Runner() as other:

        async def bind() -> Driver:
            return make_driver()

        driver = one.run(bind())
        driver.connections.add(Connected())  # type: ignore[arg-type] # enough for the test
        with pytest.raises(RuntimeError, match="in use in another event loop"):
            driver.bind(other.get_loop())


def test_driver_takes_a_new_loop_when_nobody_is_connected() -> None:
    driver = Driver(EngineOptions(), ended=print, upgraded=print)

    async def main() -> None:
        driver.bind(asyncio.get_running_loop())
        entry = FakeEntry()
        driver.schedule(entry, driver.clock())
        await asyncio.sleep(0.03)
        assert len(entry.times) == 1

    run(main, PatientLoop)
    run(main, PatientLoop)


# --- accounts -------------------------------------------------------------------------------------


def test_session_with_the_most_unsent_ends_when_the_process_holds_too_much() -> None:
    async def main() -> None:
        driver = make_driver(process_backlog=50_000)
        opened = [open_session(driver) for _ in range(3)]
        for (session, transport, _), size in zip(opened, (10_000, 25_000, 20_000), strict=True):
            transport.block()
            session.send_packet(b"4" * size, size)
        for _ in range(3):
            await asyncio.sleep(0)
        assert [sink.reasons for _, _, sink in opened] == [
            [],
            [(DisconnectReason.BACKLOG_EXCEEDED, "the process holds too much unsent")],
            [],
        ]
        assert driver.backlog == opened[0][0].held + opened[2][0].held >= 30_000

    run(main)


def test_account_is_even_again_when_everybody_has_read() -> None:
    async def main() -> None:
        driver = make_driver()
        session, transport, _ = open_session(driver)
        transport.block()
        for _ in range(10):
            session.send_packet(b"4" * 50_000, 50_000)
            await asyncio.sleep(0)
        assert 0 < driver.backlog <= session.held
        transport.unblock()
        assert (driver.backlog, driver._lagging) == (0, set())

    run(main)


def test_session_that_ends_leaves_the_account() -> None:
    async def main() -> None:
        driver = make_driver()
        session, transport, _ = open_session(driver)
        transport.block()
        session.send_packet(b"4" * 50_000, 50_000)
        await asyncio.sleep(0)
        session.discard()
        assert (driver.backlog, driver._lagging) == (0, set())

    run(main)
