"""What the document of an app tells of credentials; that the routes answer so is in the conformance tests."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.inside import Record

from earful.app import build
from earful.settings import Settings

OPEN = {"/v1/health", "/livez", "/readyz"}
ASKED = {"401", "403", "429", "503"}


def document(**settings: Any) -> dict[str, Any]:
    """That of the app with the routes for whoever runs the service."""
    service = build(Settings(**settings), Record(), drain=lambda: None)
    told: dict[str, Any] = (service.ops_app or service.app).openapi()
    return told


def operations(told: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Each with its path."""
    return [(path, one) for path, methods in told["paths"].items() for one in methods.values()]


@pytest.mark.parametrize("settings", [{}, {"allowed_origins": "https://a.org"}])
def test_who_asks_may_bring_a_credential_where_it_is_wanted(settings: dict[str, Any]) -> None:
    """Always told, since it is the settings that say whether one is; what is open to all takes none."""
    told = document(**settings)
    schemes = told["components"]["securitySchemes"]
    assert ["bearer", ("header", "x-api-key")] == [
        schemes["bearer"]["scheme"],
        (schemes["api_key"]["in"], schemes["api_key"]["name"]),
    ]
    for path, one in operations(told):
        assert (path not in OPEN) == (one["responses"].keys() >= ASKED), path
        assert (None if path in OPEN else [{}, {"bearer": []}, {"api_key": []}]) == one.get("security"), path


def test_an_operations_listener_asks_for_none() -> None:
    """On its own machine it may not be called by a name of somebody else's; its documents are told apart."""
    for host, refused in (("127.0.0.1", {"403"}), ("0.0.0.0", set())):  # noqa: S104 - nothing listens
        told = document(ops_port=0, ops_host=host)
        assert "securitySchemes" not in told["components"]
        for path, one in operations(told):
            if path not in OPEN:
                assert not {"401", "429"} & one["responses"].keys(), path
                assert refused <= one["responses"].keys(), path


def test_the_headers_of_a_refusal_are_told() -> None:
    """How long to wait, and how to be known; statuses stand in order."""
    for path, one in operations(document()):
        answers = one["responses"]
        assert sorted(answers) == list(answers)
        told = {status: list(answer.get("headers", {})) for status, answer in answers.items() if status >= "4"}
        if path in OPEN:
            continue
        assert {"401": ["www-authenticate"], "429": ["retry-after"], "503": ["retry-after"]} == {
            status: headers for status, headers in told.items() if headers
        }


def test_it_is_the_same_when_it_is_told_again() -> None:
    """It is kept, not made anew."""
    app = build(Settings(), Record()).app
    assert app.openapi() is app.openapi()
