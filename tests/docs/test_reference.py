"""The reference files: as the code makes them, complete when counted another way, and true of real sessions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator
from scripts.reference import DOCS, FILES
from tests.support.server import running
from websockets.sync.client import connect

from earful import client
from earful.errors import ERRORS, CloseCode, ErrorCode
from earful.protocol.messages import AudioChunk, BinaryAudio, ClientMessage, EncodedChunk, ServerMessage
from earful.samples import sample

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

ASYNCAPI = yaml.safe_load((DOCS / "asyncapi.yaml").read_text("utf-8"))
SCHEMAS = ASYNCAPI["components"]["schemas"]
CHANNEL = ASYNCAPI["channels"]["stream"]
FIRST_WORDS_BYTES = 44 + 4 * 32_000
"""Of the sample: its header and four seconds, more than its first sentence."""


def kinds(messages: Any) -> dict[str, type[msgspec.Struct]]:
    """The messages of a union as they are on the wire, by name."""
    found = [EncodedChunk if kind is AudioChunk else kind for kind in get_args(messages) if kind is not BinaryAudio]
    return {str(kind.__struct_config__.tag): kind for kind in found}


def names_of(operation: str) -> set[str]:
    """The messages of an operation, by name."""
    references = ASYNCAPI["operations"][operation]["messages"]
    return {resolved(reference["$ref"])["$ref"].rpartition("/")[2] for reference in references}


def resolved(reference: str) -> Any:
    """What a reference into the AsyncAPI document leads to; KeyError where that is nothing."""
    node = ASYNCAPI
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def references(node: Any) -> list[str]:
    """Every reference in a part of the document."""
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for part in node.values() for found in references(part)]
    return [found for part in node for found in references(part)] if isinstance(node, list) else []


def fits(message: dict[str, Any]) -> bool:
    """Whether a message is as its schema has it, with no field beside."""
    name = resolved(f"#/components/messages/{message['type']}/payload")["$ref"].rpartition("/")[2]
    validator = Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS}})
    validator.validate(message)
    return bool(message.keys() <= SCHEMAS[name]["properties"].keys())


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_what_the_code_makes(name: str) -> None:
    """Word for word; `make reference` makes it anew."""
    assert FILES[name]() == (DOCS / name).read_text("utf-8")


@pytest.mark.parametrize(
    ("operation", "action", "messages"), [("listen", "receive", ClientMessage), ("answer", "send", ServerMessage)]
)
def test_each_side_says_what_the_protocol_lets_it_say(operation: str, action: str, messages: Any) -> None:
    """No message more, none less; binary audio is the client's beside the text."""
    binary = {"binary_audio"} if BinaryAudio in get_args(messages) else set()

    assert (kinds(messages).keys() | binary, action) == (
        names_of(operation),
        ASYNCAPI["operations"][operation]["action"],
    )


@pytest.mark.parametrize("kind", [*kinds(ClientMessage).values(), *kinds(ServerMessage).values()])
def test_a_message_has_the_fields_that_it_has_in_the_code(kind: type[msgspec.Struct]) -> None:
    """And needs those that have no default."""
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    schema = SCHEMAS[kind.__name__]

    assert {"type", *(field.name for field in info.fields)} == schema["properties"].keys()
    assert {"type", *(field.name for field in info.fields if field.required)} == set(schema["required"])


def test_every_code_is_there() -> None:
    """Errors with what is said of them, close codes with their names, but for the one that is never on the wire."""
    told = {code: [row.close_code.value, row.retryable, row.text] for code, row in sorted(ERRORS.items())}

    assert told == {code: list(row.values()) for code, row in sorted(CHANNEL["x-error-codes"].items())}
    assert {str(code.value): code.name for code in CloseCode if code != 1006} == CHANNEL["x-close-codes"]
    assert [code.value for code in ErrorCode] == SCHEMAS["Error"]["properties"]["code"]["enum"]


def test_an_upgrade_may_bring_all_that_is_read_of_it() -> None:
    """A credential in each of its places, a page's origin, and what it is to be called in logs and traces."""
    binding = CHANNEL["bindings"]["ws"]
    assert {"resume", "refuse", "token"} == binding["query"]["properties"].keys()
    headers = binding["headers"]["properties"]
    assert {"authorization", "x-api-key", "origin", "x-request-id", "traceparent"} < headers.keys()
    assert all(name in headers["sec-websocket-protocol"]["description"] for name in ("earful.v1", "earful.key."))


def test_the_document_holds_together() -> None:
    """Each reference leads somewhere, each schema is one, and what AsyncAPI 3 requires is there.

    AsyncAPI's own JSON schema is no Python package; held to it once by hand (3.0.0, November 2026) it had no fault.
    """
    for reference in references(ASYNCAPI):
        assert resolved(reference)
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)
    assert {
        "asyncapi",
        "info",
        "servers",
        "channels",
        "operations",
        "components",
        "defaultContentType",
    } == ASYNCAPI.keys()
    assert ("3.0.0", {"title", "version"}) == (ASYNCAPI["asyncapi"], {"title", "version"} & ASYNCAPI["info"].keys())


@pytest.mark.e2e
def test_a_real_session_says_what_the_schemas_let_it_say() -> None:
    """Both sides: started, partials, a final with a cursor, flushed, an error, the last final."""
    audio = sample().read_bytes()[:FIRST_WORDS_BYTES]
    said: list[dict[str, Any]] = [
        {"type": "start", "words": True, "language": "en"},
        {"type": "flush", "id": "a"},
        {"type": "keepalive"},
        {"type": "stop"},
    ]
    with running() as server, connect(server.address.ws, proxy=None) as socket:
        socket.send(json.dumps(said[0]))
        heard = [json.loads(socket.recv(10))]
        for start in range(44, len(audio), 6400):
            socket.send(audio[start : start + 6400])
        for message in (*said[1:3], {"type": "no such thing"}, said[3]):
            socket.send(json.dumps(message))
        heard += rest_of(socket)

    assert [True] * len(said + heard) == [fits(message) for message in said + heard]
    assert {"started", "partial", "final", "flushed", "error"} == {message["type"] for message in heard}


def rest_of(socket: ClientConnection) -> list[Any]:
    """What comes until the server closes."""
    return [json.loads(text) for text in socket]


def test_openapi_has_the_routes_of_a_running_server() -> None:
    """Those that a server tells of itself on its one port."""
    with running() as server:
        told = server.address.get("/openapi.json")

    assert told == json.loads((DOCS / "openapi.json").read_text("utf-8"))


def test_the_python_page_has_every_public_name() -> None:
    """Of the client, and what an authenticator is made of, each under a heading of its own."""
    page = (DOCS / "python.md").read_text("utf-8")
    names = [*client.__all__, "Authenticator", "Caller", "Admission", "TenantLimits", "credential_of", "EarfulError"]

    assert [] == [name for name in names if f"\n### {name}\n" not in page]


def test_what_stands_behind_a_field_is_its_meaning() -> None:
    """In the words of the code, beside its type; fields without any have an empty cell."""
    page = (DOCS / "python.md").read_text("utf-8")

    assert "| `connect_s` | `float` | For one try to connect. |\n" in page
    assert "| `path` | `str` | |\n" in page


def test_the_rest_page_has_every_route() -> None:
    """Under a heading that is its method and its path."""
    page = (DOCS / "rest.md").read_text("utf-8")
    paths = json.loads((DOCS / "openapi.json").read_text("utf-8"))["paths"]

    assert [] == [
        path for path, methods in paths.items() for way in methods if f"\n### {way.upper()} {path}\n" not in page
    ]
