"""Draws the life of a session into docs/protocol.md, from the table in protocol/states.py.

Guarantees to change nothing outside its two markers. Run it by hand after a change of the table; a test
fails while the picture is older than the table.
"""

from __future__ import annotations

import sys
from pathlib import Path

from earful.protocol.states import TRANSITIONS, Input, State

PAGE = Path(__file__).parent.parent / "docs" / "protocol.md"
BEGIN = "<!-- states: begin -->\n"
END = "<!-- states: end -->"
_MESSAGES = (Input.AUDIO, Input.START, Input.FLUSH, Input.KEEPALIVE, Input.STOP)
"""What a client may say; where the table has no cell for one it is a protocol error."""


def main() -> int:
    """Redraw the page; the exit code."""
    before = PAGE.read_text(encoding="utf-8")
    after = redrawn(before)
    PAGE.write_text(after, encoding="utf-8")
    print(f"docs/{PAGE.name} {'was current' if after == before else 'is redrawn'}")
    return 0


def redrawn(page: str) -> str:
    """The page with what is between its markers drawn anew; raises ValueError where it lacks them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page needs the lines {BEGIN.strip()} and {END}")
    return f"{before}{BEGIN}{picture()}\n{table()}{END}{after}"


def picture() -> str:
    """A mermaid diagram of every change of state, and of what a listening session hears."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.CREATE.value}"]
    for state in State:
        for after in State:
            inputs = _inputs_between(state, after)
            if inputs:
                lines.append(f"    {state.value} --> {after.value}: {', '.join(inputs)}")
    return "\n".join([*lines, f"    {State.CLOSED.value} --> [*]", "```", ""])


def table() -> str:
    """Every state x every input: the state after it, `ignored`, or the error it is."""
    states = list(State)
    lines = ["| | " + " | ".join(state.value for state in states) + " |", "|---" * (len(states) + 1) + "|"]
    lines += [f"| {what.value} | " + " | ".join(_cell(state, what) for state in states) + " |" for what in Input]
    return "\n".join([*lines, ""])


def _inputs_between(state: State, after: State) -> list[str]:
    """What leads from one state to the other; a state that is ending only ignores what keeps it there."""
    if state is after and state is not State.ACTIVE:
        return []
    return [what.value for what, then in TRANSITIONS[state].items() if then is after]


def _cell(state: State, what: Input) -> str:
    after = TRANSITIONS[state].get(what)
    if after is None:
        return "`unexpected_message`" if what in _MESSAGES else ""
    return "ignored" if after is state and state is not State.ACTIVE else after.value


if __name__ == "__main__":
    sys.exit(main())
