"""The resuming client's duties, one by one. That they keep the promise is in tests/scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET
from msgspec.structs import replace

from earful.client.core import Speaker
from earful.protocol.messages import (
    MAX_SEQUENCE,
    Ack,
    AudioChunk,
    Closing,
    Final,
    Flush,
    Flushed,
    Limits,
    Partial,
    Resume,
    ServerMessage,
    Start,
    Started,
    Stop,
)

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS = Limits(1 << 20, 10_000, 60, 14_400, 4, 5_000, 120, 50)
START = Start(sample_rate=8_000, words=True, token="t")  # noqa: S106 - no secret
ONE, TWO, THREE = (AudioChunk(data, nth) for nth, data in enumerate((b"1", b"22", b"333"), 1))


def started(next_sequence: int = 1, next_index: int = 0, cursor: str = "c0") -> Started:
    """The server lets it begin, or go on."""
    return Started("id", next_sequence, next_index, 8_000, "pcm_s16le", LIMITS, cursor=cursor, resumable="anywhere")


def final(index: int, cursor: str = "", keep_from: int = 0, **fields: object) -> Final:
    """An utterance's; with a cursor where it has one."""
    given = {"cursor": cursor or UNSET, "keep_from": keep_from if cursor else UNSET, **fields}
    return Final(f"text {index}", 5, 3, index, 0, 9, "silence", **given)  # type: ignore[arg-type]


def speaking(*, chunks: int = 3) -> Speaker:
    """In the middle of a session, all of it sent."""
    speaker = Speaker(START)
    speaker.connected()
    speaker.receive(started())
    for nth in range(1, chunks + 1):
        speaker.speak(str(nth).encode() * nth)
    speaker.take_messages()
    return speaker


def test_a_new_session_is_spoken_to_when_it_is_granted() -> None:
    """`start` first, with all that it says; audio only when it is known how long a chunk may be."""
    speaker = Speaker(START)
    speaker.speak(b"1")
    assert [] == speaker.take_messages()
    speaker.connected()
    speaker.speak(b"22")
    assert [START] == speaker.take_messages()
    speaker.receive(started())
    assert ([ONE, TWO], "id", "c0") == (speaker.take_messages(), speaker.session_id, speaker.cursor)
    speaker.speak(b"333")
    assert [THREE] == speaker.take_messages()


def test_who_has_no_cursor_begins_anew_with_all_its_audio() -> None:
    """Also the flushes and the end."""
    speaker = Speaker(START)
    speaker.connected()
    speaker.flush("before all")
    speaker.speak(b"1")
    speaker.flush("a")
    speaker.flush("b")
    speaker.speak(b"22")
    speaker.stop()
    speaker.lost()
    speaker.connected()
    assert [START] == speaker.take_messages()
    speaker.receive(started())
    assert [Flush("before all"), ONE, Flush("a"), Flush("b"), TWO, Stop()] == speaker.take_messages()
    assert 0 == speaker.attempt


# How long a chunk may be


def short(longest_ms: int, cursor: str = "c0", next_sequence: int = 1) -> Started:
    """Of a server that takes chunks of so many milliseconds, of 16 bytes each."""
    limits = replace(LIMITS, max_chunk_ms=longest_ms)
    return Started("id", next_sequence, 0, 8_000, "pcm_s16le", limits, cursor=cursor or UNSET)


def lengths(speaker: Speaker) -> list[int | str]:
    """Of the chunks that it has to say, with its flushes among them."""
    said = speaker.take_messages()
    return [
        len(one.data) if isinstance(one, AudioChunk) else one.id for one in said if isinstance(one, AudioChunk | Flush)
    ]


def test_audio_is_cut_as_the_server_allows() -> None:
    """What was said before it told, and what comes after; each piece for itself, and nothing of it is lost."""
    speaker = Speaker(Start(sample_rate=8_000))
    for data in (bytes(100), b"", bytes(64)):
        speaker.speak(data)
    speaker.flush("a")
    speaker.connected()
    speaker.receive(short(2))
    speaker.speak(bytes(40))
    assert [32, 32, 32, 4, 32, 32, "a", 32, 8] == lengths(speaker)
    assert (204, 0) == (speaker.kept_bytes, speaker.done_bytes)
    speaker.receive(Ack("c1", 7))
    assert (40, 164) == (speaker.kept_bytes, speaker.done_bytes)


def test_what_was_cut_stays_cut_while_the_session_can_go_on() -> None:
    """A server that allows more hears the same chunks again; what was never cut is cut as it allows."""
    speaker = Speaker(Start(sample_rate=8_000))
    speaker.connected()
    speaker.receive(short(2))
    speaker.speak(bytes(70))
    speaker.lost()
    speaker.speak(bytes(70))
    speaker.connected()
    speaker.receive(short(4, next_sequence=2))
    assert [32, 6, 64, 6] == lengths(speaker)


def test_a_session_without_a_cursor_is_cut_anew() -> None:
    """Nothing can be asked for by its number; each flush stays where it was."""
    speaker = Speaker(Start(sample_rate=8_000))
    speaker.connected()
    speaker.receive(short(4, cursor=""))
    speaker.speak(bytes(64))
    speaker.flush("a")
    speaker.speak(bytes(32))
    speaker.stop()
    speaker.lost()
    speaker.connected()
    speaker.take_messages()
    speaker.receive(short(1, cursor=""))
    assert [16, 16, 16, 16, "a", 16, 16] == lengths(speaker)
    assert 96 == speaker.kept_bytes


def test_chunks_that_are_too_long_to_be_said_again() -> None:
    """Nothing is said there; another server may still take them, and this one, when they are done with."""
    speaker = Speaker(Start(sample_rate=8_000))
    speaker.connected()
    assert not speaker.is_stuck
    speaker.receive(short(4))
    assert not speaker.is_stuck
    speaker.speak(bytes(64))
    speaker.lost()
    for limits, is_stuck in ((short(3), True), (short(4), False), (short(3, next_sequence=2), False)):
        speaker.connected()
        speaker.take_messages()
        speaker.receive(limits)
        assert is_stuck is speaker.is_stuck
        speaker.flush("a")
        speaker.stop()
        assert is_stuck is ([] == speaker.take_messages())
        speaker.lost()
        assert not speaker.is_stuck


def test_a_server_that_allows_nothing() -> None:
    """Is told nothing."""
    speaker = Speaker(Start(sample_rate=8_000))
    speaker.connected()
    speaker.take_messages()
    speaker.receive(short(0))
    speaker.speak(b"1")
    assert ([], True) == (speaker.take_messages(), speaker.is_stuck)


# Resuming


def test_who_has_a_cursor_waits_for_the_answer() -> None:
    """Then sends its audio again from where it is wanted, each flush and the end in their places."""
    speaker = speaking(chunks=2)
    speaker.flush("a")
    speaker.receive(Ack("c1", 2))
    speaker.lost()
    speaker.speak(b"333")
    speaker.flush("b")
    speaker.stop()
    speaker.connected()
    assert [Start(token="t", resume=Resume("c1", 1))] == speaker.take_messages()  # noqa: S106 - no secret
    speaker.receive(started(2, 0, "c2"))
    assert [TWO, Flush("a"), THREE, Flush("b"), Stop()] == speaker.take_messages()
    speaker.lost()
    speaker.connected()
    assert [Start(token="t", resume=Resume("c2", 2))] == speaker.take_messages()  # noqa: S106 - no secret


def test_a_flush_whose_chunk_is_not_sent_again_goes_before_all() -> None:
    """And one that was answered is not asked again."""
    speaker = speaking(chunks=2)
    for name in ("a", "b", "a"):
        speaker.flush(name)
    speaker.receive(final(0, "c1", 3))
    speaker.receive(Flushed("a", 2))
    speaker.receive(Flushed("never asked", 2))
    speaker.speak(b"333")
    speaker.lost()
    speaker.connected()
    speaker.take_messages()
    speaker.receive(started(3, 1))
    assert [Flush("b"), Flush("a"), THREE] == speaker.take_messages()


def test_only_what_may_be_asked_for_is_kept() -> None:
    """From `keep_from` on; there is a bound, and it says so."""
    speaker = Speaker(START, max_kept_bytes=6)
    speaker.connected()
    speaker.receive(started())
    for data in (b"1", b"22", b"333"):
        assert not speaker.is_full
        speaker.speak(data)
    assert (6, True) == (speaker.kept_bytes, speaker.is_full)
    speaker.receive(Ack("c1", 2))
    assert (5, False) == (speaker.kept_bytes, speaker.is_full)
    speaker.receive(Ack("c2", MAX_SEQUENCE))
    assert 0 == speaker.kept_bytes


def test_a_final_it_has_is_not_taken_again() -> None:
    """Its cursor is; one without a cursor leaves the cursor as it is."""
    speaker = speaking()
    speaker.receive(final(0, "c1", 2))
    again = final(0, "c2", 3, words=[])
    speaker.receive(again)
    speaker.receive(final(1))
    assert ([final(0, "c1", 2), final(1)], "c2") == (speaker.finals, speaker.cursor)


def test_fragments_are_forgotten_where_they_will_come_again() -> None:
    """At `started`; a final takes the place of its own, and those of a final it has are nothing."""
    speaker = speaking()
    for index, text in ((0, "a"), (0, " b"), (1, "c")):
        speaker.receive(Partial(text, 5, 1, index, 0, 9))
    assert {0: "a b", 1: "c"} == speaker.fragments
    speaker.receive(final(0, "c1", 2))
    speaker.receive(Partial("late", 5, 1, 0, 0, 9))
    assert {1: "c"} == speaker.fragments
    speaker.lost()
    speaker.connected()
    speaker.receive(started(2, 1))
    assert {} == speaker.fragments


def test_cumulative_partials_replace_each_other() -> None:
    """As was asked for."""
    speaker = Speaker(Start(partials="cumulative"))
    for text in ("a", "a b"):
        speaker.receive(Partial(text, 5, 1, 0, 0, 9))
    assert {0: "a b"} == speaker.fragments


def test_it_is_complete_with_the_last_final() -> None:
    """Nothing has to be resumed after that; what it does not know it ignores."""
    speaker = speaking()
    speaker.receive(Closing("drain", 5_000, resume=True))
    speaker.receive(final(0, "c1", 4))
    assert not speaker.is_complete
    speaker.receive(final(1, last=True))
    assert speaker.is_complete


def test_a_server_that_cannot_resume_is_spoken_to_anew() -> None:
    """It gave no cursor, so everything is kept, and everything is said again."""
    speaker = Speaker(START)
    speaker.connected()
    speaker.receive(Started("id", 1, 0, 8_000, "pcm_s16le", LIMITS))
    speaker.speak(b"1")
    speaker.lost()
    speaker.connected()
    speaker.receive(started())
    assert [ONE] == speaker.take_messages()[-1:]


def test_it_knows_what_must_come() -> None:
    """`started` at first, then what was flushed, at last the last final; audio alone may be silence."""
    speaker = Speaker(START)
    speaker.connected()
    seen = [(speaker.is_greeted, speaker.is_promised)]
    steps: list[Callable[[], object]] = [
        lambda: speaker.receive(started()),
        lambda: speaker.speak(b"1"),
        lambda: speaker.flush("a"),
        lambda: speaker.receive(Flushed("a", 1)),
        speaker.stop,
        lambda: speaker.receive(final(0, last=True)),
    ]
    for step in steps:
        step()
        seen.append((speaker.is_greeted, speaker.is_promised))
    assert [False] + [True] * 6 == [is_greeted for is_greeted, _ in seen]
    assert [True, False, False, True, False, True, False] == [is_promised for _, is_promised in seen]


def test_it_knows_when_it_has_moved_on() -> None:
    """By what is new to the session, on whatever connection; what is told again moves nothing."""
    speaker = Speaker(START)
    speaker.connected()
    speaker.flush("a")
    steps: list[tuple[ServerMessage, bool]] = [
        (started(), True),
        (Ack("c1", 2), True),
        (Ack("c1", 2), False),
        (Partial("a", 5, 3, 0, 0, 9), True),
        (Partial("b", 5, 3, 0, 0, 9), False),
        (Flushed("a", 3), True),
        (Flushed("a", 3), False),
        (started(2), True),
        (started(2), False),
        (started(1), False),
        (final(0, "c2", 4), True),
        (final(0, "c2", 4), False),
        (Partial("late", 5, 9, 0, 0, 9), False),
        (Partial("a", 5, 3, 1, 0, 9), False),
        (Partial("a", 5, 4, 1, 0, 9), True),
        (Closing("drain", 5_000, resume=True), False),
    ]
    assert [has for _, has in steps] == [speaker.receive(message) for message, _ in steps]


def test_a_final_before_which_others_are_missing_is_not_taken() -> None:
    """Nor its cursor: whoever resumes with it would never hear the others."""
    speaker = speaking()
    assert not speaker.receive(final(1, "c9", 4))
    assert ([], "c0", 6) == (speaker.finals, speaker.cursor, speaker.kept_bytes)


def test_it_knows_where_its_audio_goes_on() -> None:
    """What is before the first chunk that it keeps."""
    speaker = speaking(chunks=3)
    assert 0 == speaker.done_bytes
    speaker.receive(Ack("c1", 3))
    assert (3, 3) == (speaker.done_bytes, speaker.kept_bytes)
