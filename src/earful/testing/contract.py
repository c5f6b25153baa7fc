"""The contract of models as a function to call (`judge`), and as a class that pytest collects (`ModelContract`)."""

from __future__ import annotations

import asyncio
import wave
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar, cast

from msgspec import Struct

from earful.models.loading import LoadedModel, load_model
from earful.samples import sample
from earful.testing import promises
from earful.testing.hearing import BrokenError

if TYPE_CHECKING:
    import io
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

T = TypeVar("T")
SPEECH_S: Final = 4


class Verdict(Struct, frozen=True):
    """What became of one promise: its name, and why it is broken, or None."""

    promise: str
    reason: str | None = None


async def judge(model: LoadedModel, audio: bytes) -> list[Verdict]:
    """Try each promise of a model that is loaded with some seconds of speech (16 kHz mono s16le)."""
    return [await _verdict(promise, model, audio) for promise in promises.PROMISES]


async def _verdict(
    promise: Callable[[LoadedModel, bytes], Awaitable[None]], model: LoadedModel, audio: bytes
) -> Verdict:
    name = getattr(promise, "__name__", "a promise").replace("_", " ")
    try:
        await promise(model, audio)
    except BrokenError as error:
        return Verdict(name, str(error))
    return Verdict(name)


class ModelContract:
    """Derive from it in a test file, set `model`, and pytest tries each promise.

    `speech` is what is heard, by default the first four seconds of the sample recording that ships. `run` may be
    replaced by one that runs a coroutine in a loop of your own.
    """

    model: ClassVar[str]
    options: ClassVar[Mapping[str, object]] = {}

    def speech(self) -> bytes:
        """Some seconds of 16 kHz mono s16le."""
        with sample().open("rb") as file, wave.open(cast("io.BufferedReader", file)) as recording:
            frames: bytes = recording.readframes(SPEECH_S * recording.getframerate())
            return frames

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run `main` to its end."""
        return asyncio.run(main)

    def test_answers_are_transcripts(self) -> None:
        """Each answer is one that the wire can carry."""
        self._hold(promises.answers_are_transcripts)

    def test_cutting_changes_nothing(self) -> None:
        """The final does not depend on how the audio came."""
        self._hold(promises.cutting_changes_nothing)

    def test_an_end_begins_anew(self) -> None:
        """Nothing of an utterance is in the next."""
        self._hold(promises.an_end_begins_anew)

    def test_sessions_do_not_meet(self) -> None:
        """Nothing of a session is in another."""
        self._hold(promises.sessions_do_not_meet)

    def test_little_is_borne(self) -> None:
        """Nothing, one sample and silence are answered."""
        self._hold(promises.little_is_borne)

    def test_a_session_may_break_off(self) -> None:
        """Those that come after are heard as ever."""
        self._hold(promises.a_session_may_break_off)

    def _hold(self, promise: Callable[[LoadedModel, bytes], Awaitable[None]]) -> None:
        async def main() -> None:
            model = load_model(self.model, self.options)
            await model.load()
            await promise(model, self.speech())

        self.run(main())
