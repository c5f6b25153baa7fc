"""What OpenAPI tells of the routes, and the page that shows it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.support.house import ask, in_house

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.house import House


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation of the document, with references followed."""
    document = ask("GET", "/openapi.json", drain=lambda: None).json()

    def follow(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return follow(document["components"]["schemas"][node["$ref"].rpartition("/")[2]])
            return {key: follow(value) for key, value in node.items()}
        return [follow(item) for item in node] if isinstance(node, list) else node

    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", follow(operation)


def test_every_json_answer_has_an_example_that_fits() -> None:
    """Of each route and status; an example has the fields that its schema requires."""
    for name, operation in operations():
        for status, answer in operation["responses"].items():
            schema = answer.get("content", {}).get("application/json", {}).get("schema")
            if schema is None:
                assert "/metrics" in name, name
                continue
            (example, *_) = schema["examples"]
            assert set(schema["required"]) == example.keys(), (name, status)


def test_every_error_is_described_in_the_one_form() -> None:
    """Never in the framework's own."""
    for name, operation in operations():
        for status, answer in operation["responses"].items():
            if status >= "4" and not (status == "503" and "transcribe" not in name):
                assert ["error"] == answer["content"]["application/json"]["schema"]["required"], (name, status)


def test_the_upload_tells_its_bodies_and_statuses() -> None:
    """Raw or as a form, and what may go wrong."""
    operation = dict(operations())["post /v1/transcribe"]
    content = operation["requestBody"]["content"]
    assert {"application/octet-stream", "audio/wav", "multipart/form-data"} <= content.keys()
    assert ["file"] == content["multipart/form-data"]["schema"]["required"]
    assert {"200", "400", "413", "415", "422", "500", "503", "504"} < operation["responses"].keys()


def test_the_docs_need_no_internet() -> None:
    """Everything the page loads is here, and is served."""

    async def scenario(house: House) -> None:
        page = (await house.client.get("/docs")).text
        loaded = re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)""", page)
        assert {"/openapi.json"} < set(loaded)
        assert not re.search(r"https?://|[\"']//", page)
        for path in loaded:
            answer = await house.client.get(path)
            assert 200 == answer.status_code, path
            assert answer.content
        assert 200 == (await house.client.get("/docs/oauth2-redirect")).status_code

    in_house(scenario)
