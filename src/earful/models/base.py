"""What a speech model is to earful: two methods, or one that hears many sessions at once; and a few more it may have.

The engine calls them; `models.loading` finds the class by its name; docs and examples start here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earful.models.types import Step, TranscriptResult


class ASRModel(Protocol):
    """One speaker's model object. It hears one utterance after another, one call at a time, in order.

    Its constructor takes `model_options` as keyword arguments. An object that raised, answered nonsense or
    took longer than `model_timeout_s` is thrown away, and a new one hears what follows. Optional members,
    each looked for by name on the class:

    * `load(cls, **options)`, a class method, plain or `async`: runs once per worker before any object is
      made, for weights all sessions share. A plain one runs in a thread of its own.
    * `async open(self, info: SessionInfo)`: before the object's first audio.
    * `async close(self)`: after its last call, also where the session broke off.
    * `concurrency: int`: how many calls may run at once in a worker (default: no limit).
    * `inference: Inference`: the threads in which all objects compute, set by `load`. How long they compute is then
      what the model takes; else it is how long its calls take, of which `concurrency` run at once.
    * `retry_safe: bool`: a call that raised has consumed nothing and may be made again (default: False).
    """

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Hear `audio` (16 kHz mono s16le, whole samples, never empty); answer what it added, `is_final` False.

        The answers' texts concatenate, as they are, to the utterance so far.
        """
        ...

    async def finalize(self) -> TranscriptResult:
        """Answer the whole utterance, `is_final` True, and be ready for the next one."""
        ...


class BatchModel(Protocol):
    """All sessions' model, one object per worker, for one that gains from hearing many at once.

    A class with a `step` is one, whatever else it has. Its constructor takes `model_options` as keyword
    arguments. Optional members, each looked for by name:

    * `load(cls, **options)`: as for `ASRModel`.
    * `concurrency: int | None`: how many steps may run at once in a worker (default: 1; None is no limit), on
      the class or set by the constructor.
    * `max_batch: int | None`: the most items in a step (default: no limit, so as many as there are sessions).
    * `retry_safe: bool`: a step that raised has consumed nothing (default: False). Its items are then tried
      again in halves, so that an item that makes every step raise fails alone, and alone from then on.

    A step that takes longer than `model_timeout_s` is cancelled and all of it has failed; one that may overlap
    others without limit is also cancelled when all its sessions are gone. A step that works in a thread
    should end only when the thread has, or two of them may meet.
    """

    async def step(self, batch: Sequence[Step]) -> Sequence[TranscriptResult | Exception]:
        """Hear each item's new audio; answer as many results, in the same order.

        For an item whose utterance ends (`end`) the whole utterance, `is_final` True, and its `memory` is ready
        for the next one; else what the audio added, `is_final` False. An Exception is that item's failure alone,
        and nobody tries it again; what is raised is the failure of all. No session is in a batch twice.
        """
        ...
