"""How an app answers what goes wrong over HTTP: always by a row of the error table, in the one form.

Installed by `app.py` on each app it makes.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from earful.errors import EarfulError, ErrorCode
from earful.transport.answers import RETRY_STATUSES, refusal, retry_after_s

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")


def answer_faults(app: FastAPI) -> None:
    """Have `app` answer every error so; one that is no error of the table is told as `internal`."""
    app.add_exception_handler(EarfulError, _answer_error)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(Exception, _answer_internal)


async def _answer_error(request: Request, error: Exception) -> Response:
    """An error of the table: its status, code and public sentence."""
    if not isinstance(error, EarfulError):
        raise error
    wait_s = retry_after_s() if error.row.http_status in RETRY_STATUSES else None
    return refusal(error, request_id=request.state.request_id, retry_after_s=wait_s)


async def _answer_http(request: Request, error: Exception) -> Response:
    """Routing's own errors, in the same form."""
    if not isinstance(error, HTTPException):
        raise error
    code = ErrorCode.NOT_FOUND if error.status_code == HTTPStatus.NOT_FOUND else ErrorCode.BAD_REQUEST
    known = EarfulError(code, f"{HTTPStatus(error.status_code).phrase}: {request.method} {request.url.path}.")
    answer = refusal(known, request_id=request.state.request_id)
    answer.status_code = error.status_code
    answer.headers.update(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        answer.headers["allow"] = ", ".join(_methods_at(request))
    return answer


def _methods_at(request: Request) -> list[str]:
    """All methods of the path; Starlette tells those of its first route."""
    routes = request.app.routes
    asked = {method: {**request.scope, "method": method} for method in _METHODS}
    return [method for method, scope in asked.items() if any(route.matches(scope)[0] is Match.FULL for route in routes)]


async def _answer_invalid(request: Request, error: Exception) -> Response:
    """Parameters that do not validate: which one, and why."""
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    text = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}."
    return refusal(EarfulError(ErrorCode.BAD_REQUEST, text), request_id=request.state.request_id)


async def _answer_internal(request: Request, _: Exception) -> Response:
    """A fault of ours; Starlette logs it."""
    return refusal(EarfulError(ErrorCode.INTERNAL), request_id=request.state.request_id)
