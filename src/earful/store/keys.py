"""The names of everything in Redis. What stands in braces decides the slot of a cluster that a key lies in.

Guarantees that the keys of one script lie in one slot. Used by `redis.py`.
"""

from __future__ import annotations

PREFIX = "earful"

ROLL = tuple(f"{PREFIX}:{{workers}}:{name}" for name in ("leases", "records", "counts", "sums", "served"))
"""Who is alive, how many sessions they have, and what each has served, also of those that are gone."""


def note_key(session_id: str) -> str:
    """Who owns a session."""
    return f"{PREFIX}:{{session:{session_id}}}"


def index_key(worker: str) -> str:
    """A worker's sessions, in order."""
    return f"{PREFIX}:{{worker:{worker}}}:index"


def details_key(worker: str) -> str:
    """A worker's sessions, by id."""
    return f"{PREFIX}:{{worker:{worker}}}:details"


def inbox_key(worker: str) -> str:
    """What a worker shall hear."""
    return f"{PREFIX}:{{worker:{worker}}}:inbox"


def bucket_keys(tenant: str, worker: str) -> tuple[str, str]:
    """How many sessions a tenant may begin now, and what the worker last took from that."""
    return f"{PREFIX}:{{tenant:{tenant}}}:bucket", f"{PREFIX}:{{tenant:{tenant}}}:drawn:{worker}"


def listing(tenant: str | None) -> tuple[str, str]:
    """How the members of an index begin that belong to a tenant, and how those behind them do."""
    begin = "s" if tenant is None else f"t:{len(tenant.encode())}:{tenant}"
    return f"{begin}:", f"{begin};"
