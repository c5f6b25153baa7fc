"""The judge is judged: each of these bugs, put in on purpose, is found within some hundred schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from tests.simulation.scenes import SCENES
from tests.simulation.world import BrokenPromiseError, explore_all

from earful.client.core import Speaker
from earful.protocol.messages import AudioChunk, ClientMessage, Flush, Started, Stop
from earful.service.presence import Presence
from earful.session.cursors import Cursors
from earful.session.listener import Listener
from earful.session.transcript import Transcript
from earful.store.memory import Hub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from earful.protocol.cursor import Position
    from earful.store.values import Claim, Entry, Verdict

FOUND_WITHIN = 1500
Patch = pytest.MonkeyPatch


def leave_out(patch: Patch, of_replay: Callable[[list[ClientMessage]], ClientMessage | None]) -> None:
    """The client's replay misses a message."""
    original = Speaker._replay

    def replay(self: Speaker, next_sequence: int) -> Iterator[ClientMessage]:
        messages = list(original(self, next_sequence))
        missing = of_replay(messages)
        return (message for message in messages if message is not missing)

    patch.setattr(Speaker, "_replay", replay)


def first(kind: type[Any]) -> Callable[[list[ClientMessage]], ClientMessage | None]:
    """The first message of a kind."""
    return lambda messages: next((message for message in messages if isinstance(message, kind)), None)


def a_chunk_is_not_replayed(patch: Patch) -> None:
    """The first."""
    leave_out(patch, first(AudioChunk))


def a_flush_is_not_asked_again(patch: Patch) -> None:
    """The first unanswered one."""
    leave_out(patch, first(Flush))


def stop_is_not_said_again(patch: Patch) -> None:
    """A new connection never learns that this was all."""
    leave_out(patch, first(Stop))


def too_little_is_kept(patch: Patch) -> None:
    """One chunk less."""
    original = Speaker._keep
    patch.setattr(Speaker, "_keep", lambda self, cursor, keep_from: original(self, cursor, keep_from + 1))


def fragments_are_not_forgotten(patch: Patch) -> None:
    """What was heard of an open utterance stays when it is heard again."""
    original = Speaker._begin

    def begin(self: Speaker, started: Started) -> None:
        fragments = self.fragments
        original(self, started)
        self.fragments = fragments

    patch.setattr(Speaker, "_begin", begin)


def a_cursor_overtakes_a_final(patch: Patch) -> None:
    """Its mark is told at once, while the model still works at what lies before."""
    original = Transcript.mark

    def mark(self: Transcript, position: Position) -> None:
        original(self, position)
        self.silent_mark = position

    patch.setattr(Transcript, "mark", mark)


def a_final_is_told_under_the_index_before(patch: Patch) -> None:
    """A cursor counts one utterance too few."""
    original = Cursors.at

    def at(self: Cursors, mark: Position) -> str:
        return original(self, replace(mark, index=max(0, mark.index - 1)))

    patch.setattr(Cursors, "at", at)


def the_cut_is_forgotten(patch: Patch) -> None:
    """A cursor does not say that it stands inside speech."""
    original = Cursors.at
    patch.setattr(Cursors, "at", lambda self, mark: original(self, replace(mark, inside_speech=False)))


def a_fresh_vad_is_believed(patch: Patch) -> None:
    """Its first 100 ms too."""
    for scene in SCENES:
        patch.setitem(scene.rules.__dict__, "unbelieved_frames", 0)


def the_vad_outlives_a_mark(patch: Patch) -> None:
    """In the run that goes on, not in the one that is resumed there."""
    original = Listener._restart

    def restart(self: Listener, place: int, *, inside_speech: bool) -> bytes:
        vad = self._segmenter._vad
        beyond = original(self, place, inside_speech=inside_speech)
        self._segmenter._vad = vad
        return beyond

    patch.setattr(Listener, "_restart", restart)


def late_claims_are_granted(patch: Patch) -> None:
    """The directory does not look at attempts."""
    original = Hub.claim

    def claim(self: Hub, claim: Claim | Entry, worker: str, expires_s: float) -> Verdict:
        note = self.noted(claim.session_id)
        if note is not None:
            note.attempt = -1
        return original(self, claim, worker, expires_s)

    patch.setattr(Hub, "claim", claim)


def notices_are_not_heeded(patch: Patch) -> None:
    """A worker keeps what lives elsewhere."""
    patch.setattr(Presence, "_heed", lambda *_: None)


@pytest.mark.parametrize(
    "bug",
    [
        a_chunk_is_not_replayed,
        a_flush_is_not_asked_again,
        stop_is_not_said_again,
        too_little_is_kept,
        fragments_are_not_forgotten,
        a_cursor_overtakes_a_final,
        a_final_is_told_under_the_index_before,
        the_cut_is_forgotten,
        a_fresh_vad_is_believed,
        the_vad_outlives_a_mark,
        late_claims_are_granted,
        notices_are_not_heeded,
    ],
    ids=lambda bug: bug.__name__.replace("_", " "),
)
def test_a_bug_is_found(bug: Callable[[Patch], None], monkeypatch: Patch) -> None:
    """Soon, and with the seed that shows it."""
    for scene in SCENES:
        assert scene.truth()  # By the rules as they should be.
    bug(monkeypatch)
    with pytest.raises(BrokenPromiseError, match=r"explore\(\d+\)"):
        explore_all(range(FOUND_WITHIN))
