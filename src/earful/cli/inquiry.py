"""Asking all workers of a service what they remember of one session: those named, and those that these name.

Guarantees a bounded search: so many addresses, side by side in rounds, each request with a deadline. Used by `why.py`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from earful.cli.asking import UnansweredError, address_at, ask
from earful.cli.fleet import Crew, Health
from earful.cli.phrases import printable
from earful.cli.story import Account, Colleague, Story
from earful.client.address import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MOST_ADDRESSES = 32
TRIES = 64
"""At an address that several workers share, where the system chooses who answers: of eight, each does nearly surely."""


class Heard(NamedTuple):
    """What an address answered: its workers' accounts, and who is there; `why_not` where one could not be had."""

    url: str
    accounts: dict[str, Account]
    crew: Crew | None = None
    why_not: UnansweredError | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether it was answered that nothing is known."""
        return not self.accounts and self.why_not is not None and self.why_not.status == HTTPStatus.NOT_FOUND

    @property
    def tells_nothing(self) -> bool:
        """Whether nothing can be asked there: a public port beside an operations listener."""
        return self.is_unknown and self.crew is None

    @property
    def named(self) -> Iterator[str]:
        """Where else to ask."""
        if self.crew is not None:
            yield from (one.ops for one in self.crew.workers if one.ops)
        yield from (one.elsewhere.ops for one in self.accounts.values() if one.elsewhere and one.elsewhere.ops)


class Inquiry:
    """What is known of one session."""

    def __init__(self, session_id: str) -> None:
        """Nobody was asked yet."""
        self.session_id = session_id
        self._path = f"/v1/sessions/{quote(session_id, safe='')}/events"
        self._heard: dict[str, Heard] = {}

    def ask(self, urls: Iterable[str]) -> None:
        """Ask at these addresses, and wherever their answers point."""
        with ThreadPoolExecutor(MOST_ADDRESSES, thread_name_prefix="ask") as threads:
            while waiting := list(islice(self._unasked(urls), MOST_ADDRESSES - len(self._heard))):
                heard = list(threads.map(self._hear, waiting))
                self._heard.update((one.url, one) for one in heard)
                urls = [url for one in heard for url in one.named]

    @property
    def story(self) -> Story:
        """All that is remembered; of workers that did not tell theirs, their names."""
        accounts = {name: account for heard in self._heard.values() for name, account in heard.accounts.items()}
        named = {
            account.elsewhere.id: account.elsewhere for account in accounts.values() if account.elsewhere is not None
        }
        told = accounts.keys() | {heard.crew.worker for heard in self._heard.values() if heard.crew is not None}
        return Story(list(accounts.values()), [self._as_seen(one) for name, one in named.items() if name not in told])

    def complaints(self) -> Iterator[str]:
        """A sentence for each address that could not be asked."""
        for heard in self._heard.values():
            if heard.tells_nothing:
                yield f"{shown(heard.url)} tells of no session; name an operations listener (ops_port) as --url."
            elif heard.why_not is not None and heard.why_not.status != HTTPStatus.NOT_FOUND:
                yield str(heard.why_not)

    def denial(self) -> str:
        """A sentence for those who know nothing of it; empty where nobody said so."""
        deniers = [shown(heard.url) for heard in self._heard.values() if heard.is_unknown and not heard.tells_nothing]
        if not deniers:
            return ""
        return printable(
            f"Nothing is known of it at {', '.join(deniers)}: it never was there, it ended more than 15 minutes ago, or"
            " its worker has ended since (replaced, shut down or killed). Or another worker has it, and each keeps its"
            " own memory: a shared store leads to it from any of them, but knows no uploads, and no session without"
            " start that lasted less than a second. Ask each worker then, with an --url for each."
        )

    def _unasked(self, urls: Iterable[str]) -> Iterator[str]:
        """Each once, however it is written."""
        roots = dict.fromkeys(address_at(url, "") or url for url in urls)
        return (root for root in roots if root not in self._heard)

    def _hear(self, url: str) -> Heard:
        try:
            crew = ask(url, "/v1/workers", Crew)
        except UnansweredError:
            crew = None
        return self._hear_all(url, crew, _sharing(url, crew))

    def _hear_all(self, url: str, crew: Crew | None, sharing: set[str]) -> Heard:
        """Ask until each that is known to share the address has told its account, but not for ever."""
        accounts: dict[str, Account] = {}
        why_not: UnansweredError | None = None
        for _ in range(TRIES if sharing else 1):
            try:
                account = ask(url, self._path, Account)
            except UnansweredError as error:
                why_not = error
                if error.status is None:
                    break
                continue
            accounts[account.worker] = account
            if len(sharing) > 1 and sharing <= accounts.keys():
                break
        return Heard(url, accounts, crew, why_not)

    def _as_seen(self, worker: Colleague) -> Colleague:
        """A worker at whose address another one answers is gone: the store has not noticed yet."""
        heard = self._heard.get(worker.ops or "")
        is_gone = heard is not None and (heard.accounts or heard.is_unknown)
        return Colleague(worker.id) if is_gone else worker


def _sharing(url: str, crew: Crew | None) -> set[str]:
    """The known ones of the workers that answer at one address; empty where it is one worker's alone."""
    if crew is None or any(one.ops for one in crew.workers if one.id == crew.worker):
        return set()
    sharing = {one.id for one in crew.workers if not one.ops}
    return sharing if len(sharing) > 1 or _is_of_several(url) else set()


def _is_of_several(url: str) -> bool:
    """Whether the worker there knows that it is one of several, without knowing the others."""
    try:
        return ask(url, "/v1/health", Health).scope == "worker"
    except UnansweredError:
        return False


def inquire(session_id: str, urls: Sequence[str]) -> Inquiry:
    """Ask all that can be reached from these addresses.

    A connection that resumed was given an id of its own first; who asks for that one hears of the session itself.
    """
    inquiry = Inquiry(session_id)
    inquiry.ask(urls)
    meant = {account.session_id for account in inquiry.story.accounts} - {session_id}
    if not meant:
        return inquiry
    inquiry = Inquiry(meant.pop())
    inquiry.ask(urls)
    return inquiry
