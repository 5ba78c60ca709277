"""A process that answers: uvicorn with our protocol, and an end that loses no accepted request."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from mien.errors import MienError
from mien.recognition import Recognizer
from mien.service.app import check_fallback, create_app, open_recognizer
from mien.service.door import Board, Crowd, Door
from mien.service.logs import set_up_logging
from mien.service.protocol import guarded_protocol
from mien.service.settings import Settings, load_settings
from mien.service.supervisor import end_with_terminal

__all__ = ["DrainingServer", "run_server", "run_worker"]

logger = logging.getLogger(__name__)

_FAREWELL_S = 0.5
"""Between the signal and the closing of the door: every answer says ``Connection: close``, and readiness says no."""
_LONGEST_FAREWELL_S = 2.5
"""So long while connections are open that have not been told; the next request on each of them will be."""
_LOOK_S = 0.05
_KEEP_ALIVE_S = 30
_BEAT_S = 1.0
_LAST_CALLERS_S = 0.2
"""For the requests of those whom the closing door has just let in: connections without one are closed next."""
_OBJECTS_A_COLLECTION = 20_000
"""Neither an answer nor a refusal leaves circles of objects behind, so there is hardly anything to look for; Python's 700 stop
every thread of a busy process many times a second."""


class DrainingServer(uvicorn.Server):
    """Ends in three steps: say so, close the door, finish what is inside."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, crowd: Crowd | None = None) -> None:
        """Serve an app.

        Args:
            config: Of uvicorn.
            app: Is told of the end.
            crowd: Who answers at the same door; None for uvicorn's own.
        """
        super().__init__(config)
        self._app = app
        self._crowd = crowd
        self._doors: list[Door] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the door; see uvicorn's own, which shares it with nobody and loses who waits at the end."""
        if self._crowd is None or sockets is None:
            await super().startup(sockets)
            return
        await super().startup([])
        connections = self.server_state.connections
        self._doors = [Door(one, self._protocol, connections, self._crowd) for one in sockets]
        for door in self._doors:
            door.open()
        self._beat(self._crowd)

    def _beat(self, crowd: Crowd) -> None:
        """Show the supervisor that this process is not stuck, until the loop ends."""
        crowd.beat()
        asyncio.get_running_loop().call_later(_BEAT_S, self._beat, crowd)

    def _protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish; see uvicorn's own."""
        self._app.state.is_draining = True
        # Who holds a connection open is told by the next answer, not by a reset under a request on its way. On a busy
        # machine that request may be a second away.
        patience_s = self.config.timeout_graceful_shutdown or 0
        await asyncio.sleep(min(_FAREWELL_S, patience_s))
        until = time.monotonic() + min(_LONGEST_FAREWELL_S, patience_s) - _FAREWELL_S
        while self.server_state.connections and time.monotonic() < until:
            await asyncio.sleep(_LOOK_S)
        for door in self._doors:
            door.close()
        if self._doors:
            await asyncio.sleep(_LAST_CALLERS_S)
        await super().shutdown(sockets)


def run_server(
    settings: Settings,
    listener: socket.socket,
    recognizer: Recognizer | None = None,
    crowd: Crowd | None = None,
    rates_file: Path | None = None,
) -> None:
    """Answer in this process until SIGTERM, SIGHUP or Ctrl-C.

    Args:
        settings: All of them.
        listener: The open door.
        recognizer: One that is open already; None opens that of the settings.
        crowd: The other processes at this door; None for none.
        rates_file: Where they count requests together; None counts in this process alone.
    """
    set_up_logging(settings.log_level)
    end_with_terminal()
    if recognizer:  # opened before there was a log
        logger.info("Faces are looked for by %s.", recognizer.detector.name)
    app = create_app(settings, recognizer=recognizer, rates_file=rates_file)
    config = uvicorn.Config(
        app,
        http=guarded_protocol(
            settings.upload_s, settings.max_connections, app.state.metrics.count_refusal
        ),
        ws="none",
        lifespan="on",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=math.ceil(settings.drain_s),
        log_config=None,
    )
    gc.freeze()  # what is there now stays to the end: no collection need look at it
    gc.set_threshold(_OBJECTS_A_COLLECTION)
    DrainingServer(config, app, crowd or Crowd.alone()).run([listener])


def run_worker(arguments: Sequence[str]) -> int:
    """Be one of several processes; its settings are in the environment.

    Args:
        arguments: The descriptor of the open door, which of the processes this is, and the folder in which they count; nothing
            only to see whether it could work.

    Returns:
        The exit code; the reason is the last line in the log, or on stderr.
    """
    if not arguments:
        return _check()
    descriptor, place, folder = arguments
    try:
        listener = socket.socket(fileno=int(descriptor))
        _end_with_parent()
        settings = load_settings()
        board = Board(Path(folder, "connections"), settings.workers)
        crowd = Crowd(board, int(place), settings.workers)
        run_server(settings, listener, crowd=crowd, rates_file=Path(folder, "rates"))
    except MienError as error:
        logger.error("%s", error)
        return 2
    return 0


def _check() -> int:
    try:
        settings = load_settings()
        check_fallback(settings, open_recognizer(settings).labels)
    except MienError as error:
        raise SystemExit(str(error)) from None  # Python writes it to stderr
    return 0


def _end_with_parent() -> None:
    """A worker whose supervisor was killed holds the door for nobody: the pipe between them tells."""

    def watch() -> None:
        # Not through sys.stdin: Python cannot end while a thread holds its lock, and dies with signal 6 instead.
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="mien-parent", daemon=True).start()


if __name__ == "__main__":
    sys.exit(run_worker(sys.argv[1:]))
