"""What a model may answer: the check between user code and everything that trusts its results.

Pure. Called once per answer, so the usual answer passes in a few comparisons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from earful.models.types import MAX_TEXT_CHARS, MAX_WORDS, TranscriptResult, Word

MAX_WORD_MS: Final = 3_600_000
"""No utterance is nearly as long; and what carries answers has no number beyond 64 bits."""


class BadAnswerError(Exception):
    """A model answered something that is no transcript; the text says what."""


def check_answer(answer: object) -> TranscriptResult:
    """Give `answer` back if it can go out on the wire as it is; raise BadAnswerError otherwise.

    Exact types are asked for: JSON encoders refuse the subclasses that numeric libraries bring.
    """
    if type(answer) is not TranscriptResult:
        raise BadAnswerError(f"a model must answer a TranscriptResult, not {type(answer).__name__}")
    if type(answer.is_final) is not bool:
        raise BadAnswerError(f"a transcript's is_final must be a bool, not {type(answer.is_final).__name__}")
    text = answer.text
    if type(text) is not str or not text.isascii() or len(text) > MAX_TEXT_CHARS:
        _check_text(text)
    if answer.words != ():
        _check_words(answer.words)
    return answer


def check_answers(answers: object, number: int) -> Sequence[object]:
    """Give a step's `answers` back if they are a sequence of as many as wanted; raise BadAnswerError otherwise.

    Each of them is yet to be checked, or is an Exception.
    """
    if type(answers) is not list:
        if not isinstance(answers, Sequence):
            raise BadAnswerError(f"a step must answer a sequence, not {type(answers).__name__}")
        answers = list(answers)
    if len(answers) != number:
        raise BadAnswerError(f"a step of {number} must answer as many results, not {len(answers)}")
    return answers


def _check_text(text: object) -> None:
    if type(text) is not str:
        raise BadAnswerError(f"a transcript's text must be a str, not {type(text).__name__}")
    if len(text) > MAX_TEXT_CHARS:
        raise BadAnswerError(f"a transcript's text must have at most {MAX_TEXT_CHARS} characters, not {len(text)}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise BadAnswerError("a transcript's text must be valid Unicode") from error


def _check_words(words: object) -> None:
    if type(words) is not tuple:
        raise BadAnswerError(f"a transcript's words must be a tuple, not {type(words).__name__}")
    if len(words) > MAX_WORDS:
        raise BadAnswerError(f"a transcript must have at most {MAX_WORDS} words, not {len(words)}")
    chars = 0
    for word in words:
        if type(word) is not Word:
            raise BadAnswerError(f"a transcript's words must be of type Word, not {type(word).__name__}")
        _check_text(word.word)
        chars += len(word.word)
        times = (word.start_ms, word.end_ms)
        if not all(type(time_ms) is int for time_ms in times) or not 0 <= word.start_ms <= word.end_ms <= MAX_WORD_MS:
            raise BadAnswerError(
                "a word's times must be whole numbers of ms in its utterance, the end not before the start"
            )
        if type(word.confidence) not in (float, int) or not 0 <= word.confidence <= 1:
            raise BadAnswerError("a word's confidence must be a number from 0 to 1")
    if chars > MAX_TEXT_CHARS:
        raise BadAnswerError(f"a transcript's words must have at most {MAX_TEXT_CHARS} characters, not {chars}")
