"""What a speech model is to earful: two methods, and a few more it may have.

The engine calls them; `models.loading` finds the class by its name; docs and examples start here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from earful.models.types import TranscriptResult


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
