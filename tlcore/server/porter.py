"""The outermost layer of the server: who may enter, under which number, and what became of it."""

from __future__ import annotations

import hmac
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from tlcore.server.app import Server

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_OPEN_TO_ALL = frozenset({"/", "/page.css", "/page.js", "/icon.svg", "/v2/health/live", "/v2/health/ready"})


class Porter:
    """Gives each request an id, checks its token and how much its client has under way, counts it and logs it.

    An unforeseen error becomes a 500.

    Args:
        app: what answers.
        server: for its token, its counters, and whether it is closing.
        log: told of each request.
    """

    def __init__(self, app: ASGIApp, server: Server, log: Callable[..., None]) -> None:
        self._app = app
        self._server = server
        self._log = log
        self._under_way: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = Headers(scope=scope)
        asked = headers.get("x-request-id", "")
        request_id = asked if _REQUEST_ID.match(asked) else uuid.uuid4().hex
        status = 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                answered = MutableHeaders(scope=message)
                answered["x-request-id"] = request_id
                answered["x-content-type-options"] = "nosniff"
                if self._server.draining:
                    answered["connection"] = "close"
            await send(message)

        client = _address(scope)
        self._under_way[client] += 1
        try:
            await (self._refusal(scope["path"], headers, client) or self._app)(scope, receive, note)
        except Exception as error:  # noqa: BLE001  the request boundary
            self._log("failed", id=request_id, error=f"{type(error).__name__}: {error}"[:500])
            if not status:
                await JSONResponse({"error": f"an error in the server, request {request_id}"}, 500)(scope, receive, note)
        finally:
            self._under_way[client] -= 1
            if not self._under_way[client]:
                del self._under_way[client]
            self._count(scope, request_id, status, time.perf_counter() - started)

    def _refusal(self, path: str, headers: Headers, client: str) -> JSONResponse | None:
        """Return what a request is answered at the door, None where it may enter."""
        if not self._may_enter(path, headers):
            return JSONResponse({"error": "a bearer token is needed"}, 401, {"www-authenticate": "Bearer"})
        most = self._server.settings.per_client
        if most is not None and self._under_way[client] > most and path not in _OPEN_TO_ALL:
            told = f"{client} has {most} requests under way already, as many as one client may"
            return JSONResponse({"error": told}, 429, {"retry-after": "1", "connection": "close"})
        return None

    def _may_enter(self, path: str, headers: Headers) -> bool:
        token = self._server.settings.token
        if not token or path in _OPEN_TO_ALL:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())

    def _count(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        endpoint = scope.get("endpoint")
        route = getattr(endpoint, "__name__", "none")
        self._server.measures.requests.labels(route, str(status)).inc()
        self._server.measures.seconds.labels(route).observe(seconds)
        self._log(
            "request",
            id=request_id,
            method=scope["method"],
            path=scope["path"][:200],
            status=status,
            milliseconds=round(1000 * seconds, 2),
            client=_address(scope),
        )


def _address(scope: Scope) -> str:
    address: str = (scope.get("client") or ("", 0))[0]
    return address
