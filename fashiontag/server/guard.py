"""What stands before every request: who may ask, from which page, and how much may be sent.

A browser lets any page send requests to a server on the same machine. So the name in ``Host`` must
be one that this server goes by (else a foreign name that resolves to it could read answers), and
``Origin``, which browsers send along with what changes something, must be that very name.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 32_000_000
"""Of one request: a photo of a good camera has 10 to 25 MB."""

AT_ONCE, WAITING = 8, 128
"""Requests of one client that are worked on at once, and that may be there in all; more are
answered 503. The others' find threads free whatever one client sends."""

COOKIE = "fashiontag"

HEADERS = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'; object-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a server there."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _TooLargeError(Exception):
    """More bytes came than may."""


class Guard:
    """An ASGI application before another.

    Parameters
    ----------
    app : ASGI application
    token : str or None
        What every request must bring: ``Authorization: Bearer``, or the cookie that a page opened
        with ``?token=`` sets. None is for loopback only.
    """

    def __init__(self, app: ASGIApp, token: str | None = None) -> None:
        self._app = app
        self._token = token
        self._here = Counter[str]()
        self._turns: dict[str, asyncio.Semaphore] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer what is wrong with it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        client = (scope.get("client") or [""])[0]
        refusal = self._refusal(Request(scope), client)
        if refusal is not None:
            await refusal(scope, receive, _safe(send))
            return
        self._here[client] += 1
        try:
            async with self._turns.setdefault(client, asyncio.Semaphore(AT_ONCE)):
                await self._pass_on(scope, receive, send)
        finally:
            self._here[client] -= 1
            if not self._here[client]:
                del self._here[client], self._turns[client]

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        came, started = 0, False

        async def bounded() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > MOST_BYTES:
                raise _TooLargeError
            return message

        async def answer(message: Message) -> None:
            nonlocal started
            if came <= MOST_BYTES or started:  # what the application makes of it is no reason
                started = True
                await send(message)

        with suppress(_TooLargeError):
            await self._app(scope, bounded, _safe(answer))
        if came > MOST_BYTES and not started:
            await _too_large()(scope, receive, _safe(send))

    def _refusal(self, request: Request, client: str) -> Response | None:
        headers = request.headers
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._token is None and not is_loopback(_split(f"//{host}").hostname or ""):
            return _no(403, f"This server is not {host!r}; open it by 127.0.0.1 or localhost.")
        if origin is not None and _split(origin).netloc != host:
            return _no(403, f"A page of {origin} may not use this server.")
        if headers.get("sec-fetch-site") == "cross-site":
            return _no(403, "A page of another site may not use this server.")
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given = bearer.strip() if scheme.lower() == "bearer" else request.cookies.get(COOKIE, "")
        if self._token is not None and not self._is_token(given):
            asked = request.query_params.get("token", "")
            if request.method != "GET" or not self._is_token(asked):
                return _no(401, "Give the token that `fashiontag serve` showed.")
            page = RedirectResponse("/" + request.scope["path"].lstrip("/"), 303)
            page.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
            return page
        length = headers.get("content-length", "0")
        if length.isascii() and length.isdigit() and int(length) > MOST_BYTES:
            return _too_large()
        if self._here[client] >= WAITING:
            return _no(503, "Too much is asked at this moment; try again in a second.")
        return None

    def _is_token(self, given: str) -> bool:
        return self._token is not None and hmac.compare_digest(
            given.encode("utf-8", "replace"), self._token.encode()
        )


def _split(address: str) -> SplitResult:
    """Return the parts of an address, empty ones of what is none."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _no(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status)


def _too_large() -> Response:
    return _no(413, f"At most {MOST_BYTES:,} bytes can be sent at once.")


def _safe(send: Send) -> Send:
    """Add `HEADERS` to what is sent."""

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message["headers"] = [*message.get("headers", []), *extra]
        await send(message)

    return with_headers
