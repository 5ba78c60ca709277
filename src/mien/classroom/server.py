"""Running the application: uvicorn with limits in the place of its defaults, and no crash dumps."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import resource
import socket
import sys
from typing import Any

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from mien.classroom.connections import Callers, HttpConnection, address_of
from mien.classroom.limits import Bucket, Rate
from mien.classroom.protocol import MAX_MESSAGE_BYTES
from mien.classroom.settings import Settings
from mien.errors import ConfigError

__all__ = ["DRAIN_S", "bind", "forbid_crash_dumps", "make_server"]

DRAIN_S = 5
"""How long open connections are waited for when the server is told to stop; the last rows take up to three more."""
PING_S = 10.0
"""A connection whose other end has gone without a word is noticed after twice this time."""
LINGER_S = 2.0
"""How long a connection is still read, and what comes thrown away, after a message was refused."""
ASIDES = Rate(burst=300, per_s=60)
"""Of one socket, frames that are no message of their own: pings, pongs, further parts of a message. Browsers send hardly any."""
_SLICE_BYTES = 8 * 1024
"""So much is looked at before more is: what comes at once may be thousands of such frames."""
_NO_HANDSHAKE = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_PR_SET_DUMPABLE = 4


class _Socket(WebSocketsSansIOProtocol):
    """Uvicorn's, but whoever sends too much is told so, in large or in many frames.

    Uvicorn closes at once while the rest of the message is on its way. The system then answers that rest with a reset, and
    the sender's end stops with an error of the network instead of code 1009. Pings it answers without end, though the
    answers are not read; parts of a message it keeps without end, if they are empty.
    """

    def __init__(self, callers: Callers, **parts: Any) -> None:
        super().__init__(**parts)
        self._callers = callers
        self._asides = Bucket(ASIDES)
        self._is_deaf = False

    def connection_lost(self, exc: Exception | None) -> None:
        self._callers.leave(address_of(self.client), self.transport)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), _SLICE_BYTES):
            if not self._is_deaf:
                super().data_received(data[start : start + _SLICE_BYTES])
        # A head with a body or with too much in it: uvicorn would wait for another one, for ever.
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.transport.write(_NO_HANDSHAKE)
            self.transport.close()

    def handle_ping(self) -> None:
        if self._may_go_on():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        if self._may_go_on():
            super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        if self._may_go_on():
            super().handle_cont(event)

    def _may_go_on(self) -> bool:
        if self._is_deaf:
            return False
        if self._asides.take():
            return True
        if self.conn.close_sent is None:
            self.conn.send_close(CloseCode.POLICY_VIOLATION, "too many frames")
        self.handle_parser_exception()
        return False

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text":
            # It is refused whatever it says; of one that is not UTF-8 uvicorn would write a traceback.
            self.frames = [b""]
        super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        self._is_deaf = True
        closed = self.conn.close_sent
        assert closed is not None
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": closed.code, "reason": closed.reason}
        )
        self.transport.write(b"".join(self.conn.data_to_send()))
        if self.transport.can_write_eof():  # TLS cannot
            self.transport.write_eof()
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(LINGER_S, self.transport.close)


def bind(settings: Settings) -> list[socket.socket]:
    """Take the address to listen on, for `uvicorn.Server.run`.

    Uvicorn does so after lessons have been gone on with. Whoever cannot have the address must not have touched any.

    Raises:
        ConfigError: If somebody else has it, or it is none of this machine's.
    """
    where = f"{settings.host}:{settings.port}"
    try:
        places = socket.getaddrinfo(
            settings.host.strip("[]"), settings.port, type=socket.SOCK_STREAM
        )
    except OSError as error:
        raise ConfigError(f"The server could not start on {where}: {error.strerror}.") from None
    taken: list[socket.socket] = []
    reason = "no such address"
    for family, kind, protocol, _, address in dict.fromkeys(places):
        try:
            taken.append(_bound(socket.socket(family, kind, protocol), address))
        except OSError as error:
            reason = error.strerror or str(error)
            # A name may stand for addresses of both kinds on a machine that has one of them.
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                taken = _closed(taken)
                break
    if not taken:
        raise ConfigError(f"The server could not start on {where}: {reason}.")
    return taken


def _bound(opened: socket.socket, address: Any) -> socket.socket:
    try:
        # A server that is started again need not wait for the connections of the last one to be forgotten.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if opened.family == socket.AF_INET6:  # IPv4 has a socket of its own
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
    except OSError:
        opened.close()
        raise
    return opened


def _closed(sockets: list[socket.socket]) -> list[socket.socket]:
    for one in sockets:
        one.close()
    return []


def make_server(app: Any, settings: Settings) -> uvicorn.Server:
    """Return a server, ready to run.

    Uvicorn would take messages of 16 MiB, inflate compressed ones, accept connections without end and wait for ever for what
    they ask, and believe whatever address any caller on this machine names.

    Raises:
        ConfigError: If certificate or key cannot be used.
    """
    callers = Callers(None if settings.behind_proxy else settings.max_per_address)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=functools.partial(HttpConnection, callers),  # type: ignore[arg-type]
        ws=functools.partial(_Socket, callers),  # type: ignore[arg-type]
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        limit_concurrency=settings.max_sockets + 100,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=DRAIN_S,
        h11_max_incomplete_event_size=16 * 1024,
        proxy_headers=settings.behind_proxy,
        forwarded_allow_ips=["127.0.0.1", "::1"] if settings.behind_proxy else None,
        server_header=False,
        access_log=False,  # addresses of students are nobody's business afterwards
        log_config=None,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
    )
    try:
        config.load()  # reads them; else it would do so after people were told where the server is
    except OSError as error:  # of TLS too
        raise ConfigError(
            f"MIEN_CLASSROOM_TLS_CERTIFICATE and MIEN_CLASSROOM_TLS_KEY cannot be used: {error.strerror}. "
            "Expected two PEM files that can be read and belong together."
        ) from None
    return uvicorn.Server(config)


def forbid_crash_dumps() -> None:
    """Keep frames that are in memory out of core dumps, whatever the system does with those."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # a dump that is piped to a program ignores the limit
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
