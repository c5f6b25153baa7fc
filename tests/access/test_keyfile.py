"""The file of keys: what a line may say, and what is said of one that may not."""

from __future__ import annotations

import pytest

from earful.access.keyfile import PREFIX, digest_of, drawn_key, line_of, read_keys
from earful.service.admission import Admission, TenantLimits

HASH = "sha256:" + "ab" * 32


def test_a_drawn_key_is_known_by_its_line() -> None:
    """No two are alike, and the line does not have it."""
    key, other = drawn_key(), drawn_key()
    line = line_of("acme", key)
    assert {digest_of(key): Admission("acme")} == read_keys(line)
    assert (True, True, False) == (key.startswith(PREFIX), key != other, key in line)


def test_a_line_may_have_limits_and_a_permission() -> None:
    """Comments and empty lines are nothing."""
    text = f"# ours\n\nacme {HASH} max_sessions=5 max_new_sessions_per_s=0.5 operator  # the first\n"
    limits = TenantLimits(5, 0.5)
    assert {bytes.fromhex("ab" * 32): Admission("acme", limits, is_operator=True)} == read_keys(text)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("acme", "line 2 is not a tenant"),
        ("acme secret-key", "line 2 is not a tenant"),
        ("acme sha256:abc", "line 2 is not a tenant"),
        ("a/b " + HASH, "line 2 is not a tenant"),
        (f"acme {HASH} max_sessions=-1", "line 2 has more than"),
        (f"acme {HASH} max_sessions=1e9", "line 2 has more than"),
        (f"acme {HASH} max_sessions=0.5", "line 2 has more than"),
        (f"acme {HASH} max_new_sessions_per_s=0", "line 2 has max_new_sessions_per_s=0; to let nobody in"),
        (f"acme {HASH} admin", "line 2 has more than"),
        (f"acme {HASH}\nother {HASH}", "line 3 has a key that stands"),
    ],
)
def test_a_line_that_says_anything_else_is_refused(line: str, why: str) -> None:
    """With its number, and without what stands there: it may be a key."""
    with pytest.raises(ValueError, match=why) as refused:
        read_keys("# keys\n" + line)
    assert "secret" not in str(refused.value)
