"""The WebSocket as AsyncAPI 3, made of the code's messages and tables: docs/asyncapi.yaml.

Guarantees every message and field of `protocol/messages.py`, every error and close code, and nothing else; beside
them what an upgrade may bring.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

import msgspec
import yaml

from earful.access.credential import QUERY_FIELD, SUBPROTOCOL_PREFIX
from earful.errors import ERRORS, CloseCode, ErrorCode
from earful.protocol.messages import (
    PROTOCOL_VERSION,
    Ack,
    Closing,
    EncodedChunk,
    Error,
    Final,
    Flush,
    Flushed,
    Keepalive,
    Partial,
    Start,
    Started,
    Stop,
)
from earful.transport.answers import SUBPROTOCOL

SAID_BY_CLIENTS = (EncodedChunk, Start, Flush, Keepalive, Stop)
SAID_BY_SERVERS = (Partial, Final, Error, Started, Ack, Flushed, Closing)
BINARY = "binary_audio"
QUERY = {
    "resume": "1 asks for a place for a session that goes on.",
    "refuse": "`close` has a refusal told as an error and a close code, which browsers can see.",
    QUERY_FIELD: "A key or a token, only where `auth_options` has `in_query`.",
}
HEADERS = {
    "authorization": "`Bearer` and a key or a token, where `auth` asks for one.",
    "x-api-key": "The same without a scheme.",
    "sec-websocket-protocol": f"`{SUBPROTOCOL}`, which is selected where it is offered, and for who can set no header"
    f" `{SUBPROTOCOL_PREFIX}` and the key or token, which never is.",
    "origin": "The web page's, which `allowed_origins` must list where it is not `*`; what is no page sends none.",
    "x-request-id": "What the log is to call the connection, and the answer repeats.",
    "traceparent": "The caller's span, as W3C Trace Context has it.",
}
"""What an upgrade may bring beside what makes it one."""
_MADE_BY = "# Made of the code by `make reference`.\n"


def tag_of(kind: type[msgspec.Struct]) -> str:
    """A message's name on the wire."""
    return str(kind.__struct_config__.tag)


def asyncapi() -> dict[str, Any]:
    """The document; its `receive` and `send` are the server's."""
    said = {
        "listen": [*(tag_of(kind) for kind in SAID_BY_CLIENTS), BINARY],
        "answer": [tag_of(kind) for kind in SAID_BY_SERVERS],
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "earful",
            "version": str(PROTOCOL_VERSION),
            "description": "Live audio in, transcripts out. What the messages mean says docs/protocol.md.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {"local": {"host": "127.0.0.1:8000", "protocol": "ws"}},
        "channels": {"stream": _channel(said["listen"] + said["answer"])},
        "operations": {
            name: {"action": action, "channel": {"$ref": "#/channels/stream"}, "messages": _messages_of(said[name])}
            for name, action in (("listen", "receive"), ("answer", "send"))
        },
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def text() -> str:
    """The file's text."""
    return _MADE_BY + yaml.safe_dump(asyncapi(), sort_keys=False, width=100, allow_unicode=True)


def _channel(names: list[str]) -> dict[str, Any]:
    binding = {"method": "GET", "query": _texts(QUERY), "headers": _texts(HEADERS)}
    return {
        "address": "/v1/transcribe/stream",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"ws": binding},
        "x-close-codes": {str(code.value): code.name for code in CloseCode if code is not CloseCode.ABNORMAL},
        "x-error-codes": {
            code.value: {"close_code": row.close_code.value, "retryable": row.retryable, "message": row.text}
            for code, row in ERRORS.items()
        },
    }


def _texts(meanings: dict[str, str]) -> dict[str, Any]:
    """What an upgrade may bring, none of which it needs."""
    texts = {name: {"type": "string", "description": meaning} for name, meaning in meanings.items()}
    return {"type": "object", "properties": texts}


def _messages_of(names: list[str]) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/stream/messages/{name}"} for name in names]


def _messages() -> dict[str, Any]:
    said = {
        tag_of(kind): {"summary": _first_line(kind), "payload": {"$ref": f"#/components/schemas/{kind.__name__}"}}
        for kind in (*SAID_BY_CLIENTS, *SAID_BY_SERVERS)
    }
    said[BINARY] = {
        "summary": "After `start`: one chunk of audio in the declared encoding, which takes the next number.",
        "contentType": "application/octet-stream",
        "payload": {"type": "string", "format": "binary"},
    }
    return said


def _schemas() -> dict[str, Any]:
    kinds = (*SAID_BY_CLIENTS, *SAID_BY_SERVERS)
    _, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    for schema in schemas.values():
        schema["description"] = cleandoc(schema["description"])
    schemas["EncodedChunk"]["properties"]["data"]["contentEncoding"] = "base64"
    schemas["Error"]["properties"]["code"]["enum"] = [code.value for code in ErrorCode]
    return schemas


def _first_line(kind: type[msgspec.Struct]) -> str:
    return (kind.__doc__ or "").partition("\n")[0]
