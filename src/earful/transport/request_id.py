"""ASGI middleware: every HTTP answer carries `x-request-id`; every request knows its own, and where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

from earful.transport.origin import origin_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class RequestId:
    """Gives each request an id, in `request.state.request_id` and in the answer's header; more is in `state.origin`."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through; only the beginning of an HTTP answer is touched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        origin = origin_of(scope["headers"], client[0] if client else "", "http")
        request_id = origin.request_id
        scope.setdefault("state", {}).update(request_id=request_id, origin=origin)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)
