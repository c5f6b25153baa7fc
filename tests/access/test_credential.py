"""Where a key or token is looked for, and where not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.access.keys import caller

from earful.access.credential import LONGEST_CREDENTIAL, credential_of

if TYPE_CHECKING:
    from earful.service.admission import Caller


@pytest.mark.parametrize(
    ("who", "found"),
    [
        (caller(), None),
        (caller(("authorization", "Bearer k")), "k"),
        (caller(("authorization", "bearer   k ")), "k"),
        (caller(("authorization", "Basic k")), None),
        (caller(("authorization", "Bearer")), None),
        (caller(("x-api-key", "k")), "k"),
        (caller(("x-api-key", "")), None),
        (caller(("sec-websocket-protocol", "earful.v1, earful.key.k")), "k"),
        (caller(("sec-websocket-protocol", "earful.v1"), ("sec-websocket-protocol", "earful.key.k")), "k"),
        (caller(("sec-websocket-protocol", "earful.v1, not-earful.key.k")), None),
        (caller(token="k"), "k"),  # noqa: S106 - of tests
        (caller(("authorization", "Basic x"), ("x-api-key", "k")), "k"),
        (caller(query="k"), None),
        (caller(("x-api-key", "x" * LONGEST_CREDENTIAL)), "x" * LONGEST_CREDENTIAL),
        (caller(("x-api-key", "x" * (LONGEST_CREDENTIAL + 1))), ""),
    ],
)
def test_each_place_is_looked_at(who: Caller, found: str | None) -> None:
    """Nothing is found where there is nothing; what is too long is somebody's that nobody knows."""
    assert found == credential_of(who)


def test_the_query_is_looked_at_only_where_that_is_wished_for() -> None:
    """And last."""
    assert "k" == credential_of(caller(query="k"), in_query=True)
    assert "h" == credential_of(caller(("x-api-key", "h"), query="k"), in_query=True)
