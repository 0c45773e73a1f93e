"""Whatever happens to a session, in whatever order: no packet is lost, doubled or overtaken."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sockwave.types import DisconnectReason
from tests.engine.core.fakes import FakePolling, FakeTransport, SessionUnderTest


class SessionAgainstModel(RuleBasedStateMachine):
    """The model: what was sent while the session was open, and whether a close was asked for."""

    under_test: SessionUnderTest

    def __init__(self) -> None:
        super().__init__()
        self.transports: list[FakeTransport] = []
        self.probe: FakeTransport | None = None
        self.sent: list[str] = []
        self.received: list[str | bytes] = []
        self.sent_before_end: list[str] | None = None
        self.close_asked = False
        self.was_cut = False
        self.counter = 0
        self.steps = 0

    @initialize(on_polling=st.booleans())
    def handshake(self, on_polling: bool) -> None:
        self.under_test = SessionUnderTest(FakePolling() if on_polling else FakeTransport())
        self.transports = [self.under_test.transport]

    # --- what is seen from outside ----------------------------------------------------------------

    @property
    def current(self) -> FakeTransport:
        return self.transports[-1]

    def may_end(self) -> bool:
        """Ends are for later: a session that lives long has more to show."""
        self.steps += 1
        return self.steps > 60

    def accepts(self) -> bool:
        return not self.close_asked and not self.under_test.reasons

    def seen(self) -> list[str]:
        """Messages that peers saw, over all transports of the session's life."""
        packets = [packet for transport in self.transports for packet in transport.sent]
        return [packet for packet in packets if packet.startswith("4")]

    # --- the application --------------------------------------------------------------------------

    @rule(count=st.integers(1, 3))
    def send(self, count: int) -> None:
        for _ in range(count):
            self.counter += 1
            if self.accepts():
                self.sent.append(f"4{self.counter}")
            self.under_test.send(str(self.counter))

    @precondition(may_end)
    @rule()
    def close(self) -> None:
        self.close_asked = True
        self.under_test.session.close()

    # --- the loop and the clock -------------------------------------------------------------------

    @rule()
    def tick(self) -> None:
        self.under_test.driver.tick()

    @rule(seconds=st.sampled_from([0.05, 0.2, 1.0, 9.0]))
    def time_passes(self, seconds: float) -> None:
        self.under_test.driver.advance(seconds)
        if self.under_test.reasons:
            self.was_cut = True

    # --- the peer ---------------------------------------------------------------------------------

    @precondition(lambda self: not self.current.end)
    @rule()
    def peer_reads(self) -> None:
        if isinstance(self.current, FakePolling):
            if not self.current.is_writable:
                self.current.poll()
        elif not self.current.is_writable:
            self.current.unblock()

    @precondition(lambda self: not self.current.end and self.current.name == "websocket")
    @rule()
    def peer_stops_reading(self) -> None:
        self.current.block()

    @precondition(lambda self: not self.current.end)
    @rule(binary=st.booleans())
    def peer_sends(self, binary: bool) -> None:
        self.counter += 1
        message: str | bytes = b"%d" % self.counter if binary else str(self.counter)
        if self.accepts():
            self.received.append(message)
        self.current.receive(message if isinstance(message, bytes) else f"4{message}")

    @precondition(lambda self: not self.current.end)
    @rule()
    def peer_pongs(self) -> None:
        self.current.receive("3")

    @precondition(lambda self: self.current.name == "polling" and self.accepts())
    @precondition(lambda self: self.probe is None or self.probe.end)
    @rule(is_full=st.booleans())
    def peer_probes(self, is_full: bool) -> None:
        self.probe, _ = self.under_test.probe()
        self.probe.receive("2probe")
        if is_full:
            self.probe.block()

    @precondition(lambda self: self.probe is not None and not self.probe.end)
    @rule()
    def peer_upgrades(self) -> None:
        assert self.probe is not None
        self.transports.append(self.probe)
        self.probe.receive("5")
        self.probe = None

    @precondition(lambda self: self.probe is not None and not self.probe.end)
    @rule(garbage=st.sampled_from(["4x", "2", "", "1"]))
    def peer_spoils_the_probe(self, garbage: str) -> None:
        assert self.probe is not None
        self.probe.receive(garbage)

    @precondition(lambda self: self.may_end() and not self.current.end)
    @rule(packet=st.sampled_from(["1", "2", "x"]))
    def peer_breaks_the_rules(self, packet: str) -> None:
        self.current.receive(packet)
        if self.under_test.reasons:
            self.was_cut = True

    @precondition(lambda self: self.may_end() and not self.current.end)
    @rule()
    def network_breaks(self) -> None:
        self.current.lose(DisconnectReason.TRANSPORT_ERROR)
        self.was_cut = True

    # --- what must hold ---------------------------------------------------------------------------

    @invariant()
    def messages_go_out_once_and_in_order(self) -> None:
        seen = self.seen()
        assert seen == self.sent[: len(seen)]

    @invariant()
    def messages_come_in_once_and_in_order(self) -> None:
        if self.transports:
            assert self.under_test.sink.messages == self.received

    @invariant()
    def nothing_is_lost_unless_the_session_was_cut(self) -> None:
        if self.transports and self.under_test.reasons and not self.was_cut:
            assert self.seen() == self.sent, "an orderly close sends everything first"

    @invariant()
    def nothing_goes_out_after_the_end(self) -> None:
        if self.transports and self.under_test.reasons:
            self.sent_before_end = self.sent_before_end or self.seen()
            assert self.seen() == self.sent_before_end

    @invariant()
    def transports_left_behind_have_ended(self) -> None:
        assert all(transport.end for transport in self.transports[:-1])
        if self.transports:
            session = self.under_test.session
            # After an upgrade that failed, something stands in until the peer is seen again.
            assert self.current.receiver in (session, session._probe) or self.current.end

    @invariant()
    def session_ends_at_most_once_and_leaves_no_deadline(self) -> None:
        if self.transports and self.under_test.reasons:
            assert len(self.under_test.reasons) == 1
            assert len(self.under_test.driver.wheel) == 0
            assert self.under_test.state() == "CLOSED"

    @invariant()
    def backlog_is_the_queue(self) -> None:
        if self.transports:
            waiting = [packet for packet in self.sent if packet not in set(self.seen())]
            if self.under_test.reasons:
                assert self.under_test.session.backlog == 0
            else:
                pings = self.under_test.session.pending.count(b"2")
                assert self.under_test.session.backlog == sum(map(len, waiting)) + pings

    def teardown(self) -> None:
        """Let the peer read everything: a session that is open then has nothing left."""
        if self.transports and not self.under_test.reasons:
            for _ in range(3):
                self.under_test.driver.tick()
                if not self.current.end:
                    self.peer_reads()
            assert self.seen() == self.sent


TestSessionAgainstModel = SessionAgainstModel.TestCase
TestSessionAgainstModel.settings = settings(max_examples=150, stateful_step_count=40)
