"""The body of an order to a worker: JSON, read and understood only after it is known who gives it.

FastAPI reads a body that a route declares before it asks any dependency, whatever its length: so no route declares one.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from earful.errors import EarfulError, ErrorCode

if TYPE_CHECKING:
    from starlette.requests import Request

Order = TypeVar("Order", bound=BaseModel)

MOST_BYTES = 1024
WITHIN_S = 10.0
"""For the whole body."""


def described(form: type[Order]) -> dict[str, Any]:
    """What a route tells OpenAPI of its body, which it does not declare."""
    content = {"application/json": {"schema": form.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


async def ordered(request: Request, form: type[Order]) -> Order:
    """The order of this body.

    Raises EarfulError: `too_large` above `MOST_BYTES`, before more is read; `bad_request` for what is no such order,
    breaks off, or takes longer than `WITHIN_S`.
    """
    body = await _body(request)
    try:
        return form.model_validate_json(body)
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in ("body", *first["loc"]))
        raise EarfulError(ErrorCode.BAD_REQUEST, f"{place}: {first['msg']}.") from None


async def _body(request: Request) -> bytes:
    claimed = request.headers.get("content-length", "")
    if claimed.isdecimal() and int(claimed) > MOST_BYTES:
        raise _too_large()
    try:
        async with asyncio.timeout(WITHIN_S):
            return await _read(request)
    except ClientDisconnect:
        raise EarfulError(ErrorCode.BAD_REQUEST, "The connection ended before the body did.") from None
    except TimeoutError:
        raise EarfulError(ErrorCode.BAD_REQUEST, "The body did not come in time.") from None


async def _read(request: Request) -> bytes:
    body = bytearray()
    async with aclosing(request.stream()) as pieces:
        async for piece in pieces:
            body += piece
            if len(body) > MOST_BYTES:
                raise _too_large()
    return bytes(body)


def _too_large() -> EarfulError:
    return EarfulError(ErrorCode.TOO_LARGE, f"An order may have at most {MOST_BYTES} bytes.")
