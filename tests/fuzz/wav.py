"""WAV: headers stay what they were said to be as more of a file comes; samples are those of a slow reading."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from tests.support.sounds import wav

from earful.audio.cap import Cap
from earful.audio.wav import WavEncoding, WavHeader, is_wav, parse_wav_header, skip_riff
from earful.audio.wavfile import WavDecoder
from earful.errors import EarfulError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_S = 0.5
MAX_BYTES = 1_000
LONGEST_READ_S = 0.25
STEPS_BYTES = 2
LEAST_S = 0.02
_COPIED = {WavEncoding.S16, WavEncoding.F32, WavEncoding.MULAW, WavEncoding.ALAW}
_LIST = b"LIST\x03\0\0\0abc\0"
_PLAIN = wav(bytes(range(200)))
SEEDS = (
    b"\x01\x03" + _PLAIN,
    b"\x07\x00" + _PLAIN[:12] + _LIST + _PLAIN[12:36] + _LIST + _PLAIN[36:],
    b"\x40\x01" + wav(bytes(300), rate_hz=44_100, channels=2, bits=24),
    b"\x02\x02" + wav(bytes(160), rate_hz=8_000, tag=7, bits=8),
    b"\x02\x02" + wav(b"\0\0\x80\x7f" * 40, tag=3, bits=32, claims=0xFFFFFFFF),
    b"\x09\x05" + wav(bytes(300), rate_hz=1_000, tag=3, bits=64),
    b"\x01\x01" + wav(bytes(1_002)),
    b"\x01\x01RF64\xff\xff\xff\xffWAVEfmt ",
)


class Dribble(io.BytesIO):
    """A file that gives less than it is asked for, as a pipe does."""

    step = 1

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `step` bytes."""
        return super().read(self.step if size is None or size < 0 else min(size, self.step))


def check(data: bytes, parse: Callable[[bytes], WavHeader | None] = parse_wav_header) -> None:
    """What is said of a prefix is never taken back, and a file sounds the same in whatever pieces it is read."""
    steps, file = data[:STEPS_BYTES], data[STEPS_BYTES:]
    cuts = sorted({sum(steps[:1]), sum(steps), *range(min(len(file), 48)), len(file)})
    _never_takes_back([_parsed(parse, file[:at]) for at in cuts])
    _never_takes_back([skip_riff(file[:at]) for at in cuts])
    if (skipped := skip_riff(file)) is not None:
        assert skipped == 0 or (skipped <= len(file) and file[skipped - 8 : skipped - 4] == b"data")
    if is_wav(file):
        _check_samples(file, steps)


def _never_takes_back(verdicts: list[object]) -> None:
    known = [verdict for verdict in verdicts if verdict is not None]
    assert known == verdicts[len(verdicts) - len(known) :]
    assert all(verdict == known[0] for verdict in known)


def _parsed(parse: Callable[[bytes], WavHeader | None], prefix: bytes) -> WavHeader | ErrorCode | None:
    try:
        return parse(prefix)
    except EarfulError as error:
        assert error.code == ErrorCode.NOT_AUDIO  # noqa: PT017 - the only one
        return error.code


def _check_samples(file: bytes, steps: bytes) -> None:
    pcm, failure = _read(io.BytesIO(file), LONGEST_READ_S)
    assert failure in {None, ErrorCode.NOT_AUDIO, ErrorCode.TOO_LARGE}
    slow = Dribble(file)
    slow.step = max(1, sum(steps[:1]))
    short, again = _read(slow, LEAST_S + sum(steps[1:]) / 1000)
    assert failure == again
    assert failure is not None or pcm == short
    header = _parsed(parse_wav_header, file)
    if failure is None and isinstance(header, WavHeader) and header.sample_rate >= 8_000:
        _check_copied(pcm, file, header)


def _check_copied(pcm: bytes, file: bytes, header: WavHeader) -> None:
    """Where nothing has to be made of the samples, they are the file's."""
    claimed = len(file) if header.data_bytes is None else header.data_bytes
    samples = file[header.data_offset : header.data_offset + claimed]
    samples = samples[: len(samples) - len(samples) % header.frame_bytes]
    if header.encoding in _COPIED and header.sample_rate <= 48_000:
        assert pcm == samples


def _read(file: io.BytesIO, seconds: float) -> tuple[bytes, ErrorCode | None]:
    pcm = b""
    try:
        with WavDecoder(file, Cap(MAX_S, MAX_BYTES)) as decoder:
            while piece := decoder.read(seconds):
                pcm += piece
    except EarfulError as error:
        return pcm, error.code
    return pcm, None
