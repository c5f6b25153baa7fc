"""Who is not let in over REST is told in the log, in process; that every route asks is in the conformance tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.access.keys import ACME, key_file
from tests.support.house import House, in_house

from earful.errors import ERRORS, ErrorCode
from earful.telemetry.events import MOST_A_SECOND

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("path", "key", "code"),
    [
        ("/v1/sessions", "wrong-key", ErrorCode.UNAUTHORIZED),
        ("/v1/sessions?token=wrong-key", "", ErrorCode.UNAUTHORIZED),
        ("/metrics", ACME, ErrorCode.FORBIDDEN),
    ],
)
def test_who_is_not_let_in_is_told_without_its_key(path: str, key: str, code: ErrorCode, tmp_path: Path) -> None:
    """Why, and where it came from; wrong keys and tenants that are no operators alike."""

    async def scenario(house: House) -> None:
        await house.client.get(path, headers={"x-api-key": key, "x-request-id": "r-1"} if key else {})
        (line,) = house.log.all_of("access refused")
        assert (code.value, ERRORS[code].text, "127.0.0.1") == (line["code"], line["why"], line["peer"])
        assert {"level", "event", "code", "why", "peer", "request_id", "trace_id"} == line.keys()
        assert (line["request_id"] == "r-1") == bool(key)
        assert [] == [given for given in ("wrong-key", ACME) if given in str(house.log.events)]

    in_house(scenario, auth="static", auth_options={"file": str(key_file(tmp_path)), "in_query": True})


def test_who_is_let_in_is_not_told(tmp_path: Path) -> None:
    """It is its session or upload that is."""

    async def scenario(house: House) -> None:
        assert 200 == (await house.client.get("/v1/sessions", headers={"x-api-key": ACME})).status_code
        assert [] == house.log.all_of("access refused")

    in_house(scenario, auth="static", auth_options={"file": str(key_file(tmp_path))})


def test_a_flood_of_wrong_keys_is_no_flood_of_lines(tmp_path: Path) -> None:
    """A few of each second are told, all are counted."""

    async def scenario(house: House) -> None:
        for _ in range(10 * MOST_A_SECOND):
            await house.client.get("/v1/sessions")
        assert MOST_A_SECOND <= len(house.log.all_of("access refused")) < 10 * MOST_A_SECOND
        assert {"unauthorized": 10 * MOST_A_SECOND} == house.service.registry.metrics.refusals

    in_house(scenario, auth="static", auth_options={"file": str(key_file(tmp_path))})
