"""What every HTTP answer shares: the body of an error, the request's id."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.datastructures import Headers

    from earful.errors import EarfulError

_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


def request_id_of(headers: Headers) -> str:
    """The request's own `x-request-id` where it sent a sane one, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _SANE_ID.fullmatch(given) else secrets.token_hex(8)


def refusal(error: EarfulError, *, request_id: str, retry_after_s: int | None = None) -> JSONResponse:
    """The answer to a request that failed: the row's status, `{"error": {code, message, request_id}}`."""
    headers = {"x-request-id": request_id}
    if retry_after_s is not None:
        headers["retry-after"] = str(retry_after_s)
    body = {"error": {"code": error.code.value, "message": error.text, "request_id": request_id}}
    return JSONResponse(body, error.row.http_status, headers)
