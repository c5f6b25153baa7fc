"""What every conformance test runs over: each transport in turn."""

from __future__ import annotations

from typing import cast

import pytest


@pytest.fixture(params=["fast", "asgi"])
def transport(request: pytest.FixtureRequest) -> str:
    """The name of a transport."""
    return cast("str", request.param)
