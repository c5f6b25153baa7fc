"""The custom model in examples/: found by its name as a user would, and driven through the engine."""

from __future__ import annotations

from array import array

from tests.support.clock import run_virtual, settle
from tests.support.models import Desk, make_work

from earful.engine.engine import Engine
from earful.models.loading import load_model
from earful.models.types import SessionInfo

LOUD = array("h", [16384, -16384] * 800).tobytes()
QUIET = array("h", [33, -33] * 800).tobytes()


def test_loudness_is_written_per_100_ms() -> None:
    """Half of full scale is -6 dB, a thousandth -60; half a block is no block."""

    async def main() -> list[str]:
        engine = Engine(load_model("loudness_model:Loudness", {}), timeout_s=30)
        await engine.load()
        seat, desk = engine.seat(SessionInfo("s")), Desk()
        for work in (make_work(LOUD), make_work(QUIET + LOUD + QUIET[:1000]), make_work(b"", end=True)):
            seat.submit(work, desk.deliver)
            await settle()
        await engine.close()
        return [outcome.result.text for outcome in desk.outcomes if outcome.result]

    assert ["-6", " -60 -6", "-6 -60 -6"] == run_virtual(main())


def test_silence_has_a_number_too() -> None:
    """Digital silence is the least that 16 bits can say."""

    async def main() -> str:
        model = load_model("loudness_model:Loudness", {"block_ms": 50}).create()
        return (await model.transcribe_chunk(bytes(3200))).text

    assert "-90 -90" == run_virtual(main())
