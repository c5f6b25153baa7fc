"""What a model may answer, and what is nonsense."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from earful.engine.answers import MAX_WORD_MS, BadAnswerError, check_answer, check_answers
from earful.models.types import MAX_TEXT_CHARS, MAX_WORDS, TranscriptResult, Word

if TYPE_CHECKING:
    from collections.abc import Sequence


class Text(str):
    """A str that is none to an encoder."""

    __slots__ = ()


def result(text: Any = "a", words: Any = ()) -> TranscriptResult:
    """An answer with a field of any type."""
    return TranscriptResult(text, is_final=True, words=words)


def word(word: Any = "a", start_ms: Any = 0, end_ms: Any = 100, confidence: Any = 0.5) -> TranscriptResult:
    """An answer with one word, a field of which may be of any type."""
    return result(words=(Word(word, start_ms, end_ms, confidence),))


@pytest.mark.parametrize(
    "answer",
    [
        *(result(), result(""), result("früh 早"), result("a" * MAX_TEXT_CHARS)),
        *(word(), word(end_ms=0), word(confidence=0), word(confidence=1)),
        result(words=(Word("a", 0, MAX_WORD_MS, 1),) * MAX_WORDS),
    ],
)
def test_a_transcript_passes(answer: TranscriptResult) -> None:
    """It is given back as it is."""
    assert answer is check_answer(answer)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, "not NoneType"),
        ("text", "not str"),
        (result(None), "text must be a str, not NoneType"),
        (result(b"a"), "text must be a str, not bytes"),
        (result(Text("a")), "text must be a str, not Text"),
        (result("\ud800"), "valid Unicode"),
        (result("a" * (MAX_TEXT_CHARS + 1)), "at most 65536 characters, not 65537"),
        (result("é" * (MAX_TEXT_CHARS + 1)), "at most 65536 characters, not 65537"),
        (word(word="a" * (MAX_TEXT_CHARS + 1)), "at most 65536 characters"),
        (result(words=(Word("a", 0, 1, 1),) * (MAX_WORDS + 1)), "at most 4096 words, not 4097"),
        (result(words=(Word("a" * 64, 0, 1, 1),) * 1025), "words must have at most 65536 characters, not 65600"),
        (TranscriptResult("a", is_final="yes"), "is_final must be a bool, not str"),  # type: ignore[arg-type]
        (TranscriptResult("a", is_final=1), "is_final must be a bool, not int"),  # type: ignore[arg-type]
        (result(words=None), "words must be a tuple, not NoneType"),
        (result(words=[]), "words must be a tuple, not list"),
        (result(words=("a",)), "type Word, not str"),
        (word(word=1), "text must be a str, not int"),
        (word(start_ms=0.5), "times"),
        (word(end_ms=1.5), "times"),
        (word(start_ms=-1), "times"),
        (word(start_ms=200), "times"),
        (word(start_ms=False), "times"),
        (word(end_ms=MAX_WORD_MS + 1), "times"),
        (word(end_ms=1 << 70), "times"),
        (word(confidence="1"), "confidence"),
        (word(confidence=1.5), "confidence"),
        (word(confidence=float("nan")), "confidence"),
    ],
)
def test_anything_else_is_refused(answer: object, expected: str) -> None:
    """The error says what was wrong, for the log."""
    with pytest.raises(BadAnswerError, match=expected):
        check_answer(answer)


@pytest.mark.parametrize("answers", [["a", None], ("a", None)])
def test_a_step_s_answers_are_as_many_as_its_items(answers: Sequence[object]) -> None:
    """Any sequence will do; what is in it is not looked at yet."""
    assert ["a", None] == list(check_answers(answers, 2))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (None, "a sequence, not NoneType"),
        ({1: "a", 2: "b"}, "not dict"),
        (["a"], "step of 2 .* not 1"),
        ("abc", "not 3"),
    ],
)
def test_another_number_of_answers_is_refused(answers: object, expected: str) -> None:
    """Nobody could say whose they are."""
    with pytest.raises(BadAnswerError, match=expected):
        check_answers(answers, 2)
