"""What is to be sent over one socket: bounded, so that who does not read costs no memory and holds up nobody."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from mien.classroom.protocol import to_json

__all__ = ["Outbox"]

MAX_WAITING = 256
"""More than a reader needs who comes back after a minute; beyond it the socket is closed."""
SEND_TIMEOUT_S = 10.0
BEAT_S = 10.0
"""After so long without a message one is sent that says nothing. A page hears no pings: only by this it knows that a quiet
connection lives, and that one whose way is gone (another Wi-Fi, a lid that was closed) does not. It waits three times as long."""


class Outbox:
    """Messages for one reader, in their order."""

    def __init__(self) -> None:
        """Begin empty."""
        self._waiting: deque[str] = deque()
        self._changed = asyncio.Event()
        self.closing: tuple[int, str] | None = None
        """Code and reason, once the socket is to be closed."""

    def put(self, **message: object) -> None:
        """Add a message; a reader who is too far behind loses the connection, not single messages."""
        if self.closing is None:
            self._waiting.append(to_json(**message))
            if len(self._waiting) > MAX_WAITING:
                self._waiting.clear()
                self.close(1008, "too slow")
            self._changed.set()

    def close(self, code: int, reason: str) -> None:
        """Close the socket after what already waits."""
        if self.closing is None:
            self.closing = (code, reason)
            self._changed.set()

    async def drain(self, send: Callable[[str], Awaitable[None]]) -> tuple[int, str]:
        """Send until the socket is to be closed; return the code and the reason.

        Raises:
            TimeoutError: If the reader takes nothing for a while.
        """
        while True:
            while self._waiting:
                # Not wait_for: before Python 3.12 it swallows a cancellation that comes as the message is sent.
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await send(self._waiting.popleft())
            if self.closing is not None:
                return self.closing
            self._changed.clear()
            try:
                async with asyncio.timeout(BEAT_S):
                    await self._changed.wait()
            except TimeoutError:
                self.put(type="beat")
