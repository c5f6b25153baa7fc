"""An upload's way through the core: bounded whatever the model does, and nothing left of it."""

from __future__ import annotations

import asyncio
import io
import threading
from typing import TYPE_CHECKING, BinaryIO, Self, cast

import pytest
from tests.support.house import BROKEN, STUCK, at_home
from tests.support.sounds import encoded, silence, speech, wav

from earful.decoding.decoders import Decoders
from earful.errors import EarfulError, ErrorCode
from earful.service.upload import UPLOAD_LANES, Upload, UploadLimits
from earful.session.session import Session

if TYPE_CHECKING:
    from tests.support.house import House

    from earful.audio.container import Decoder

MAX_BUFFERED_MS = 5_000
PIECE_MS = 1_000


def upload_of(house: House, caps: UploadLimits | None = None, decoders: Decoders | None = None) -> Upload:
    """A fresh one."""
    limits, engine = house.service.registry.limits, house.service.engine
    return Upload("u", limits, caps or UploadLimits(), decoders or Decoders(), engine)


def test_segments_are_the_utterances_in_order() -> None:
    """Six sentences, six segments, each with text, and the empty last final is none."""

    async def main() -> None:
        async with at_home() as house:
            upload = upload_of(house)
            await upload.run(io.BytesIO(wav(speech())))
            assert list(range(6)) == [segment.index for segment in upload.segments]
            assert all(segment.text for segment in upload.segments)
            assert 0 == house.service.engine.in_flight

    asyncio.run(main())


def test_a_slow_model_holds_the_decoder_up() -> None:
    """Four utterances are with it, 5 s of PCM wait and a piece on top, of ten minutes; cancelled, all is gone."""

    async def main() -> None:
        async with at_home(model=STUCK) as house:
            upload, engine = upload_of(house), house.service.engine
            running = asyncio.create_task(upload.run(io.BytesIO(wav(speech() * 20))))
            async with asyncio.timeout(30):
                while upload.session.wants_input:  # noqa: ASYNC110 - it is looked at from outside
                    await asyncio.sleep(0)
            for _ in range(100):
                await asyncio.sleep(0)
            assert not running.done()
            assert UPLOAD_LANES == engine.in_flight
            assert MAX_BUFFERED_MS < upload.session.backlog_ms <= MAX_BUFFERED_MS + PIECE_MS
            # The sample's fourth sentence ends before its twentieth second.
            assert 20_000 + MAX_BUFFERED_MS + PIECE_MS >= upload.session.numbers.audio_ms
            running.cancel()
            await asyncio.wait({running})
            assert running.cancelled()
            assert (0, 0) == (engine.in_flight, engine.waiting)

    asyncio.run(main())


def test_more_that_are_decoded_elsewhere_wait_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes memory as long as the model works on it; WAV, which does not, goes past."""
    monkeypatch.setattr("earful.decoding.decoders.MOST_AT_ONCE", 1)

    async def main() -> None:
        async with at_home(model=STUCK) as house:
            decoders = Decoders()
            first, second, plain = (upload_of(house, decoders=decoders) for _ in range(3))
            flac = encoded(speech(5.0), "flac", "flac")
            running = []
            for upload, body in ((first, flac), (second, flac), (plain, wav(speech(5.0)))):
                running.append(asyncio.create_task(upload.run(io.BytesIO(body))))
                while upload is not second and not upload.session.numbers.audio_ms:  # noqa: ASYNC110 - seen from outside
                    await asyncio.sleep(0)
            assert 0 == second.session.numbers.audio_ms
            running[0].cancel()
            while not second.session.numbers.audio_ms:  # noqa: ASYNC110 - it is looked at from outside
                await asyncio.sleep(0)
            for task in running:
                task.cancel()
            await asyncio.wait(running)
            await asyncio.to_thread(decoders.close)

    asyncio.run(main())


def test_a_decoder_that_was_being_opened_is_let_go() -> None:
    """Who was cancelled meanwhile never had it, and its process would wait for somebody to ask."""
    asked, gate = threading.Event(), threading.Event()
    left: list[object] = []

    class Opened:
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            left.append(self)

    class Slow(Decoders):
        def open(self, file: BinaryIO, *, max_s: float, max_bytes: int) -> Decoder:
            del file, max_s, max_bytes
            asked.set()
            assert gate.wait(30)
            return cast("Decoder", Opened())

    async def main() -> None:
        async with at_home() as house:
            running = asyncio.create_task(upload_of(house, decoders=Slow()).run(io.BytesIO(wav(speech(1.0)))))
            await asyncio.to_thread(asked.wait, 30)
            running.cancel()
            await asyncio.sleep(0)
            gate.set()
            await asyncio.wait({running})
            assert running.cancelled()
            assert 1 == len(left)

    asyncio.run(main())


@pytest.mark.parametrize("after_s", [0.0, 20.0])
def test_a_failure_fails_the_upload_whenever_it_comes(after_s: float) -> None:
    """Also where the decoder was still at work on silence when the model gave up."""

    async def main() -> None:
        async with at_home(model=BROKEN) as house:
            with pytest.raises(EarfulError) as refused:
                await upload_of(house).run(io.BytesIO(wav(speech(4.2) + silence(after_s))))
            assert ErrorCode.MODEL_FAILED is refused.value.code

    asyncio.run(main())


def test_a_fault_of_ours_ends_the_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would wait for ever for an answer that came and was lost."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    async def main() -> None:
        async with at_home() as house:
            monkeypatch.setattr(Session, "deliver", fail)
            with pytest.raises(ZeroDivisionError):
                await upload_of(house).run(io.BytesIO(wav(speech(4.2))))

    asyncio.run(main())


def test_nobody_waits_for_ever_to_be_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another worker may have room."""
    monkeypatch.setattr("earful.decoding.decoders.MOST_AT_ONCE", 1)
    monkeypatch.setattr("earful.decoding.decoders.PLACE_WITHIN_S", 0.05)

    async def main() -> None:
        async with at_home(model=STUCK) as house:
            decoders, flac = Decoders(), encoded(speech(5.0) * 12, "flac", "flac")
            first, second = (upload_of(house, decoders=decoders) for _ in range(2))
            running = asyncio.create_task(first.run(io.BytesIO(flac)))
            while not first.session.numbers.audio_ms:  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0)
            with pytest.raises(EarfulError) as refused:
                await second.run(io.BytesIO(flac))
            assert ErrorCode.OVERLOADED is refused.value.code
            running.cancel()
            await asyncio.wait({running})
            await asyncio.to_thread(decoders.close)

    asyncio.run(main())


def test_silence_has_no_segments() -> None:
    """And is no error."""

    async def main() -> None:
        async with at_home() as house:
            upload = upload_of(house)
            await upload.run(io.BytesIO(wav(silence(3))))
            assert ([], 3_000) == (upload.segments, upload.session.numbers.audio_ms)

    asyncio.run(main())


@pytest.mark.parametrize("caps", [UploadLimits(max_upload_s=5), UploadLimits(max_decoded_bytes=160_000)])
def test_what_decodes_to_too_much_is_refused(caps: UploadLimits) -> None:
    """By seconds or by bytes; its model objects are let go."""

    async def main() -> None:
        async with at_home(model=STUCK) as house:
            with pytest.raises(EarfulError) as refused:
                await upload_of(house, caps).run(io.BytesIO(wav(speech())))
            assert ErrorCode.TOO_LARGE is refused.value.code
            assert 0 == house.service.engine.in_flight

    asyncio.run(main())
