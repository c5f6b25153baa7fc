"""The way out: finals always, one waiting partial at most, and bounds on bytes and on time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.wire import RecordingWire

from earful.protocol.codec import encode
from earful.protocol.messages import Final, Partial
from earful.service.outbox import Outbox, OutboxLimits


def partial(text: str, index: int = 0) -> Partial:
    """A partial of an utterance."""
    return Partial(text, timestamp=1, sequence=1, index=index, start_ms=0, end_ms=1)


def final(index: int = 0) -> bytes:
    """A final of an utterance, as text."""
    return encode(Final("f", timestamp=1, sequence=1, index=index, start_ms=0, end_ms=1, reason="silence"))


@pytest.fixture
def wire() -> RecordingWire:
    """A wire that takes everything."""
    return RecordingWire()


def texts(wire: RecordingWire) -> list[str]:
    """What was sent."""
    return [message["text"] for message in wire.sent]


def test_while_the_wire_is_free_everything_goes_out(wire: RecordingWire) -> None:
    """In order."""
    outbox = Outbox(wire, OutboxLimits())
    outbox.send_partial(partial("a"), 0.0)
    outbox.send_partial(partial("b"), 0.0)
    outbox.send_final(final(), 0, 0.0)
    assert ["a", "b", "f"] == texts(wire)
    assert not outbox.is_overdue(99.0)


def test_a_newer_partial_takes_the_place_of_one_that_waits(wire: RecordingWire) -> None:
    """It goes out when the wire is free."""
    outbox = Outbox(wire, OutboxLimits())
    wire.is_blocked = True
    for text in "abc":
        outbox.send_partial(partial(text), 0.0)
    assert (["a"], outbox.unsent_bytes) == (texts(wire), wire.unsent_bytes)
    wire.take(wire.unsent_bytes)
    outbox.drained()
    outbox.drained()
    assert ["a", "c"] == texts(wire)


def test_a_final_makes_its_partials_needless(wire: RecordingWire) -> None:
    """One of a later utterance goes on waiting."""
    outbox = Outbox(wire, OutboxLimits())
    wire.is_blocked = True
    outbox.send(b'{"text":"x"}', 0.0)
    outbox.send_partial(partial("a", 3), 0.0)
    outbox.send_final(final(3), 3, 0.0)
    outbox.drained()
    outbox.send_partial(partial("b", 4), 0.0)
    outbox.send_final(final(3), 3, 0.0)
    assert ["x", "f", "f"] == texts(wire)
    wire.take(wire.unsent_bytes)
    outbox.drained()
    assert ["x", "f", "f", "b"] == texts(wire)


def test_the_sweep_too_finds_the_wire_free(wire: RecordingWire) -> None:
    """A transport need not say so."""
    outbox = Outbox(wire, OutboxLimits())
    wire.is_blocked = True
    outbox.send_partial(partial("a"), 0.0)
    outbox.send_partial(partial("b"), 0.0)
    wire.take(wire.unsent_bytes)
    assert not outbox.is_overdue(0.1)
    assert ["a", "b"] == texts(wire)


def test_too_many_unsent_bytes_are_overdue_at_once(wire: RecordingWire) -> None:
    """One byte above the bound."""
    outbox = Outbox(wire, OutboxLimits(max_unsent_bytes=100))
    wire.is_blocked = True
    outbox.send(b'{"text":"x"}', 0.0)
    wire.unsent_bytes = 100
    assert not outbox.is_overdue(0.0)
    wire.unsent_bytes = 101
    assert outbox.is_overdue(0.0)


def test_what_stays_unsent_too_long_is_overdue(wire: RecordingWire) -> None:
    """Counted from when it was sent."""
    outbox = Outbox(wire, OutboxLimits(max_unsent_s=10))
    wire.is_blocked = True
    outbox.send(b'{"text":"x"}', 5.0)
    assert [False, False, True] == [outbox.is_overdue(now) for now in (5.0, 15.0, 15.1)]


def test_a_peer_that_reads_slowly_but_steadily_is_not_overdue(wire: RecordingWire) -> None:
    """What was unsent when the watch began has gone each time, although something always is."""
    outbox = Outbox(wire, OutboxLimits(max_unsent_s=10))
    wire.is_blocked = True
    text = b'{"text":"0123456789"}'
    outbox.send(text, 0.0)
    for second in range(1, 100):
        outbox.send(text, float(second))
        wire.take(len(text))
        assert not outbox.is_overdue(float(second))
    assert outbox.is_overdue(111.0)


def test_pongs_that_nobody_takes_count_too(wire: RecordingWire) -> None:
    """The wire knows of unsent bytes that never were messages."""
    outbox = Outbox(wire, OutboxLimits(max_unsent_s=10))
    wire.unsent_bytes = 1
    assert [False, False, True] == [outbox.is_overdue(now) for now in (1.0, 11.0, 11.1)]


@given(st.lists(st.sampled_from(["partial", "final", "take", "sweep"]), max_size=60))
def test_finals_all_go_out_in_order_and_partials_never_behind_their_final(steps: list[str]) -> None:
    """Whatever the peer takes when."""
    wire = RecordingWire()
    wire.is_blocked = True
    outbox = Outbox(wire, OutboxLimits(max_unsent_bytes=1 << 30))
    index = 0
    for now, step in enumerate(steps):
        if step == "partial":
            outbox.send_partial(partial(str(now), index), float(now))
        elif step == "final":
            outbox.send_final(final(index), index, float(now))
            index += 1
        elif step == "take":
            wire.take(wire.unsent_bytes)
        else:
            outbox.is_overdue(float(now))
    assert list(range(index)) == [message["index"] for message in wire.sent if message["type"] == "final"]
    indices = [message["index"] for message in wire.sent]
    assert sorted(indices) == indices


def test_what_was_never_sent_is_counted(wire: RecordingWire) -> None:
    """A partial that a newer one, its final or the end took the place of; not one that went out late."""
    outbox = Outbox(wire, OutboxLimits())
    wire.is_blocked = True
    for text in "abc":
        outbox.send_partial(partial(text), 0.0)
    assert 1 == outbox.partials_dropped
    outbox.send_final(final(), 0, 0.0)
    assert 2 == outbox.partials_dropped
    outbox.send_partial(partial("d", index=1), 0.0)
    outbox.drained()
    outbox.send_partial(partial("e", index=1), 0.0)
    outbox.close()
    outbox.close()
    assert (3, ["a", "f", "d"]) == (outbox.partials_dropped, texts(wire))
