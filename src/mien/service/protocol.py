"""HTTP as uvicorn speaks it, with patience that ends: slow headers, endless headers, too many connections."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

__all__ = ["MOST_HEADER_BYTES", "GuardedProtocol", "guarded_protocol"]

logger = logging.getLogger(__name__)

MOST_HEADER_BYTES = 64 << 10
"""A connection that sends more without ending its headers, or without a byte of its body, is closed: neither httptools nor
uvicorn counts, and what follows the last chunk of a body would be kept without end."""

_MOST_WAITING = 100
"""Requests of one connection behind the one that is answered; uvicorn keeps as many as are sent, and reads on after each answer."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection; `guarded_protocol` makes a class of it with limits."""

    patience_s: ClassVar[float]
    max_connections: ClassVar[int]
    count_refusal: ClassVar[Callable[[str], None]]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._patience: asyncio.TimerHandle | None = None
        self._unheard_bytes = 0  # since headers ended or a body went on
        self._is_heard = False
        self._has_body_to_come = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Turn away what is too much."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            self._refuse(
                503,
                "busy",
                "As many connections are open as are let in. Try again in a second.",
            )
        else:
            self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the timer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what is neither the end of headers nor a body."""
        if self.transport.is_closing():
            return
        self._is_heard = False
        super().data_received(data)
        self._unheard_bytes = 0 if self._is_heard else self._unheard_bytes + len(data)
        if self._unheard_bytes > MOST_HEADER_BYTES:
            self._refuse(
                431,
                "headers_too_large",
                f"The headers have more than {MOST_HEADER_BYTES} bytes.",
            )
        elif len(self.pipeline) > _MOST_WAITING:
            self._refuse(
                400,
                "bad_request",
                f"More than {_MOST_WAITING} requests were sent before their answers were read. Wait for some.",
            )

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Answer a client that only closes its own side once it has sent its request."""
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if is_answering and not self.cycle.more_body:
            self.cycle.keep_alive = False
            return True
        return None

    def on_headers_complete(self) -> None:
        """Hand the request on; its body has a time limit of its own."""
        self._stop_waiting()
        self._is_heard = True
        super().on_headers_complete()  # raises where the address is none: then there is no request, and no body of one
        self._has_body_to_come = True

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._is_heard = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for the next request, if this one was answered before its body had come."""
        self._is_heard = True
        self._has_body_to_come = False
        super().on_message_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._wait_for_headers()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of this one's body.

        The rest is dropped as it comes. Closing instead would reset the connection, and with it take back an answer that
        the client has not read yet: it would never learn that its body was too large.
        """
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._wait_for_headers()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, in the shape of all errors."""
        self._refuse(400, "bad_request", msg)

    def _wait_for_headers(self) -> None:
        self._stop_waiting()
        self._patience = self.loop.call_later(self.patience_s, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if self.cycle is not None and not self._unheard_bytes:
            self.transport.close()  # all that was asked is answered: there is nothing to refuse
            return
        self._refuse(408, "too_slow", f"No whole request arrived within {self.patience_s:g} s.")

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer without the application, and close; what was answered already is only closed."""
        self._stop_waiting()
        if self.transport.is_closing():
            return
        if self._has_body_to_come and self.cycle.response_started:
            self.transport.close()
            return
        # No request, and so no line of its own in the log: this is all that is left of it.
        logger.info("refused", extra={"fields": {"status": status, "error": code}})
        type(self).count_refusal(code)
        body = json.dumps({"error": {"code": code, "message": message}}).encode()
        self.transport.write(
            STATUS_LINE[status]
            + b"content-type: application/json\r\nconnection: close\r\ncontent-length: "
            + str(len(body)).encode()
            + b"\r\n\r\n"
            + body
        )
        self.transport.close()


def guarded_protocol(
    patience_s: float, max_connections: int, count_refusal: Callable[[str], None]
) -> type[GuardedProtocol]:
    """Return a protocol for uvicorn.

    Args:
        patience_s: From the opening of a connection, or the end of an answer, to the end of the next headers.
        max_connections: More are turned away.
        count_refusal: Is told the code of what is refused before it is a request.
    """
    limits = {
        "patience_s": patience_s,
        "max_connections": max_connections,
        "count_refusal": staticmethod(count_refusal),
    }
    return type("GuardedProtocol", (GuardedProtocol,), limits)
