"""Chunks to utterances: headers, numbers, times and marks. That cutting changes nothing is in test_cutting."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from tests.session.ear import RULES, Ear, every, listen
from tests.session.recordings import NATIVE, recorded, scene, silence, speech, stretch
from tests.session.talk import SPEAKING

from earful.audio.pcm import Encoding, Format
from earful.protocol.cursor import Position
from earful.session.listener import Listener
from earful.session.rules import ListeningRules
from earful.session.transcript import Transcript

CD = Format(Encoding.PCM_S16LE, 44_100)
SENTENCE = stretch(3.9, 9.0)
SHAPE = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
HEADER = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + SHAPE + b"data\xff\xff\xff\xff"


def listener(audio_format: Format = NATIVE, position: Position | None = None) -> Listener:
    """A listener that may meet a RIFF header."""
    return Listener(RULES, audio_format, Transcript(), position or Position())


def hear_all(ear: Listener, data: bytes, chunk_bytes: int) -> Listener:
    """Give it all the data in chunks."""
    for sequence, at in enumerate(range(0, len(data), chunk_bytes), 1):
        ear.hear(sequence, data[at : at + chunk_bytes], 0.0)
    return ear


@pytest.mark.parametrize("chunk_bytes", [1, 7, 44, 45, 3_200, 10_000_000])
def test_a_riff_header_at_the_beginning_is_skipped(chunk_bytes: int) -> None:
    """However it is cut; positions count its bytes in their chunk and no sample of it."""
    head = SENTENCE[: 32_000 if chunk_bytes > 7 else 3_201]
    with_header = hear_all(listener(), HEADER + head, chunk_bytes)
    assert len(head) // 2 * 1000 // 16_000 == with_header.received_ms
    assert b"".join(piece.data for piece in with_header._pieces) == head[-_held(with_header) :]
    assert len(HEADER) + len(head) == _end_of(with_header, chunk_bytes)


def _held(ear: Listener) -> int:
    return sum(len(piece.data) for piece in ear._pieces)


def _end_of(ear: Listener, chunk_bytes: int) -> int:
    newest = ear._pieces[-1]
    return (newest.sequence - 1) * chunk_bytes + newest.offset + len(newest.data)


@pytest.mark.parametrize("head", [b"", b"\0", b"RIFF"])
def test_chunks_without_audio_leave_nothing_behind(head: bytes) -> None:
    """Or a client could have a session grow for ever with what no limit counts."""
    ear = hear_all(listener(), head, 1)
    for sequence in range(100, 1000):
        ear.hear(sequence, b"", 0.0)
    assert (len(head) + 1, 999) == (len(ear._pieces), ear.newest_sequence)


def test_audio_that_only_looks_like_a_header_is_heard() -> None:
    """Held back until it is known to be none, and lost in no case."""
    ear = listener()
    ear.hear(1, b"RIFF", 0.0)
    assert 0 == ear._segmenter.end
    assert 4 == ear.buffered_bytes
    ear.hear(2, b"\0\0\0\0WAV\0\0\0", 0.0)
    assert 14 == ear._segmenter.end
    assert 28 == ear.buffered_bytes


def test_a_header_later_on_is_audio() -> None:
    """Only the very beginning may have one: not after a mark, and not in an upload."""
    resumed = listener(position=Position(sequence=5, samples=1_600))
    resumed.hear(5, HEADER, 0.0)
    uploaded = Listener(RULES, NATIVE, Transcript(), Position(), may_have_header=False)
    uploaded.hear(1, HEADER, 0.0)
    assert [44, 44] == [ear._segmenter.end for ear in (resumed, uploaded)]


def test_a_mark_after_a_header_says_where_in_the_chunk() -> None:
    """The header's bytes count in `offset_bytes`, not in `samples`; going on from there hears the same."""
    data = HEADER + stretch(0, 5)
    ear = hear_all(listener(), data, len(data))
    assert 1 == ear.position.sequence
    assert 1 == ear.position.index
    assert len(HEADER) + ear.position.samples * 2 == ear.position.offset_bytes
    again = hear_all(listener(position=ear.position), data, len(data))
    assert ear.position == again.position
    assert ear.received_ms == again.received_ms


@pytest.mark.parametrize("chunk_bytes", [641, 3_200, 32_000])
def test_results_name_the_newest_chunk_they_cover(chunk_bytes: int) -> None:
    """The one that holds the last byte of the last sample the model heard."""
    data = recorded(scene(), NATIVE)
    ear = listen(data, every(chunk_bytes, len(data)))
    for final in ear.finals:
        assert -(-(final.end_ms + RULES.hangover_ms) * 32 // chunk_bytes) == final.sequence
    newest: dict[int, int] = {}
    for partial in ear.partials:
        assert newest.get(partial.index, 0) <= partial.sequence <= ear.finals[partial.index].sequence
        newest[partial.index] = partial.sequence


@pytest.mark.parametrize("beyond_bytes", [-2, -1, 0, 1])
def test_a_sample_across_two_chunks_belongs_to_the_second(beyond_bytes: int) -> None:
    """A result that covers it has heard that chunk."""
    data = stretch(3.9, 8.5)
    whole = listen(data, [])
    cut = whole.marks[-1].position.samples * 2 + beyond_bytes
    ear = listen(data, [cut])
    assert [1 if beyond_bytes >= 0 else 2] == [final.sequence for final in ear.finals]


def test_partials_lie_within_their_sentence() -> None:
    """Their end grows and never lies beyond the final's; silence has none."""
    data = recorded(speech(), NATIVE)
    ear = listen(data, every(3_200, len(data)))
    assert set(range(6)) == {partial.index for partial in ear.partials}
    for partial in ear.partials:
        final = ear.finals[partial.index]
        assert final.start_ms == partial.start_ms
        assert final.start_ms < partial.end_ms <= final.end_ms
    for before, after in zip(ear.partials, ear.partials[1:], strict=False):
        assert before.end_ms <= after.end_ms


def test_fragments_make_the_final() -> None:
    """Concatenated as they are."""
    data = recorded(speech(), NATIVE)
    ear = listen(data, every(1_600, len(data)))
    for final in ear.finals:
        assert final.text == "".join(partial.text for partial in ear.partials if partial.index == final.index)


def test_a_cut_ends_the_open_utterance_at_a_whole_sample() -> None:
    """The flush is the mark, and an incomplete sample waits beyond it."""
    ear = Ear(NATIVE)
    ear.hear(1, SPEAKING + b"\x07")
    ear.flush()
    assert Position(1, len(SPEAKING), len(SPEAKING) // 2, inside_speech=False, index=1) == ear.listener.position
    assert ["flush"] == [final.reason for final in ear.finals]
    ear.hear(2, b"\0\0")
    assert len(SPEAKING) // 2 * 1000 // 16_000 == ear.listener.received_ms


def test_a_cut_between_chunks_is_a_mark_at_the_next_one() -> None:
    """Nothing of the chunks before it is needed again."""
    ear = Ear(NATIVE)
    ear.hear(1, SPEAKING)
    ear.flush()
    assert (2, 0) == (ear.listener.position.sequence, ear.listener.position.offset_bytes)
    assert 1 == ear.listener.newest_sequence


@pytest.mark.parametrize("audio_format", [NATIVE, CD], ids=str)
def test_a_cut_in_silence_changes_nothing(audio_format: Format) -> None:
    """No mark, no final, and what follows is as if it had not been."""
    data = recorded(silence(2) + SENTENCE, audio_format)
    flushes = [place * audio_format.frame_bytes for place in (800, 12_345, 16_001)]
    with_flushes = listen(data, [], audio_format, flushes=flushes)
    without = listen(data, [], audio_format)
    assert [mark.position.samples for mark in without.marks] == [mark.position.samples for mark in with_flushes.marks]
    assert [final.text for final in without.finals] == [final.text for final in with_flushes.finals]


def test_a_cut_finds_the_end_that_the_resampler_still_held() -> None:
    """What is drained may end the utterance by silence before the flush does; nothing is then left to cut."""
    data = recorded(SENTENCE, CD)
    reasons = set()
    for cut_ms in range(4_380, 4_440, 3):
        ear = listen(data[: cut_ms * 441 // 10 * 2], [], CD, flushes=[cut_ms * 441 // 10 * 2])
        assert 1 == len(ear.finals)
        reasons.add(ear.finals[0].reason)
    assert {"silence", "flush"} == reasons


def test_no_audio_at_all_is_nothing() -> None:
    """Empty chunks count and change nothing."""
    ear = listener()
    assert (0, 0) == (ear.newest_sequence, ear.received_ms)
    ear.hear(1, b"", 0.0)
    ear.hear(2, b"", 0.0)
    ear.cut("stop", 0.0)
    assert (2, 0) == (ear.newest_sequence, ear.received_ms)


def test_a_mark_never_lies_beyond_what_was_sent() -> None:
    """A drained resampler may round up to a frame's last sample, and so to a cut at the greatest length."""
    rules = ListeningRules(max_utterance_s=2)
    pcm = recorded(SENTENCE, CD)
    samples = listen(pcm, [], CD, rules).marks[1].position.samples
    for sent in range(samples - 3, samples + 1):
        data = pcm[: sent * 2]
        ear = listen(data, [], CD, rules, flushes=[len(data)])
        assert sent == ear.marks[-1].position.samples


@pytest.mark.parametrize("audio_format", [NATIVE, CD, Format(Encoding.MULAW, 8_000)], ids=str)
def test_a_cut_loses_nothing_that_the_resampler_still_held(audio_format: Format) -> None:
    """Inside speech the model hears up to the flush, to the sample; the next span begins there."""
    data = recorded(SPEAKING, audio_format)
    cut = len(data) // 2 // audio_format.frame_bytes * audio_format.frame_bytes
    ear = listen(data, [], audio_format, flushes=[cut])
    assert cut // audio_format.frame_bytes == ear.marks[1].position.samples
    begin_ms = ear.finals[0].start_ms - RULES.pre_roll_ms
    assert abs(1_000 - max(begin_ms, 0) - len(ear.heard[0]) / 32) <= 1


@pytest.mark.parametrize("audio_format", [NATIVE, CD], ids=str)
def test_a_monologue_is_cut_without_losing_a_sample(audio_format: Format) -> None:
    """Inside speech the next utterance goes on at the cut: the model hears all of it, piece after piece."""
    rules = ListeningRules(max_utterance_s=1)
    data = recorded(stretch(8.4, 13.9), audio_format)
    ear = listen(data, every(3_200, len(data)), audio_format, rules)
    assert ["max_length"] * 5 == [final.reason for final in ear.finals[:5]]
    assert [True] * 4 == [mark.position.inside_speech for mark in ear.marks if 1 <= mark.position.index <= 4]
    places = [mark.position.samples for mark in ear.marks[:6]]
    assert [audio_format.sample_rate] * 4 == [after - before for before, after in pairwise(places[1:])]
    assert [32_000] * 5 == [len(ear.heard[index]) for index in range(5)]
