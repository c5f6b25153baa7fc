"""From a URL to a directory: which kind, under which name, and without redis-py where it is not needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from earful.store.address import StoreUrlError
from earful.store.memory import MemoryDirectory
from earful.store.opening import directory_at
from earful.store.redis import RedisDirectory

PROGRAM = """
import sys
from earful.store.opening import directory_at
directory_at("memory://")
print("redis" in sys.modules)
directory_at("redis://127.0.0.1:1")
print("redis" in sys.modules)
"""


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory://", MemoryDirectory),
        ("redis://127.0.0.1:1/2", RedisDirectory),
        ("rediss://127.0.0.1:1", RedisDirectory),
        ("redis+sentinel://127.0.0.1:1,127.0.0.1:2/main", RedisDirectory),
        ("redis+cluster://127.0.0.1:1", RedisDirectory),
    ],
)
def test_the_url_decides(url: str, kind: type) -> None:
    """Each worker has a name of its own, unless it is given one; nothing is connected."""
    assert isinstance(directory_at(url), kind)
    assert "one" == directory_at(url, worker="one").worker
    assert directory_at(url).worker != directory_at(url).worker


def test_a_bad_url_is_refused() -> None:
    """At once."""
    with pytest.raises(StoreUrlError):
        directory_at("redis://")


def test_redis_is_loaded_only_where_it_is_used() -> None:
    """A server without a store starts faster."""
    answer = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    assert ["False", "True"] == answer.stdout.split()
