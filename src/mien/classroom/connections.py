"""Connections that say nothing, and how many one address may have open: uvicorn counts all of them and waits for ever."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

__all__ = ["Callers", "HttpConnection"]

HEAD_S = 5.0
"""How long the head of a request may take, from the connection or from the first byte after the last answer."""
MAX_BYTES = 64 * 1024
"""Of a head that has not ended, or of all that follows one: bodies are smaller, and what comes after the last chunk of one is
a head again. Uvicorn's quick parser has no limit of its own."""
MAX_WAITING = 100
"""Requests of one connection behind the one that is answered; that parser keeps as many as are sent."""


class Callers:
    """The open connections of each address."""

    def __init__(self, most: int | None) -> None:
        """Let each address have ``most``; None where all come from the one address of a proxy."""
        self._most = most
        self._open: dict[str, dict[asyncio.Transport, bool]] = {}
        """Each with whether it has been silent so far, the oldest first."""

    def enter(self, address: str, transport: asyncio.Transport) -> bool:
        """Take a connection in, if need be in the place of a silent one; False if the address has too many that are not."""
        own = self._open.setdefault(address, {})
        if self._most is not None and len(own) >= self._most:
            silent = next((one for one, is_silent in own.items() if is_silent), None)
            if silent is None:
                return False
            del own[silent]
            silent.abort()
        own[transport] = True
        return True

    def has_spoken(self, address: str, transport: asyncio.Transport) -> None:
        """Note that a whole head came."""
        if transport in self._open.get(address, ()):
            self._open[address][transport] = False

    def leave(self, address: str, transport: asyncio.Transport) -> None:
        """Note that a connection is closed."""
        own = self._open.get(address, {})
        own.pop(transport, None)
        if not own:
            self._open.pop(address, None)


def address_of(client: tuple[str, int] | None) -> str:
    """Return under which name a connection is counted."""
    return client[0] if client else "unknown"


class HttpConnection(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """Uvicorn's, but who does not say what is asked is not waited for."""

    def __init__(self, callers: Callers, **parts: Any) -> None:
        """Be counted by ``callers``; the rest is uvicorn's."""
        super().__init__(**parts)
        self._callers = callers
        self._patience: asyncio.TimerHandle | None = None
        self._bytes = 0
        """Since the last head ended."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to wait for a head, or refuse the connection."""
        super().connection_made(transport)
        if self._callers.enter(address_of(self.client), transport):
            self._wait_for_head()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting; a connection that became a socket ends elsewhere."""
        self._stop_waiting()
        self._callers.leave(address_of(self.client), self.transport)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See whether a head is whole; one that begins after an answer has its time too."""
        before = self.cycle
        super().data_received(data)
        if not self._is_http() or self.cycle is not before:
            self._stop_waiting()
            self._callers.has_spoken(address_of(self.client), self.transport)
            self._bytes = 0
        else:
            self._bytes += len(data)
            if self._lacks_head() and self._patience is None:
                self._wait_for_head()
        if self._bytes > MAX_BYTES or len(getattr(self, "pipeline", ())) > MAX_WAITING:
            self.transport.abort()

    def _is_http(self) -> bool:
        return self.transport.get_protocol() is self  # else it has become a socket

    def _lacks_head(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait_for_head(self) -> None:
        self._patience = self.loop.call_later(HEAD_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if self._is_http() and self._lacks_head():
            self.transport.abort()
