"""The tally: what went wrong, in numbers and in words."""

from __future__ import annotations

from earful.bench.tally import Tally


def test_nothing_wrong_has_no_words() -> None:
    """Answers are nothing wrong."""
    tally = Tally()
    tally.answers += 1
    assert "" == tally.sentence()


def test_everything_wrong_is_named() -> None:
    """With how often."""
    tally = Tally()
    tally.refused["503"] += 2
    tally.note_unreachable("no answer")
    tally.note_unreachable("not tried", 0)
    tally.lost["4208"] += 1
    tally.note_error("model_failed")
    tally.note_error("model_failed")
    said = "2 refused with HTTP 503, 1 not connected (no answer), 1 lost (4208), 2 errors model_failed"
    assert said == tally.sentence()


def test_kinds_are_bounded() -> None:
    """A server may call its errors what it likes, for as long as it likes."""
    tally = Tally()
    for nth in range(200):
        tally.note_error(f"{nth:099d}")
        tally.note_error(f"{nth}" * 99)
    assert 51 >= len(tally.errors)
    assert 400 == tally.errors.total()
    assert 40 >= max(map(len, tally.errors))
