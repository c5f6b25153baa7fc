"""The journal: each session's newest events, bounded in number and in time."""

from __future__ import annotations

from earful.telemetry.journal import KEPT_S, MOST_DRAWN, MOST_ENDED, MOST_EVENTS, Event, Journal


class Day:
    """A time of day that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        """Tell it."""
        return self.now_s


def noted(journal: Journal, session_id: str, *names: str) -> None:
    """Note events of these names."""
    for name in names:
        journal.note(session_id, Event(0, name, {}))


def names_of(journal: Journal, session_id: str) -> list[str]:
    """The names of what is kept."""
    return [event.name for event in journal.events_of(session_id)]


def test_events_come_back_in_order() -> None:
    """Of the session asked for."""
    journal = Journal()
    journal.open("a", {"request_id": "r"})
    journal.open("b", {})
    noted(journal, "a", "one", "two")
    noted(journal, "b", "other")
    assert ["one", "two"] == names_of(journal, "a")
    assert ({"request_id": "r"}, {}) == (journal.context_of("a"), journal.context_of("nobody"))


def test_only_the_newest_of_a_session_stay() -> None:
    """However many there are."""
    journal = Journal()
    journal.open("a", {})
    noted(journal, "a", *(str(number) for number in range(MOST_EVENTS + 3)))
    assert [str(number) for number in range(3, MOST_EVENTS + 3)] == names_of(journal, "a")


def test_of_who_was_never_opened_nothing_is_kept() -> None:
    """Nor is it closed, or renamed."""
    journal = Journal()
    noted(journal, "stranger", "one")
    journal.close("stranger")
    journal.rename("stranger", "known", {})
    assert ([], []) == (names_of(journal, "stranger"), names_of(journal, "known"))


def test_an_ended_session_is_known_for_a_while() -> None:
    """Also what comes after its end; then it is forgotten, without anybody ending."""
    day = Day()
    journal = Journal(day)
    journal.open("a", {})
    journal.close("a")
    noted(journal, "a", "late")
    day.now_s += KEPT_S - 1
    assert ["late"] == names_of(journal, "a")
    day.now_s += 1
    assert [] == names_of(journal, "a")


def test_only_the_last_ended_ones_are_known() -> None:
    """Live ones stay."""
    journal = Journal()
    for number in range(MOST_ENDED + 2):
        journal.open(str(number), {})
        noted(journal, str(number), "began")
        if number:
            journal.close(str(number))
    assert ["began"] == names_of(journal, "0")
    assert [] == names_of(journal, "1")
    assert ["began"] == names_of(journal, "2")


def test_who_goes_on_with_a_session_goes_on_with_its_events() -> None:
    """Whether the older connection is still there, has ended, or was another worker's."""
    for is_closed in (True, False):
        journal = Journal()
        journal.open("old", {"request_id": "first"})
        noted(journal, "old", "began")
        if is_closed:
            journal.close("old")
        journal.open("drawn", {"request_id": "second"})
        noted(journal, "drawn", "came back")
        journal.rename("drawn", "old", {"request_id": "second", "trace_id": "first"})
        assert (["began", "came back"], []) == (names_of(journal, "old"), names_of(journal, "drawn"))
        assert {"request_id": "second", "trace_id": "first"} == journal.context_of("old")
    journal = Journal()
    journal.open("drawn", {})
    noted(journal, "drawn", "came back")
    journal.rename("drawn", "elsewhere", {})
    assert ["came back"] == names_of(journal, "elsewhere")


def test_an_id_that_was_drawn_for_a_resumption_leads_to_its_session() -> None:
    """Of the last ones; any other id is its own."""
    journal = Journal()
    journal.open("old", {})
    for number in range(MOST_DRAWN + 1):
        journal.open(f"drawn {number}", {})
        journal.rename(f"drawn {number}", "old", {})
    assert ["drawn 0", "old", "old", "stranger"] == [
        journal.name_of(name) for name in ("drawn 0", "drawn 1", f"drawn {MOST_DRAWN}", "stranger")
    ]
