"""REST as OpenAPI, docs/openapi.json, and as a page, docs/rest.md: both are what the app says of itself.

Guarantees every route of a server on its one port, those of the operations listener among them.
"""

from __future__ import annotations

import json
import textwrap
from typing import Any

from earful.app import build
from earful.settings import Settings
from earful.telemetry.logs import open_log

HEAD = """# REST

Every route of a server, made of the code by `make reference`, as is [`openapi.json`](openapi.json). What they mean says
the [protocol](protocol.md#http), who may reach them [operations](operations.md#the-operations-listener) and
[security](security.md). A running server shows them at `/docs`, which needs no internet.

Every answer has the header `x-request-id`; every error is of the one form `Failure`, with a code of
[the table](protocol.md#http). Routes that have a 401 take a [key or a token](access.md#where-a-credential-goes) as
`Authorization: Bearer` or `x-api-key`; by default none wants one. With 429, and with 503 for an error, `Retry-After`
says how many seconds to wait.
"""


def openapi() -> dict[str, Any]:
    """The document."""
    log = open_log("error", "json")
    document: dict[str, Any] = build(Settings(), log, drain=lambda: None).app.openapi()
    return document


def text() -> str:
    """The file's text."""
    return json.dumps(openapi(), indent=1, ensure_ascii=False) + "\n"


def page() -> str:
    """The page's text."""
    document = openapi()
    routes = [
        _route(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = document["components"]["schemas"]
    shapes = [_shape(name, schema) for name, schema in schemas.items() if "properties" in schema]
    return "\n".join([HEAD, "## Routes\n", *routes, "## Shapes\n", *shapes]).rstrip() + "\n"


def _route(path: str, method: str, operation: dict[str, Any]) -> str:
    lines = [f"### {method.upper()} {path}", "", _wrapped(operation["description"]), ""]
    if parameters := operation.get("parameters"):
        lines += ["| parameter | in | type | needed |", "|---|---|---|---|"]
        lines += [
            f"| `{one['name']}` | {one['in']} | {_type(one['schema'])} | {_yes(needed=one['required'])} |"
            for one in parameters
        ] + [""]
    if body := operation.get("requestBody"):
        lines += [_wrapped(f"Body: {', or '.join(_sent(*one) for one in body['content'].items())}."), ""]
    lines += ["| status | body | |", "|---|---|---|"]
    lines += [
        f"| {status} | {_body(answer)} | {answer['description']} |" for status, answer in operation["responses"].items()
    ]
    return "\n".join([*lines, ""])


def _sent(kind: str, content: dict[str, Any]) -> str:
    """What a body of this type has to have."""
    fields = [f"`{name}` ({_type(shape)})" for name, shape in content["schema"].get("properties", {}).items()]
    return f"`{kind}`" + (f" with {', '.join(fields)}" if fields else "")


def _shape(name: str, schema: dict[str, Any]) -> str:
    lines = [f"### {name}", "", _wrapped(schema.get("description", "")), ""]
    lines += ["| field | type | always |", "|---|---|---|"]
    required = schema.get("required", [])
    lines += [
        f"| `{field}` | {_type(shape)} | {_yes(needed=field in required)} |"
        for field, shape in schema["properties"].items()
    ]
    if examples := schema.get("examples"):
        lines += ["", "```json", json.dumps(examples[0], ensure_ascii=False), "```"]
    return "\n".join([*lines, ""])


def _body(answer: dict[str, Any]) -> str:
    shapes = [_type(content.get("schema", {})) for content in answer.get("content", {}).values()]
    return ", ".join(shapes) or "-"


def _type(schema: dict[str, Any]) -> str:
    """A schema in a word or a few; one with a name leads to it."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema.get("type", "text"))


def _wrapped(prose: str) -> str:
    return textwrap.fill(" ".join(prose.split()), 120, break_on_hyphens=False)


def _yes(*, needed: bool) -> str:
    return "yes" if needed else "no"
