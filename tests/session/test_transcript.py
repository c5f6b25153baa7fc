"""Utterances on their way to the model and back: one work each, finals in order."""

from __future__ import annotations

import pytest
from msgspec import UNSET
from tests.session.talk import heard, whole

from earful.errors import ErrorCode
from earful.models.types import MAX_TEXT_CHARS, Outcome, TranscriptResult, Word, Work
from earful.protocol.messages import Error, Partial, Partials, WordTime
from earful.session.transcript import Transcript, Utterance


def speak(transcript: Transcript, *pieces: bytes, at_ms: int = 1_000, sequence: int = 1) -> Utterance:
    """Open an utterance and let it be heard, a piece every 20 ms."""
    utterance = transcript.open(begin_ms=at_ms - 200, start_ms=at_ms, sequence=sequence)
    for nth, piece in enumerate(pieces):
        utterance.hear(piece, end_ms=at_ms + 20 * (nth + 1), sequence=sequence + nth, now=float(nth))
    return utterance


def end(utterance: Utterance) -> None:
    """End it where it is."""
    utterance.end("silence", end_ms=utterance.end_ms, sequence=utterance.sequence, now=9.0)


def taken(transcript: Transcript) -> Work:
    """The work there must be."""
    work = transcript.take_work()
    assert work is not None
    return work


def test_waiting_audio_is_merged_and_one_work_is_in_flight() -> None:
    """What comes while the model is busy becomes its next step."""
    transcript = Transcript()
    assert transcript.take_work() is None
    utterance = speak(transcript, b"a", b"b")
    work = taken(transcript)
    assert Work(0, b"ab", end=False, index=0, end_ms=1_040, sequence=2, since_s=0.0) == work
    assert transcript.take_work() is None
    utterance.hear(b"c", end_ms=1_060, sequence=3, now=5.0)
    utterance.hear(b"d", end_ms=1_080, sequence=4, now=6.0)
    assert transcript.take_work() is None
    transcript.deliver(work, heard("one"))
    assert Work(0, b"cd", end=False, index=0, end_ms=1_080, sequence=4, since_s=5.0) == taken(transcript)


@pytest.mark.parametrize(
    ("partials", "texts"),
    [("fragment", ["abc", "de", "f"]), ("cumulative", ["abc", "abcde", "abcdef"]), ("off", [])],
)
def test_partials_can_be_spaced(partials: Partials, texts: list[str]) -> None:
    """By audio; a fragment that is left out comes with the next one, so that nothing is missing."""
    transcript = Transcript(partials=partials)
    utterance = speak(transcript)
    transcript.partials_every_ms = 300
    told = []
    for nth, text in enumerate("abcdef"):
        utterance.hear(b"a", end_ms=1_100 + 100 * nth, sequence=nth, now=0.0)
        told += transcript.deliver(taken(transcript), heard(text))
        if nth == 3:
            transcript.partials_every_ms = 0
    assert texts == [message.text for message in told if isinstance(message, Partial)]


def test_of_what_nobody_can_say_no_more_is_told() -> None:
    """A model that says all so far with each fragment fills no memory and no message; its final is told as ever."""
    transcript = Transcript(partials="cumulative")
    utterance = speak(transcript)
    told = ""
    for _ in range(10):
        utterance.hear(b"12", end_ms=1_100, sequence=2, now=0.0)
        answer = TranscriptResult("a" * (MAX_TEXT_CHARS // 4), is_final=False)
        for message in transcript.deliver(taken(transcript), Outcome(answer)):
            assert isinstance(message, Partial)
            told = message.text
    assert MAX_TEXT_CHARS == len(told) == sum(map(len, utterance.fragments))
    end(utterance)
    transcript.deliver(taken(transcript), Outcome(TranscriptResult("b", is_final=True)))
    final = transcript.take_final()
    assert final is not None
    assert "b" == final.text


def test_an_end_alone_is_work_too() -> None:
    """With no new audio the model is asked for the whole text."""
    transcript = Transcript()
    utterance = speak(transcript, b"a")
    transcript.deliver(taken(transcript), heard("one"))
    assert transcript.take_work() is None
    end(utterance)
    work = taken(transcript)
    assert (b"", True, 9.0) == (work.pcm, work.end, work.since_s)


@pytest.mark.parametrize(
    ("partials", "texts"), [("fragment", ["one", " two"]), ("cumulative", ["one", "one two"]), ("off", [])]
)
def test_partials_come_as_they_were_asked_for(partials: Partials, texts: list[str]) -> None:
    """Fragments, the utterance so far, or none; no text, no partial."""
    transcript = Transcript(partials=partials)
    utterance = speak(transcript)
    told = []
    for nth, text in enumerate(["one", "", " two"]):
        utterance.hear(b"a", end_ms=1_100 + nth, sequence=nth, now=0.0)
        told += transcript.deliver(taken(transcript), heard(text))
    assert texts == [message.text for message in told if isinstance(message, Partial)]
    assert len(texts) == len(told)
    if told:
        assert Partial(texts[-1], 0, 2, 0, 1_000, 1_102) == told[-1]


def test_finals_come_in_order_whatever_the_model_does() -> None:
    """Two lanes: the second utterance's answer waits for the first's."""
    transcript = Transcript(lanes=2)
    for nth in range(3):
        end(speak(transcript, b"%d" % nth, at_ms=1_000 * nth))
    first, second = taken(transcript), taken(transcript)
    assert [0, 1] == [first.lane, second.lane]
    assert transcript.take_work() is None
    transcript.deliver(second, whole("b"))
    assert transcript.take_work() is None
    assert transcript.take_final() is None
    assert (0, 3) == (transcript.answered_index, transcript.next_index)
    transcript.deliver(first, whole("a"))
    finals = [transcript.take_final(), transcript.take_final(), transcript.take_final()]
    assert ["a", "b", None] == [final and final.text for final in finals]
    assert 0 == taken(transcript).lane
    assert 2 == transcript.answered_index


def test_an_upload_gives_only_whole_utterances() -> None:
    """Nothing goes to the model before the utterance has ended."""
    transcript = Transcript(partials="off", whole=True)
    utterance = speak(transcript, b"a", b"b")
    assert transcript.take_work() is None
    end(utterance)
    assert b"ab" == taken(transcript).pcm


def test_a_failed_work_is_told_and_the_rest_goes_on() -> None:
    """An error that names the chunk; a final is made of the fragments there are."""
    transcript = Transcript()
    utterance = speak(transcript, b"a")
    transcript.deliver(taken(transcript), heard(" one"))
    utterance.hear(b"b", end_ms=1_040, sequence=2, now=0.0)
    (told,) = transcript.deliver(taken(transcript), Outcome(None, ErrorCode.MODEL_TIMEOUT))
    assert isinstance(told, Error)
    assert ("model_timeout", 2, False) == (told.code, told.sequence, told.fatal)
    utterance.hear(b"c", end_ms=1_060, sequence=3, now=0.0)
    transcript.deliver(taken(transcript), heard(" two"))
    end(utterance)
    (told,) = transcript.deliver(taken(transcript), Outcome(None, ErrorCode.MODEL_FAILED))
    assert isinstance(told, Error)
    final = transcript.take_final()
    assert final is not None
    assert "one two" == final.text


def test_a_failure_may_come_with_a_result() -> None:
    """The audio was given up and the end still answered: both are told."""
    transcript = Transcript()
    end(speak(transcript, b"a"))
    told = transcript.deliver(taken(transcript), Outcome(whole("rest").result, ErrorCode.MODEL_FAILED))
    final = transcript.take_final()
    assert ["model_failed"] == [message.code for message in told if isinstance(message, Error)]
    assert final is not None
    assert ("rest", UNSET) == (final.text, final.words)


def test_words_have_times_in_the_session() -> None:
    """Counted from the first sample the model heard: the pre-roll's."""
    transcript = Transcript(words=True)
    end(speak(transcript, b"a", at_ms=5_000))
    transcript.deliver(taken(transcript), Outcome(TranscriptResult("hi", True, (Word("hi", 250, 400, 0.5),))))
    final = transcript.take_final()
    assert final is not None
    assert [WordTime("hi", 5_050, 5_200, 0.5)] == final.words


def test_words_asked_for_are_there_also_where_there_are_none() -> None:
    """An empty list: the model failed, or the last final is empty."""
    transcript = Transcript(words=True)
    end(speak(transcript, b"a"))
    transcript.deliver(taken(transcript), Outcome(None, ErrorCode.MODEL_FAILED))
    transcript.close(end_ms=9, sequence=1)
    finals = [transcript.take_final(), transcript.take_final()]
    assert [[], []] == [final and final.words for final in finals]


def test_the_last_final_is_the_one_that_ended_with_stop() -> None:
    """The open utterance's own, where there was one."""
    transcript = Transcript()
    utterance = speak(transcript, b"a")
    utterance.end("stop", end_ms=1_020, sequence=1, now=0.0)
    transcript.close(end_ms=1_500, sequence=4)
    transcript.deliver(taken(transcript), whole("a"))
    final = transcript.take_final()
    assert final is not None
    assert (True, "stop", 1_020, 1) == (final.last, final.reason, final.end_ms, transcript.next_index)


@pytest.mark.parametrize("is_ended", [False, True])
def test_else_the_last_final_is_empty_and_of_its_own(is_ended: bool) -> None:  # noqa: FBT001 - parameter
    """After all others, at the end of the audio, with its own index."""
    transcript = Transcript(next_index=4)
    if is_ended:
        end(speak(transcript, b"a"))
    transcript.close(end_ms=1_500, sequence=7)
    if is_ended:
        assert transcript.take_final() is None
        transcript.deliver(taken(transcript), whole("a"))
        transcript.take_final()
    final = transcript.take_final()
    assert final is not None
    assert ("", 4 + is_ended, 1_500, 1_500, 7) == (
        final.text,
        final.index,
        final.start_ms,
        final.end_ms,
        final.sequence,
    )
    assert (True, "stop") == (final.last, final.reason)


def test_full_from_is_where_the_newest_work_ends() -> None:
    """None while a lane is free, or has not been asked."""
    transcript = Transcript(lanes=2)
    full_from_ms = [transcript.full_from_ms]
    end(speak(transcript, b"a", at_ms=1_000))
    taken(transcript)
    full_from_ms.append(transcript.full_from_ms)
    end(speak(transcript, b"b", at_ms=2_000))
    full_from_ms.append(transcript.full_from_ms)
    second = taken(transcript)
    full_from_ms.append(transcript.full_from_ms)
    transcript.deliver(second, whole("b"))
    assert [None, None, None, 2_020, 2_020] == [*full_from_ms, transcript.full_from_ms]


def test_audio_that_waits_for_the_model_is_counted() -> None:
    """Until it is taken as work."""
    transcript = Transcript(lanes=2)
    speak(transcript, b"abc", b"d")
    speak(transcript, b"ef")
    waiting = [transcript.buffered_bytes]
    taken(transcript)
    assert [6, 2] == [*waiting, transcript.buffered_bytes]


def test_after_a_failure_the_text_so_far_is_kept() -> None:
    """The model object of now knows nothing of it: cumulative partials and the final carry it before their own."""
    transcript = Transcript(partials="cumulative")
    utterance = speak(transcript, b"a")
    transcript.deliver(taken(transcript), heard("one"))
    utterance.hear(b"b", end_ms=1_040, sequence=2, now=0.0)
    transcript.deliver(taken(transcript), Outcome(None, ErrorCode.MODEL_FAILED))
    utterance.hear(b"c", end_ms=1_060, sequence=3, now=0.0)
    (partial,) = transcript.deliver(taken(transcript), heard("three"))
    end(utterance)
    transcript.deliver(taken(transcript), whole("Three."))
    final = transcript.take_final()
    assert isinstance(partial, Partial)
    assert final is not None
    assert ("one three", "one Three.") == (partial.text, final.text)
