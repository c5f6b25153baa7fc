"""`earful why SESSION`: what happened to a session, with times, and one sentence that says why it ended.

Asks the worker that has it, wherever that is, as long as the others know where. Called by `commands`.
"""

from __future__ import annotations

import sys
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from earful.cli.asking import UnansweredError, ask
from earful.cli.phrases import printable
from earful.cli.story import Account, Colleague, Story

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_WORKERS = 8
"""Asked for one session; it is passed on far less often while it is remembered."""
_FAILED = 1


def why(session_id: str, urls: Sequence[str]) -> int:
    """Print the story of a session as the workers at these addresses tell it; the exit code."""
    story, complaints = gather(session_id, urls)
    if not story.accounts:
        for complaint in complaints:
            print(f"earful: {complaint}", file=sys.stderr)
        return _FAILED
    print(f"Session {printable(session_id)}, times in UTC")
    print()
    told = "\n".join(story.lines())
    if told:
        print(told, end="\n\n")
    print(story.verdict())
    return 0


def gather(session_id: str, urls: Sequence[str]) -> tuple[Story, list[str]]:
    """What the workers at these addresses remember, and those that they name; and why the others said nothing."""
    waiting = deque(urls)
    accounts: dict[str, Account] = {}
    asked: set[str] = set()
    answered: set[str | None] = set()
    named: dict[str, Colleague] = {}
    complaints: list[str] = []
    while waiting and len(asked) < MOST_WORKERS:
        url = waiting.popleft()
        if url in asked:
            continue
        asked.add(url)
        try:
            account = ask(url, f"/v1/sessions/{quote(session_id, safe='')}/events", Account)
        except UnansweredError as error:
            is_unknown = error.status == HTTPStatus.NOT_FOUND
            complaints.append(_unknown(url) if is_unknown else str(error))
            answered |= {url} if is_unknown else set()
            continue
        answered.add(url)
        accounts[account.worker] = account
        if account.elsewhere is not None:
            named[account.elsewhere.id] = account.elsewhere
            waiting += filter(None, [account.elsewhere.ops])
    # Where another than the named one answers, that is its successor.
    absent = [
        Colleague(name) if worker.ops in answered else worker for name, worker in named.items() if name not in accounts
    ]
    return Story(list(accounts.values()), absent), complaints


def _unknown(url: str) -> str:
    return (
        f"Nothing is known of it at {printable(url)}: it never was there, it ended more than 15 minutes ago, or its"
        " worker was killed. Without a shared store ask each worker, with an --url for each."
    )
