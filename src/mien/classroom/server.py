"""Running the application: uvicorn with limits in the place of its defaults, and no crash dumps."""

from __future__ import annotations

import contextlib
import ctypes
import resource
import sys
from typing import Any

import uvicorn

from mien.classroom.protocol import MAX_MESSAGE_BYTES
from mien.classroom.settings import Settings

__all__ = ["DRAIN_S", "forbid_crash_dumps", "make_server"]

DRAIN_S = 5
"""How long open connections are waited for when the server is told to stop; the last rows take up to three more."""
PING_S = 10.0
"""A connection whose other end has gone without a word is noticed after twice this time."""
_PR_SET_DUMPABLE = 4


def make_server(app: Any, settings: Settings) -> uvicorn.Server:
    """Return a server, ready to run.

    Uvicorn would take messages of 16 MiB, inflate compressed ones, accept connections without end, and believe whatever
    address any caller on this machine names.
    """
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        limit_concurrency=settings.max_sockets + 100,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=DRAIN_S,
        h11_max_incomplete_event_size=16 * 1024,
        proxy_headers=settings.behind_proxy,
        forwarded_allow_ips="127.0.0.1" if settings.behind_proxy else None,
        server_header=False,
        access_log=False,  # addresses of students are nobody's business afterwards
        log_config=None,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
    )
    return uvicorn.Server(config)


def forbid_crash_dumps() -> None:
    """Keep frames that are in memory out of core dumps, whatever the system does with those."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # a dump that is piped to a program ignores the limit
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
