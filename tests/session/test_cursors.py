"""The cursors that a session gives out: which mark, with which message, in what order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import UNSET
from tests.session.ear import RULES
from tests.session.recordings import silence
from tests.session.talk import BEGAN, LIMITS, SEAL, SPEAKING, Talk, mark_of, resume

from earful.errors import CloseCode
from earful.protocol.cursor import Cursor
from earful.protocol.messages import (
    Ack,
    Final,
    Flush,
    Flushed,
    Partial,
    Start,
    Started,
    Stop,
)
from earful.protocol.seal import Seal
from earful.protocol.states import Input
from earful.session.endings import Close
from earful.session.rules import ListeningRules

FAILED = Close(CloseCode.RESUME_FAILED, "resume_failed")


def test_started_carries_a_cursor_before_all() -> None:
    """And what a client has to know to make use of it."""
    (started,) = Talk(start=Start()).said
    assert isinstance(started, Started)
    assert Cursor("id", BEGAN) == SEAL.read(str(started.cursor))
    assert ("anywhere", 1, 0) == (started.resumable, started.next_sequence, started.next_index)
    assert (120, 50) == (started.limits.resume_window_s, started.limits.keep_audio_s)


def test_a_secret_of_its_own_reaches_no_further() -> None:
    """`here`."""
    (started,) = Talk(start=Start(), seal=Seal.drawn()).said
    assert isinstance(started, Started)
    assert "here" == started.resumable


def test_without_a_seal_nothing_can_be_resumed() -> None:
    """No cursors anywhere, and none is taken."""
    talk = Talk(start=Start(), seal=None)
    talk.audio(SPEAKING + silence(30))
    talk.model()
    (started,) = (message for message in talk.said if isinstance(message, Started))
    assert (UNSET, UNSET) == (started.cursor, started.resumable)
    assert [UNSET] == [final.cursor for final in talk.finals()]
    assert not any(isinstance(message, Ack) for message in talk.said)
    refused = Talk(start=resume(), seal=None)
    assert FAILED == refused.session.closing


def test_a_plain_session_never_hears_of_cursors() -> None:
    """Partials and finals as they always were."""
    talk = Talk()
    talk.audio(SPEAKING + silence(30))
    talk.model()
    talk.send(Stop())
    assert {Final} == {type(message) for message in talk.said}
    assert [(UNSET, UNSET)] * 2 == [(final.cursor, final.keep_from) for final in talk.finals()]


def test_a_final_carries_the_mark_at_its_end() -> None:
    """Also where silence was marked behind it before the model answered: the newest of these comes as an ack."""
    talk = Talk(start=Start())
    talk.audio(SPEAKING + silence(30), 3_200)
    talk.model()
    final, ack = talk.said[-2:]
    assert isinstance(final, Final)
    assert isinstance(ack, Ack)
    end = (final.end_ms + RULES.hangover_ms) * 16
    assert (1, False) == (mark_of(final).index, mark_of(final).inside_speech)
    assert (end, end + 3 * 9_500 * 16) == (mark_of(final).samples, mark_of(ack).samples)
    assert end * 2 // 3_200 + 1 == mark_of(final).sequence


def test_silence_is_acknowledged_at_once() -> None:
    """Where nothing is owed: 10 s after the last mark, 500 ms back."""
    talk = Talk(start=Start())
    told = [talk.audio(silence(1)) for _ in range(30)]
    marks = [[mark_of(message).samples // 16 for message in messages] for messages in told]
    assert {9: [9_500], 19: [19_000], 28: [28_500]} == {nth: mark for nth, mark in enumerate(marks) if mark}


def test_an_ack_waits_for_what_lies_before_it() -> None:
    """Final, flushed, ack, whatever the model takes; the ack of each utterance's own silence."""
    talk = Talk(start=Start())
    talk.audio(SPEAKING)
    talk.send(Flush("a"))
    talk.audio(silence(12))
    talk.send(Flush("b"))
    talk.audio(SPEAKING + silence(12))
    assert [Started] == [type(message) for message in talk.said]
    talk.model()
    kinds = [type(message) for message in talk.said if not isinstance(message, Partial)]
    assert [Started, Final, Flushed, Flushed, Ack, Final, Ack] == kinds
    marks = [mark_of(message) for message in talk.said if isinstance(message, Final | Ack)]
    assert [1, 1, 2, 2] == [mark.index for mark in marks]
    assert sorted(mark.samples for mark in marks) == [mark.samples for mark in marks]


def test_a_cut_inside_speech_that_is_followed_by_none_is_acknowledged() -> None:
    """`hangover_ms` after the cut; the final before has the cut itself, inside speech."""
    rules = ListeningRules(max_utterance_s=2)
    talk = Talk(start=Start(), rules=rules)
    talk.audio(SPEAKING + silence(2), 3_200)
    talk.model()
    final, ack = (message for message in talk.said if isinstance(message, Final | Ack))
    assert ("max_length", True, False) == (
        getattr(final, "reason", ""),
        mark_of(final).inside_speech,
        mark_of(ack).inside_speech,
    )
    assert rules.hangover_ms * 16 == mark_of(ack).samples - mark_of(final).samples


@pytest.mark.parametrize("happening", [Input.IDLE, Input.AGED, Input.END, Input.DRAIN])
def test_a_final_behind_which_nothing_can_come_has_no_cursor(happening: Input) -> None:
    """`idle`, `ended`, `drain`."""
    talk = Talk(start=Start())
    talk.audio(SPEAKING)
    talk.session._end(happening, talk.now)
    talk.model()
    assert [UNSET] == [final.cursor for final in talk.finals()]


def test_the_last_final_has_no_cursor() -> None:
    """Whether an utterance was open or not; what was owed before has its own."""
    talk = Talk(start=Start())
    talk.audio(SPEAKING)
    talk.send(Flush("x"))
    talk.audio(SPEAKING)
    talk.send(Stop())
    talk.model()
    assert [False, True] == [final.cursor is UNSET for final in talk.finals()]
    assert [UNSET] == [final.cursor for final in Talk(start=Start()).send(Stop()) if isinstance(final, Final)]


@pytest.mark.parametrize(
    ("rules", "max_buffered_ms", "keep_audio_s"),
    [
        (RULES, 5_000, 50),
        (ListeningRules(max_utterance_s=34.4), 5_000, 50),
        (ListeningRules(max_utterance_s=35), 5_000, 55),
    ],
)
def test_how_much_audio_a_client_keeps(rules: ListeningRules, max_buffered_ms: int, keep_audio_s: int) -> None:
    """A silence, an utterance, its end and what waits for the model, rounded up to 5 s."""
    talk = Talk(start=Start(), rules=rules, limits=replace(LIMITS, max_buffered_ms=max_buffered_ms))
    (started,) = talk.said
    assert isinstance(started, Started)
    assert keep_audio_s == started.limits.keep_audio_s
