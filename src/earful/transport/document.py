"""What an app says of itself as OpenAPI: what FastAPI knows of its routes, and which credentials some of them take.

Guarantees that a route takes one where it may answer 401, and that it is never said to need one: by default none does.
Installed by `app.py` on each app it makes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import FastAPI

SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key or a token, where `auth` asks for one."},
    "api_key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same."},
}
_NONE: dict[str, list[str]] = {}
SECURITY = [_NONE, *({name: []} for name in SCHEMES)]


def tell_credentials(app: FastAPI) -> None:
    """Have the document of `app` tell them; its statuses are in order then."""
    of_routes = app.openapi

    def openapi() -> dict[str, Any]:
        document = of_routes()
        for operation in (one for methods in document["paths"].values() for one in methods.values()):
            operation["responses"] = dict(sorted(operation["responses"].items()))
            if "401" in operation["responses"]:
                operation["security"] = SECURITY
                document["components"]["securitySchemes"] = SCHEMES
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to change it
