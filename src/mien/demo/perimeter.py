"""Who may ask for the page: a browser on this computer that shows it, and no page of the web that the browser shows besides."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.addresses import host_name, is_loopback

__all__ = ["Perimeter"]


class Perimeter:
    """ASGI middleware before the page.

    Listening on loopback keeps other machines out, not other pages. Without this, any of them could upload by a form whose
    answer it does not need, read everything under a name of its own that was made to point at this computer, or lay the page
    invisibly under its own buttons.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Stand before an app."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it in one line."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def unframed(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = "frame-ancestors 'none'"
                MutableHeaders(scope=message).append("content-security-policy", policy)
            await send(message)

        refused = _refusal(Headers(scope=scope))
        if refused is None:
            await self._app(scope, receive, unframed)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refused})
        else:
            await PlainTextResponse(refused + "\n", 403)(scope, receive, send)


def _refusal(headers: Headers) -> str | None:
    """Why a request is not answered; None if it is."""
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not is_loopback(host_name(hosts[0])):
        return "This page is for this computer only: open it as localhost or 127.0.0.1."
    # Browsers name the page that asks, with its port, wherever it differs from the one asked or something is sent.
    if any(origin != f"http://{hosts[0].lower()}" for origin in headers.getlist("origin")):
        return "Other pages may not use this one."
    return None
