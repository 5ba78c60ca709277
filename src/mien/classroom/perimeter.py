"""What every request passes first: host, origin, size and rate; and the headers that every answer gets."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.addresses import host_name
from mien.classroom.limits import Buckets, Rate, Turns

__all__ = ["MAX_BODY_BYTES", "Perimeter"]

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 16 * 1024
"""Bodies are small JSON; frames travel by WebSocket."""

BODY_S = 10.0
"""How long a body may take."""

PER_ADDRESS = Rate(burst=1200, per_s=100)
"""Generous: a whole school may come from one address. Wrong codes and keys have tighter limits of their own."""

_WITHDRAWAL = ("DELETE", "/api/me")

_SAFE = ("GET", "HEAD", "OPTIONS")

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=(), display-capture=()",
    "cache-control": "no-store",
}


class Perimeter:
    """ASGI middleware; refuses before the application sees anything."""

    def __init__(
        self,
        app: ASGIApp,
        hosts: Iterable[str],
        origins: Iterable[str],
        is_encrypted: bool,
        is_known: Callable[[str], bool],
    ) -> None:
        """Say who may ask.

        Args:
            app: What is guarded.
            hosts: Names in the Host header, without ports.
            origins: Exact origins of pages that may change anything or open a socket.
            is_encrypted: Whether browsers come by https; they are then told to stay there.
            is_known: Whether a token was in use lately, without asking the store.
        """
        self._app = app
        self._hosts = frozenset(hosts)
        self._origins = frozenset(origins)
        self._is_known = is_known
        self._addresses = Buckets(PER_ADDRESS)
        self._turns = Turns()
        headers = dict(_HEADERS)
        if is_encrypted:
            headers["strict-transport-security"] = "max-age=31536000"
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Guard one request or one socket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            status, code, message = refusal
            logger.info("Refused %s: %s", scope["type"], code)
            await self._refuse(scope, receive, send, status, code, message)
        elif scope["type"] == "websocket":
            await self._turns.take()
            await self._app(scope, receive, send)
        else:
            await self._app(scope, _Limited(receive), self._with_headers(send))

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        headers = {
            name: [v for n, v in scope["headers"] if n == name]
            for name in (b"host", b"origin", b"content-length")
        }
        host = headers[b"host"]
        if len(host) != 1 or host_name(host[0].decode("latin-1")) not in self._hosts:
            return 421, "host", "This server is not known under that name."
        if not self._may_ask_now(scope):
            return 429, "too_many", "Too many requests from this address. Wait a little."
        if scope["type"] == "websocket" or scope["method"] not in _SAFE:
            origin = headers[b"origin"]
            if len(origin) != 1 or origin[0].decode("latin-1").lower() not in self._origins:
                return 403, "origin", "This page may not ask here; open the class's own address."
        for length in headers[b"content-length"]:
            # Python reads no number of thousands of digits, and HTTP allows as many zeros before one.
            if not length.isdigit() or int(length.lstrip(b"0") or b"0") > MAX_BODY_BYTES:
                return 413, "too_large", f"A body has at most {MAX_BODY_BYTES} bytes."
        return None

    def _may_ask_now(self, scope: Scope) -> bool:
        """Whoever floods the server must not lock out those who are in and share the address."""
        client = scope.get("client")
        if self._addresses.take(client[0] if client else "unknown"):
            return True
        if scope["type"] != "http":
            return False
        # Withdrawing is checked by the store as well; who is in has a limit by token instead.
        if (scope["method"], scope["path"]) == _WITHDRAWAL:
            return True
        given = next((v for n, v in scope["headers"] if n == b"authorization"), b"")
        return self._is_known(given.decode("latin-1").partition(" ")[2])

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, status: int, code: str, message: str
    ) -> None:
        if scope["type"] == "websocket":
            await receive()  # websocket.connect; closing before accepting answers 403
            await send({"type": "websocket.close", "code": 1008, "reason": code})
            return
        body = json.dumps({"error": {"code": code, "message": message}}).encode()
        start: Message = {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                *self._headers,
            ],
        }
        await send(start)
        await send({"type": "http.response.body", "body": body})

    def _with_headers(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message.get("headers", [])}
                added = [pair for pair in self._headers if pair[0] not in given]
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        return sending


class _Limited:
    """Passes a body on until it is too large or too late; the length that a header claims may be missing or false."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._bytes = 0
        self._until_s: float | None = asyncio.get_running_loop().time() + BODY_S
        """None once it is whole: then nothing is waited for but the caller's leaving."""

    async def __call__(self) -> Message:
        try:
            async with asyncio.timeout_at(self._until_s):
                message = await self._receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        if message["type"] == "http.request":
            if not message.get("more_body"):
                self._until_s = None
            self._bytes += len(message.get("body", b""))
            if self._bytes > MAX_BODY_BYTES:
                return {"type": "http.disconnect"}
        return message
