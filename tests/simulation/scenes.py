"""What a client may say, in several formats, cuts and listening rules, and the truth of it.

A few seconds each, since thousands of schedules hear them; together they have every kind of mark.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from tests.scenario.journey import FLUSH, Journey
from tests.session.ear import RULES, chunks_of, every, told
from tests.session.recordings import NATIVE, recorded, silence, stretch

from earful.audio.pcm import Encoding, Format
from earful.protocol.messages import Start
from earful.session.rules import ListeningRules

SHORT = ListeningRules(max_utterance_s=1)
BRIEF = ListeningRules(endpoint_silence_ms=300)
MULAW_8K = Format(Encoding.MULAW, 8_000)
STEREO_11K = Format(Encoding.PCM_F32LE, 11_025, 2)
CD = Format(Encoding.PCM_S16LE, 44_100)

Heard = list[tuple[int, str, int, int, str]]


@dataclass(frozen=True)
class Scene:
    """One client's audio and how it is told; `flushes` are shares of it."""

    name: str
    pcm: bytes
    chunk_ms: float = 200
    audio_format: Format = NATIVE
    noise_rms: float = 20
    rules: ListeningRules = RULES
    flushes: tuple[float, ...] = ()
    partials: str = "fragment"

    def start(self) -> Start:
        """Opts in to its format."""
        form = self.audio_format
        return Start(
            encoding=form.encoding.value,
            sample_rate=form.sample_rate,
            channels=form.channels,
            partials="cumulative" if self.partials == "cumulative" else "fragment",
        )

    @cache  # noqa: B019 - scenes live as long as the module
    def script(self) -> tuple[bytes | None, ...]:
        """Chunks, with flushes between them; some are cut in the middle of a sample."""
        data = recorded(self.pcm, self.audio_format, self.noise_rms)
        a_second = self.audio_format.sample_rate * self.audio_format.frame_bytes
        places = tuple(1 + int(share * len(data)) for share in self.flushes)
        script: list[bytes | None] = []
        for _, chunk, flush_follows in chunks_of(data, every(int(a_second * self.chunk_ms / 1000), len(data)), places):
            script += [chunk, FLUSH] if flush_follows else [chunk]
        return tuple(script)

    @cache  # noqa: B019 - scenes live as long as the module
    def truth(self) -> Heard:
        """The finals of its undisturbed run."""
        journey = Journey(self.script(), self.start(), self.rules)
        journey.run()
        assert 0 == journey.drops
        return told(journey.speaker.finals)


SCENES = [
    Scene("a sentence and a half", stretch(0, 5.5)),
    Scene("cut again and again", stretch(8.4, 12.4), rules=SHORT),
    Scene("short silences", stretch(4.1, 8.4), chunk_ms=333.3, rules=BRIEF, partials="cumulative"),
    Scene("flushed", stretch(4, 7) + silence(0.5), flushes=(0.3, 0.301, 0.7, 0.99)),
    Scene("a telephone", stretch(8.4, 11.9), chunk_ms=123.4, audio_format=MULAW_8K, rules=SHORT),
    Scene("stereo", stretch(8.4, 10.9), chunk_ms=177.7, audio_format=STEREO_11K, noise_rms=200, rules=SHORT),
    Scene("a compact disc", stretch(4.1, 6.6), chunk_ms=250.1, audio_format=CD, rules=SHORT, flushes=(0.6,)),
    Scene("a long silence", stretch(4.1, 5) + silence(11), chunk_ms=500, noise_rms=0),
    Scene("nothing but noise", silence(2), noise_rms=200),
]
