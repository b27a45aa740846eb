"""What stands before every request: who may ask, from which page, and how much may be sent.

A browser lets any page send requests to a server on the same machine. So the name in ``Host`` must
be one that this server goes by (else a foreign name that resolves to it could read answers), and
``Origin``, which browsers send along with what changes something, must be that very name.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
from collections import Counter
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

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

    def __init__(self, app: App, token: str | None = None) -> None:
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
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        refused = self._refused(headers)
        if refused:
            await _answer(send, 403, refused)
            return
        if self._token is not None and not self._known(headers):
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
            if scope["method"] == "GET" and self._is_token(given):
                cookie = f"{COOKIE}={self._token}; HttpOnly; SameSite=Strict; Path=/"
                await _answer(send, 303, "", {"location": scope["path"], "set-cookie": cookie})
            else:
                await _answer(send, 401, "Give the token that `fashiontag serve` showed.")
            return
        if _length(headers) > MOST_BYTES:
            await _answer(send, 413, f"At most {MOST_BYTES:,} bytes can be sent at once.")
            return
        client = (scope.get("client") or [""])[0]
        if self._here[client] >= WAITING:
            await _answer(send, 503, "Too much is asked at this moment; try again in a second.")
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
        came, started, over = 0, False, False

        async def bounded() -> Message:
            nonlocal came, over
            message = await receive()
            came += len(message.get("body", b""))
            over = came > MOST_BYTES
            if over:
                raise _TooLargeError
            return message

        async def safe(message: Message) -> None:
            nonlocal started
            if over and not started:  # what the application makes of it is not the reason
                return
            if message["type"] == "http.response.start":
                started = True
                extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        with suppress(_TooLargeError):
            await self._app(scope, bounded, safe)
        if over and not started:
            await _answer(send, 413, f"At most {MOST_BYTES:,} bytes can be sent at once.")

    def _refused(self, headers: dict[str, str]) -> str:
        host = headers.get("host", "")
        if self._token is None and not is_loopback(_name(host)):
            return f"This server is not {host!r}; open it by 127.0.0.1 or localhost."
        origin = headers.get("origin")
        if origin is not None and _netloc(origin) != host:
            return f"A page of {origin} may not use this server."
        if headers.get("sec-fetch-site") == "cross-site":
            return "A page of another site may not use this server."
        return ""

    def _known(self, headers: dict[str, str]) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(given.strip()):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and self._is_token(cookie.value)

    def _is_token(self, given: str) -> bool:
        return self._token is not None and hmac.compare_digest(
            given.encode("utf-8", "replace"), self._token.encode()
        )


def _netloc(origin: str) -> str:
    """Return host and port of an origin, "" for one that is no address."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _name(host: str) -> str:
    """Return the name in a ``Host`` header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()


def _length(headers: dict[str, str]) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() else 0


async def _answer(
    send: Send, status: int, sentence: str, headers: dict[str, str] | None = None
) -> None:
    body = json.dumps({"error": sentence}).encode()
    all_headers = HEADERS | {"content-type": "application/json"} | (headers or {})
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in all_headers.items()]
    pairs.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
