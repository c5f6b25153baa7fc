"""The faster-whisper adapter over a stand-in of its runtime: the weights are large, and no test has them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import whisper_runtime
from tests.support.clock import run_virtual
from tests.support.sounds import speech

from earful.models.faster_whisper import FasterWhisper
from earful.models.types import SessionInfo, Step, TranscriptResult, Word
from earful.models.voice import Voice

if TYPE_CHECKING:
    from pathlib import Path

CHUNK_BYTES = 3200


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder of weights, and the runtime that reads them."""
    monkeypatch.setitem(sys.modules, "faster_whisper", whisper_runtime.module)
    return str(tmp_path)


def loaded(folder: str, **options: Any) -> FasterWhisper:
    """The model as a worker has it."""
    FasterWhisper.load(folder, **options)
    return FasterWhisper(folder, **options)


def pipeline(model: FasterWhisper) -> whisper_runtime.BatchedInferencePipeline:
    """The stand-in below."""
    found: Any = model._pipeline
    assert isinstance(found, whisper_runtime.BatchedInferencePipeline)
    return found


def ended(audio: bytes, language: str | None = None, *, words: bool = False) -> Step:
    """An item with a whole utterance."""
    return Step(audio, end=True, session=SessionInfo("s", language=language, words=words))


def test_what_it_is_made_with(folder: str) -> None:
    """The folder and the runtime's own choices; nothing is downloaded."""
    model = loaded(folder, device="cpu", compute_type="int8", threads=2, max_batch=4)
    assert ((folder, "cpu", "int8", 2), 4) == (pipeline(model).model.made_with, model.max_batch)
    with pytest.raises(FileNotFoundError, match="there is no folder /nowhere"):
        FasterWhisper.load("/nowhere")
    with pytest.raises(ValueError, match="above 1"):
        FasterWhisper(folder, growth=1)


def test_utterances_are_heard_as_one_batch(folder: str) -> None:
    """Of odd lengths, each as if alone; one without audio has no text; times count from its own beginning."""

    async def main() -> None:
        model = loaded(folder)
        audios = [speech(3.0)[start : start + size] for start, size in ((0, 9998), (10_000, 0), (20_000, 23_456))]
        answers = await model.step([ended(audio, words=True) for audio in audios])
        assert [(2, None)] == pipeline(model).batches
        for audio, answer in zip(audios, answers, strict=True):
            assert isinstance(answer, TranscriptResult)
            # The runtime's clip is padded to whole frames, which may complete no block of the voice.
            assert (Voice(1).hear(audio), True) == (answer.text, answer.is_final)
            assert answer.text.split() == [word.word for word in answer.words]
            assert [100 * nth for nth in range(len(answer.words))] == [word.start_ms for word in answer.words]
        assert all(isinstance(word, Word) for answer in answers for word in answer.words)  # type: ignore[union-attr]

    run_virtual(main())


def test_languages_are_heard_apart(folder: str) -> None:
    """Each language is one batch; the runtime finds out those that were not named."""

    async def main() -> list[tuple[int, str | None]]:
        model = loaded(folder)
        audio = speech(0.5)
        await model.step([ended(audio, "en"), ended(audio), ended(audio, "en"), ended(audio, "de")])
        return pipeline(model).batches

    assert {(2, "en"), (1, None), (1, "de")} == set(run_virtual(main()))


def test_a_language_that_the_runtime_has_no_code_for_harms_nobody(folder: str) -> None:
    """Tags have a region, which the runtime refuses; what it does not know it is to find out."""

    async def main() -> list[tuple[int, str | None]]:
        model = loaded(folder)
        tags = ("en-GB", "en", "EN_us", "de-CH", "tlh", "", "x" * 64)
        answers = await model.step([ended(speech(0.5), tag) for tag in tags])
        assert {TranscriptResult(Voice(1).hear(speech(0.5)), is_final=True)} == set(answers)
        return pipeline(model).batches

    assert {(3, "en"), (1, "de"), (3, None)} == set(run_virtual(main()))


def test_what_fails_for_a_language_fails_for_those_who_speak_it(folder: str) -> None:
    """The others of the step are heard."""

    async def main() -> None:
        model = loaded(folder)
        pipeline(model).broken_for = "de"
        one, failed, none = await model.step([ended(speech(0.5), "en"), ended(speech(0.5), "de"), ended(b"", "fr")])
        assert TranscriptResult(Voice(1).hear(speech(0.5)), is_final=True) == one
        assert isinstance(failed, RuntimeError)
        assert TranscriptResult("", is_final=True) == none

    run_virtual(main())


def test_fragments_come_from_drafts(folder: str) -> None:
    """Chunks cost nothing until a draft is due; what two runs agree on is told; then the whole."""

    async def main() -> None:
        model, item, audio = loaded(folder), Step(b"", end=False, session=SessionInfo("s")), speech(2.0)
        told = []
        for at in range(0, len(audio), CHUNK_BYTES):
            item.audio = audio[at : at + CHUNK_BYTES]
            (answer,) = await model.step([item])
            assert isinstance(answer, TranscriptResult)
            told.append(answer.text)
        expected = Voice(1).hear(audio)
        assert 3 == len(pipeline(model).batches)
        assert " ".join(expected.split()[:12]) == "".join(told)
        item.audio, item.end = b"", True
        assert [TranscriptResult(expected, is_final=True)] == await model.step([item])

    run_virtual(main())
