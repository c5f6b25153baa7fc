"""The cutter's rules one by one, on a made-up detector: which frames are speech is written down."""

from __future__ import annotations

import pytest
from tests.support.rings import rings_left_by

from earful.session import segmenter
from earful.session.rules import ListeningRules
from earful.session.segmenter import Mark, Segmenter

RULES = ListeningRules()
MS = 32
FRAME = 20 * MS
QUIET, LOUD = bytes(FRAME), b"\1" * FRAME


class FakeVad:
    """Hears speech in every frame that does not begin with zero."""

    def __init__(self, aggressiveness: int) -> None:
        assert 2 == aggressiveness

    def judge(self, pcm: bytes, at: int, frame_bytes: int) -> list[bool]:
        """Which whole frames are loud."""
        return [pcm[begin] != 0 for begin in range(at, len(pcm) - frame_bytes + 1, frame_bytes)]


@pytest.fixture(autouse=True)
def _written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmenter, "Vad", FakeVad)


def frames(pattern: str) -> bytes:
    """`.` a quiet frame, `#` a loud one."""
    return b"".join(LOUD if mark == "#" else QUIET for mark in pattern)


def cutter(rules: ListeningRules = RULES, *, inside_speech: bool = False) -> Segmenter:
    """A segmenter at a mark."""
    return Segmenter(rules, inside_speech=inside_speech)


@pytest.mark.parametrize(
    ("onset", "first"),
    [("###", 0), ("#.##", 0), ("##..#", 0), ("#.#.#", 0), ("#....###", 5), ("##...##.#", 5), ("#...##.#", 4)],
)
def test_three_speech_frames_of_five_open_an_utterance(onset: str, first: int) -> None:
    """It begins with the first of those that counted, and is not open one frame earlier."""
    ear = cutter()
    assert ear.push(frames("." * 40 + onset[:-1])) is None
    was_open = ear.is_open
    assert ear.push(frames(onset[-1])) is None
    assert (False, True) == (was_open, ear.is_open)
    assert (40 + first) * FRAME == ear.speech_begin
    assert (40 + len(onset)) * FRAME == ear.speech_end
    assert ear.speech_begin - 200 * MS == ear.begin


@pytest.mark.parametrize("onset", ["##...", "#..#.#", "##...#", "#....#"])
def test_fewer_open_none(onset: str) -> None:
    """Two in five are noise."""
    ear = cutter()
    ear.push(frames("." * 10 + onset + "." * 10))
    assert not ear.is_open


def test_the_first_100_ms_are_not_believed() -> None:
    """Five frames after a mark speech does not count; the sixth does."""
    ear = cutter()
    ear.push(frames("#######"))
    assert not ear.is_open
    ear.push(frames("#"))
    assert (True, 5 * FRAME, 0) == (ear.is_open, ear.speech_begin, ear.begin)


def test_pre_roll_does_not_reach_over_the_mark() -> None:
    """Speech 120 ms after it has 120 ms of pre-roll."""
    ear = cutter()
    ear.push(frames("......###"))
    assert (0, 6 * FRAME) == (ear.begin, ear.speech_begin)


def test_600_ms_of_silence_end_an_utterance() -> None:
    """The mark lies at the end of the hangover; the model has heard just that far."""
    ear = cutter()
    assert ear.push(frames("." * 20 + "#####" + "." * 29)) is None
    assert Mark((25 * 20 + 200) * MS, "silence") == ear.push(frames("."))
    heard = ear.take_heard()
    assert frames("." * 10 + "#####" + "." * 10) == heard
    assert b"" == ear.take_heard()


def test_a_pause_below_600_ms_ends_nothing() -> None:
    """Speech goes on, and the model hears the pause too once it does."""
    ear = cutter()
    ear.push(frames("." * 20 + "###" + "." * 29))
    assert frames("." * 10 + "###" + "." * 10) == ear.take_heard()
    assert ear.push(frames("#")) is None
    assert frames("." * 19 + "#") == ear.take_heard()
    assert 53 * FRAME == ear.speech_end == ear.heard_until


def test_an_unjudged_rest_is_heard_only_where_the_utterance_is_cut() -> None:
    """Half a frame waits for its other half, or for the cut."""
    ear = cutter()
    ear.push(frames("." * 20 + "###") + LOUD[:300])
    assert frames("." * 10 + "###") == ear.take_heard()
    assert 23 * FRAME + 300 == ear.end
    assert LOUD[:300] == ear.take_heard(ear.end)


@pytest.mark.parametrize(
    ("tail", "inside"), [("#", True), ("#" + "." * 9, True), ("#" + "." * 10, False), ("#" + "." * 20, False)]
)
def test_an_utterance_has_a_greatest_length(tail: str, inside: bool) -> None:  # noqa: FBT001 - parameter
    """Counted from its first sample; the cut is the mark, inside speech when less than the hangover after it."""
    ear = cutter(ListeningRules(max_utterance_s=2))
    # 10 frames of pre-roll are part of the 100.
    pattern = "." * 20 + "#" * (90 - len(tail)) + tail
    assert ear.push(frames(pattern[:-1])) is None
    assert Mark(110 * FRAME, "max_length", inside_speech=inside) == ear.push(frames(pattern[-1]))
    assert min(110 * FRAME, ear.speech_end + 200 * MS) == 10 * FRAME + len(ear.take_heard())


def test_inside_speech_the_first_speech_frame_opens() -> None:
    """Believed at once, after up to 600 ms; its audio begins at the cut."""
    ear = cutter(inside_speech=True)
    assert ear.push(frames("." * 29)) is None
    assert not ear.is_open
    assert ear.push(frames("#")) is None
    assert (0, 29 * FRAME, 30 * FRAME) == (ear.begin, ear.speech_begin, ear.speech_end)
    assert frames("." * 29 + "#") == ear.take_heard()


def test_inside_speech_silence_makes_a_mark_only() -> None:
    """Where no speech comes within 600 ms: `hangover_ms` after the cut, without a final."""
    ear = cutter(inside_speech=True)
    assert ear.push(frames("." * 29)) is None
    assert Mark(200 * MS) == ear.push(frames("."))


def test_silence_is_marked_500_ms_back_after_10_s() -> None:
    """Whatever noise there was, so long as nothing opened."""
    ear = cutter()
    assert ear.push(frames("." * 497 + "#.")) is None
    assert Mark(9_500 * MS) == ear.push(frames("#"))


def test_an_onset_at_10_s_opens_instead() -> None:
    """The last frame before the mark would be made decides."""
    ear = cutter()
    assert ear.push(frames("." * 497 + "###")) is None
    assert ear.is_open


def test_what_lies_beyond_a_mark_is_not_judged() -> None:
    """Listening ends at the mark."""
    ear = cutter()
    assert ear.push(frames("." * 20 + "###" + "." * 30 + "#" * 50)) is not None
    assert 23 * FRAME == ear.speech_end


def test_memory_is_bounded_in_every_state() -> None:
    """Quiet: pre-roll and onset window; open: what the model has not heard; nothing needed is forgotten."""
    quiet, opened, going_on = cutter(), cutter(), cutter(inside_speech=True)
    opened.push(frames("." * 20 + "###"))
    for _ in range(29):
        quiet.push(frames("."))
        opened.push(frames("."))
        opened.take_heard()
        going_on.push(frames("."))
    assert RULES.quiet_bytes == quiet.buffered_bytes
    assert 29 * FRAME - 200 * MS == opened.buffered_bytes
    assert 29 * FRAME == going_on.buffered_bytes
    assert [29 * FRAME, 23 * FRAME + 200 * MS, 200 * MS] == [ear.needed_from for ear in (quiet, opened, going_on)]
    fresh, almost = cutter(), cutter()
    almost.push(frames("." * 499))
    assert [0, 9_500 * MS] == [fresh.needed_from, almost.needed_from]


@pytest.mark.parametrize("inside_speech", [False, True])
def test_an_utterance_leaves_nothing_to_the_collector(inside_speech: bool) -> None:  # noqa: FBT001 - a table's column
    """Which stops the worker for longer the more sessions there are."""
    assert 0 == rings_left_by(lambda: cutter(inside_speech=inside_speech).push(frames("#" * 20)))
