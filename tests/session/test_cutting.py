"""However a recording is cut into chunks, and wherever listening begins afresh: the same finals."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.session.ear import RULES, Ear, every, listen, told
from tests.session.recordings import NATIVE, recorded, scene, sentences, silence, speech, stretch

from earful.audio.pcm import Encoding, Format
from earful.session.rules import ListeningRules

MULAW_8K = Format(Encoding.MULAW, 8_000)
CD = Format(Encoding.PCM_S16LE, 44_100)
STEREO_11K = Format(Encoding.PCM_F32LE, 11_025, 2)
ALAW_48K = Format(Encoding.ALAW, 48_000)
FORMATS = [MULAW_8K, NATIVE, CD]
MORE_FORMATS = [*FORMATS, STEREO_11K, ALAW_48K]
NOISES = [0, 20, 60, 200, 600]
SHORT = ListeningRules(max_utterance_s=3)
BYTES_PER_MS = 32
EDGES = [0.0, 0.1, 0.5, 0.95]

by_format = pytest.mark.parametrize("audio_format", FORMATS, ids=str)
by_more_formats = pytest.mark.parametrize("audio_format", MORE_FORMATS, ids=str)
by_noise = pytest.mark.parametrize("noise_rms", NOISES)
shares = st.lists(st.floats(0, 1, exclude_max=True), max_size=60)
bursts = st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 48))


def place(share: float, data: bytes) -> int:
    """A byte of a recording, at this share of it."""
    return 1 + int(share * (len(data) - 1))


def ragged(data: bytes, cuts: list[float], burst: tuple[float, int]) -> list[int]:
    """Some places, and from one of them on 400 chunks of a few bytes."""
    begin = place(burst[0], data)
    burst_cuts = range(begin, min(begin + 400 * burst[1], len(data)), burst[1])
    return [*(place(cut, data) for cut in cuts), *burst_cuts]


@lru_cache
def heard_whole(
    pcm: bytes,
    audio_format: Format,
    noise_rms: float,
    rules: ListeningRules = RULES,
    flushes: tuple[int, ...] = (),
) -> Ear:
    """What everything else is compared with: one chunk from flush to flush."""
    return listen(recorded(pcm, audio_format, noise_rms), [], audio_format, rules, flushes=flushes)


@by_noise
@by_format
def test_equal_chunks_of_any_size_give_the_same_finals(audio_format: Format, noise_rms: float) -> None:
    """The whole sample recording, in chunks of 3200, 32000 and 160 bytes."""
    data = recorded(speech(), audio_format, noise_rms)
    whole = heard_whole(speech(), audio_format, noise_rms)
    assert len(sentences()) == len(whole.finals)
    for size_bytes in (3_200, 32_000, 160 if audio_format is not CD else 1_600):
        assert told(whole.finals) == told(listen(data, every(size_bytes, len(data)), audio_format).finals)


@pytest.mark.parametrize("size_bytes", [1, 7])
@by_more_formats
def test_chunks_smaller_than_a_sample_give_the_same_finals(audio_format: Format, size_bytes: int) -> None:
    """One sentence and its end: all of it in chunks of 7 bytes, its edges and its middle in chunks of 1."""
    pcm = stretch(21.2, 22.75)
    data = recorded(pcm, audio_format, 20)
    whole = heard_whole(pcm, audio_format, 20)
    assert ["silence"] == [final.reason for final in whole.finals]
    edges = [place(share, data) + nth for share in EDGES for nth in range(2_000)]
    cuts = edges if size_bytes == 1 else every(size_bytes, len(data))
    assert told(whole.finals) == told(listen(data, cuts, audio_format).finals)


@by_noise
@by_format
@settings(max_examples=8, deadline=None)
@given(shares, bursts)
def test_random_chunks_give_the_same_finals(
    audio_format: Format, noise_rms: float, cuts: list[float], burst: tuple[float, int]
) -> None:
    """However unevenly a scene with speech and a long silence is cut."""
    data = recorded(scene(), audio_format, noise_rms)
    whole = heard_whole(scene(), audio_format, noise_rms)
    assert told(whole.finals) == told(listen(data, ragged(data, cuts, burst), audio_format).finals)


@by_more_formats
@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.sampled_from([0.0101, 0.05, 0.1, 0.23, 0.31, 0.402, 0.75, 0.86, 0.9, 0.999]), max_size=4, unique=True),
    shares,
    bursts,
    st.sampled_from([0, 60]),
    st.sampled_from([RULES, SHORT]),
)
@example([0.05, 0.86], [], (0.049, 1), 60, SHORT)
def test_flushes_and_length_cuts_do_not_depend_on_the_chunks(
    audio_format: Format,
    flush_shares: list[float],
    cuts: list[float],
    burst: tuple[float, int],
    noise_rms: float,
    rules: ListeningRules,
) -> None:
    """Flushes at fixed bytes, also inside a sample, and cuts at 3 s inside speech, fall alike in any cutting."""
    data = recorded(scene(), audio_format, noise_rms)
    flushes = tuple(place(share, data) for share in flush_shares)
    whole = heard_whole(scene(), audio_format, noise_rms, rules, flushes)
    ear = listen(data, ragged(data, cuts, burst), audio_format, rules, flushes=flushes)
    assert told(whole.finals) == told(ear.finals)
    assert [mark.position.samples for mark in ear.marks][-1] == whole.marks[-1].position.samples


@pytest.mark.parametrize("rules", [RULES, SHORT], ids=["30 s", "3 s"])
@by_noise
@by_more_formats
def test_listening_begun_at_any_mark_goes_on_alike(
    audio_format: Format, noise_rms: float, rules: ListeningRules
) -> None:
    """From each mark of an undisturbed run: its finals, and its marks, to the last field."""
    data = recorded(scene(), audio_format, noise_rms)
    cuts = every(audio_format.sample_rate * audio_format.frame_bytes // 7 + 1, len(data))
    through = listen(data, cuts, audio_format, rules)
    assert len(through.marks) >= 5
    for nth, mark in enumerate(through.marks):
        again = listen(data, cuts, audio_format, rules, after=mark)
        assert through.finals[mark.position.index :] == again.finals
        assert through.marks[nth:] == again.marks
        assert {index: pcm for index, pcm in through.heard.items() if index >= mark.position.index} == again.heard


@settings(max_examples=24, deadline=None)
@given(
    st.sampled_from(MORE_FORMATS),
    st.sampled_from(NOISES),
    st.sampled_from([RULES, SHORT, ListeningRules(max_utterance_s=2, hangover_ms=60, frame_ms=30, aggressiveness=0)]),
    shares,
    bursts,
    st.lists(st.floats(0, 1, exclude_max=True), max_size=3, unique=True),
    st.floats(0, 1, exclude_max=True),
)
def test_any_run_is_resumed_at_any_mark(
    audio_format: Format,
    noise_rms: float,
    rules: ListeningRules,
    cuts: list[float],
    burst: tuple[float, int],
    flush_shares: list[float],
    where: float,
) -> None:
    """Random chunks, random flushes, any format and any rules: a run begun at a mark is the rest of the run."""
    data = recorded(scene(), audio_format, noise_rms)
    cut_at = ragged(data, cuts, burst)
    flushes = tuple(place(share, data) for share in flush_shares)
    through = listen(data, cut_at, audio_format, rules, flushes=flushes)
    mark = through.marks[int(where * len(through.marks))]
    again = listen(data, cut_at, audio_format, rules, flushes=flushes, after=mark)
    assert through.finals[mark.position.index :] == again.finals
    assert through.marks[-1].position == again.marks[-1].position


@by_noise
def test_the_times_are_those_of_the_sentences(noise_rms: float) -> None:
    """Six finals, each edge within 130 ms of where the sentence truly begins and ends."""
    finals = heard_whole(speech() + silence(1), NATIVE, noise_rms).finals
    assert len(sentences()) == len(finals)
    for sentence, final in zip(sentences(), finals, strict=True):
        assert abs(sentence["start_ms"] - final.start_ms) <= 130
        assert abs(sentence["end_ms"] - final.end_ms) <= 130
        assert "silence" == final.reason


@by_more_formats
def test_every_format_hears_the_same_times(audio_format: Format) -> None:
    """Resampling and companding move an edge by three frames at most."""
    native, other = heard_whole(scene(), NATIVE, 0).finals, heard_whole(scene(), audio_format, 0).finals
    assert len(native) == len(other)
    for ours, theirs in zip(native, other, strict=True):
        assert abs(ours.start_ms - theirs.start_ms) <= 60
        assert abs(ours.end_ms - theirs.end_ms) <= 60


@pytest.mark.parametrize("noise_rms", [0, 2, 10, 20, 50, 104])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_noise_is_taken_for_speech(noise_rms: float, seed: int) -> None:
    """Digital silence, and white noise up to -50 dBFS RMS, open no utterance for two minutes."""
    data = recorded(silence(120), NATIVE, noise_rms, seed)
    ear = listen(data, every(32_000, len(data)))
    assert [] == ear.finals
    assert len(ear.marks) >= 12


@pytest.mark.parametrize("rules", [RULES, SHORT, ListeningRules(pre_roll_ms=0, hangover_ms=0)], ids=str)
@by_noise
def test_the_model_hears_exactly_the_utterance(noise_rms: float, rules: ListeningRules) -> None:
    """From the pre-roll, not reaching over the mark, to the hangover's end: these bytes of the recording, no others."""
    data = recorded(scene(), NATIVE, noise_rms)
    ear = listen(data, every(3_200, len(data)), rules=rules, flushes=[160_000, 670_400])
    assert [final.index for final in ear.finals] == list(ear.heard) == list(range(len(ear.finals)))
    for final in ear.finals:
        assert _expected(ear, final.index, data, rules) == ear.heard[final.index]


def _expected(ear: Ear, index: int, data: bytes, rules: ListeningRules) -> bytes:
    final = ear.finals[index]
    mark = [mark.position for mark in ear.marks if mark.position.index == index][-1]
    cut = next((mark.position.samples * 2 for mark in ear.marks if mark.position.index == index + 1), len(data))
    begin = (final.start_ms - rules.pre_roll_ms) * BYTES_PER_MS
    begin = mark.samples * 2 if mark.inside_speech else max(begin, mark.samples * 2)
    return data[begin : min((final.end_ms + rules.hangover_ms) * BYTES_PER_MS, cut)]


@by_noise
def test_every_sample_lies_in_one_span_or_in_silence(noise_rms: float) -> None:
    """Spans follow each other from mark to mark; each utterance lies in its own, and silence has none."""
    data = recorded(scene(), NATIVE, noise_rms)
    ear = listen(data, every(3_200, len(data)), rules=SHORT)
    places_ms = [mark.position.samples // 16 for mark in ear.marks]
    assert sorted(set(places_ms)) == places_ms
    for final in ear.finals:
        spans = [(mark, after) for mark, after in pairwise(places_ms) if mark <= final.start_ms < final.end_ms <= after]
        assert 1 == len(spans)
    edges = [edge for final in ear.finals for edge in (final.start_ms, final.end_ms)]
    assert sorted(edges) == edges
    assert list(range(len(ear.finals))) == [final.index for final in ear.finals]


def test_a_long_silence_is_marked_every_nine_and_a_half_seconds() -> None:
    """When 10 s have passed since the last mark, 500 ms back, at whole samples as sent."""
    ear = listen(recorded(silence(60), CD), every(10_000, 60 * 88_200), CD)
    assert [round(44_100 * 9.5) * nth for nth in range(7)] == [mark.position.samples for mark in ear.marks]
