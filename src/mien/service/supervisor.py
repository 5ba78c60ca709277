"""Several processes behind one door: who dies comes back, who should end ends in good order.

Our own and not uvicorn's, whose workers cannot be given a server that drains, and who live on when their parent is killed.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from mien.service.settings import Settings

__all__ = ["Supervisor", "supervise"]

logger = logging.getLogger(__name__)

_LOOK_S = 0.1
_STABLE_S = 5.0
"""A worker that ended sooner after its start could not live; so many of them, one after the other, and we give up."""
_MOST_EARLY_DEATHS = 5
_GRACE_S = 4.0
"""After the drain time, before what is left is killed: a worker drains only when its farewell of up to 2.5 s is over, and waits
half a second for its threads then."""


class Supervisor:
    """Keeps so many processes alive."""

    def __init__(
        self, start: Callable[[int], subprocess.Popen[bytes]], num_workers: int, drain_s: float
    ) -> None:
        """Start nothing yet.

        Args:
            start: Starts the process of a place, from 0.
            num_workers: How many.
            drain_s: How long they may take to end.
        """
        self._start = start
        self._num_workers = num_workers
        self._drain_s = drain_s
        self._workers: dict[int, tuple[subprocess.Popen[bytes], float]] = {}
        self._ending = threading.Event()
        self._num_early_deaths = 0

    def run(self) -> int:
        """Work until `stop` or a signal.

        Returns:
            0 after an end in good order, 1 if the processes would not stay alive.
        """
        for place in range(self._num_workers):
            self._fill(place)
        exit_code = 0
        while not self._ending.wait(_LOOK_S):
            if not self._look_after():
                exit_code = 1
                break
        self._end()
        return exit_code

    def stop(self, number: int = signal.SIGTERM, frame: FrameType | None = None) -> None:  # noqa: ARG002 - a signal handler
        """Ask for the end."""
        self._ending.set()

    def _fill(self, place: int) -> None:
        self._workers[place] = self._start(place), time.monotonic()

    def _look_after(self) -> bool:
        """Replace the dead; return False if there is no sense in it."""
        for place, (worker, since) in list(self._workers.items()):
            code = worker.poll()
            if code is None:
                continue
            _close_pipe(worker)
            is_early = time.monotonic() - since < _STABLE_S
            self._num_early_deaths = (
                self._num_early_deaths + 1 if is_early and code != -signal.SIGKILL else 0
            )
            if self._num_early_deaths >= _MOST_EARLY_DEATHS:
                logger.error("Workers end as soon as they start (%s); giving up.", _how(code))
                return False
            logger.warning("Worker %d ended (%s); another one starts.", worker.pid, _how(code))
            self._fill(place)
        return True

    def _end(self) -> None:
        for worker, _ in self._workers.values():
            worker.terminate()
        until = time.monotonic() + self._drain_s + _GRACE_S
        for worker, _ in self._workers.values():
            try:
                worker.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                logger.error("Worker %d did not end in time and is killed.", worker.pid)
                worker.kill()
                worker.wait()
            _close_pipe(worker)


def supervise(settings: Settings, listener: socket.socket) -> int:
    """Answer with several processes until SIGTERM or Ctrl-C.

    Args:
        settings: Must be what the environment says too: the workers read it there.
        listener: The open door.

    Returns:
        The exit code.
    """
    # Counters, rates and the numbers of connections are shared through small files that are mapped into memory.
    shared = Path(tempfile.mkdtemp(prefix="mien-service-"))
    environment = {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": str(shared),
    }

    def start(place: int) -> subprocess.Popen[bytes]:
        door = [str(listener.fileno()), str(place), str(shared)]
        return subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "mien.service.server", *door],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            env=environment,
            start_new_session=True,  # Ctrl-C is passed on by us, once
        )

    supervisor = Supervisor(start, settings.workers, settings.drain_s)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.stop)
    try:
        return supervisor.run()
    finally:
        shutil.rmtree(shared, ignore_errors=True)


def _how(code: int) -> str:
    return f"by signal {-code}" if code < 0 else f"exit code {code}"


def _close_pipe(worker: subprocess.Popen[bytes]) -> None:
    if worker.stdin:
        worker.stdin.close()
