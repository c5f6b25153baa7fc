"""Whisper by CTranslate2: `--model faster-whisper --model-options '{"folder": "..."}'`, a converted model's folder.

Not incremental, and many sessions in one step: utterances that end and drafts that are due are laid end to end, and
the runtime hears each as a clip of its own, all in one batch. An utterance beyond 30 s is not heard to its end.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from msgspec import Struct

from earful.models.draft import GROWTH, Draft
from earful.models.extra import runtime
from earful.models.inference import Inference
from earful.models.samples import as_floats
from earful.models.types import MODEL_RATE_HZ, TranscriptResult, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from earful.models.types import Step

_FRAMES_PER_S: Final = 100
_SAMPLES_PER_FRAME: Final = MODEL_RATE_HZ // _FRAMES_PER_S


class Clip(Struct):
    """One utterance, or what there is of it, among others: what was heard of it, from `start_s` on."""

    audio: bytes
    draft: Draft
    language: str | None
    wants_words: bool
    start_s: float = 0.0
    end_s: float = 0.0
    texts: list[str] = []
    words: list[Word] = []

    def answer(self, *, is_final: bool) -> TranscriptResult:
        """Tell what was heard: all of it, or what has become certain."""
        text = " ".join(self.texts)
        return (
            TranscriptResult(text, True, tuple(self.words))
            if is_final
            else TranscriptResult(self.draft.tell(text), False)
        )


class FasterWhisper:
    """All sessions' model. Sessions that name a language it knows are heard in it, the others in what it finds."""

    _pipeline: ClassVar[Any]
    _languages: ClassVar[frozenset[str]]
    _inference: ClassVar[Inference]

    @classmethod
    def load(
        cls,
        folder: str,
        *,
        device: str = "auto",
        compute_type: str = "default",
        threads: int = 0,
        **_: object,
    ) -> None:
        """Load the weights; raises FileNotFoundError for a folder that is not there: nothing is downloaded."""
        if not Path(folder).is_dir():
            raise FileNotFoundError(f"there is no folder {folder}")
        library = runtime("faster_whisper", extra="faster-whisper")
        model = library.WhisperModel(folder, device=device, compute_type=compute_type, cpu_threads=threads)
        cls._pipeline = library.BatchedInferencePipeline(model=model)
        cls._languages = frozenset(model.supported_languages)
        cls._inference = Inference()

    def __init__(
        self,
        folder: str,
        *,
        device: str = "auto",
        compute_type: str = "default",
        threads: int = 0,
        beam_size: int = 1,
        max_batch: int = 16,
        growth: float = GROWTH,
    ) -> None:
        """Take what `load` takes, and `beam_size`, `max_batch` (clips at once) and `growth` (see `Draft`)."""
        del folder, device, compute_type, threads
        Draft(growth)  # Raises ValueError now rather than in the first session.
        self._beam_size = beam_size
        self._growth = growth
        self.max_batch = max_batch

    async def step(self, batch: Sequence[Step]) -> list[TranscriptResult | Exception]:
        """Keep each item's audio; hear those that end or are due together, by their languages."""
        clips = [self._clip(item) for item in batch]
        failures: dict[str | None, Exception] = {}
        for language in {clip.language for clip in clips if clip is not None}:
            chosen = [clip for clip in clips if clip is not None and clip.audio and clip.language == language]
            if chosen:
                try:
                    await self._inference.complete(self._hear, chosen, language)
                except Exception as error:  # noqa: BLE001 - the runtime's; of those who speak this language only
                    failures[language] = error
        return [
            TranscriptResult("", is_final=False)
            if clip is None
            else failures.get(clip.language) or clip.answer(is_final=item.end)
            for clip, item in zip(clips, batch, strict=True)
        ]

    def _clip(self, item: Step) -> Clip | None:
        draft: Draft | None = item.memory
        if draft is None:
            draft = item.memory = Draft(self._growth)
        draft.hear(item.audio)
        if not item.end and not draft.is_due:
            return None
        audio = draft.finish() if item.end else draft.take()
        return Clip(audio, draft, self._language(item.session.language), item.session.words)

    def _language(self, tag: str | None) -> str | None:
        """The runtime's code for a session's `en-GB`; None, so that it finds out, where it has none."""
        code = "" if tag is None else re.split("[-_]", tag, maxsplit=1)[0].lower()
        return code if code in self._languages else None

    def _hear(self, clips: Sequence[Clip], language: str | None) -> None:
        segments, _ = self._pipeline.transcribe(
            _laid_end_to_end(clips),
            language=language,
            multilingual=language is None,
            beam_size=self._beam_size,
            vad_filter=False,
            clip_timestamps=[{"start": clip.start_s, "end": clip.end_s} for clip in clips],
            batch_size=len(clips),
            word_timestamps=any(clip.wants_words for clip in clips),
        )
        starts = [round(clip.start_s * _FRAMES_PER_S) for clip in clips]
        for segment in segments:  # `seek` is where its clip begins, in frames, and may be rounded down by one.
            clip = clips[bisect_right(starts, segment.seek + 1) - 1]
            clip.texts.append(segment.text.strip())
            clip.words += [_word(word, clip.start_s) for word in segment.words or ()]


def _laid_end_to_end(clips: Sequence[Clip]) -> NDArray[np.float32]:
    """All audio, each clip from a whole frame on; notes where."""
    pieces, at = [], 0
    for clip in clips:
        samples = as_floats(clip.audio)
        padded = np.pad(samples, (0, -len(samples) % _SAMPLES_PER_FRAME))
        clip.start_s, clip.end_s = at / MODEL_RATE_HZ, (at + len(padded)) / MODEL_RATE_HZ
        pieces.append(padded)
        at += len(padded)
    return np.concatenate(pieces)


def _word(word: Any, start_s: float) -> Word:
    start_ms, end_ms = (max(0, round((edge_s - start_s) * 1000)) for edge_s in (word.start, word.end))
    return Word(word.word.strip(), start_ms, max(start_ms, end_ms), min(1.0, max(0.0, float(word.probability))))
