"""Several processes behind one door: who dies comes back, who should end ends in good order.

Our own and not uvicorn's, whose workers cannot be given a server that drains, and who live on when their parent is killed.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType

from mien.errors import ConfigError
from mien.interrupts import heeded
from mien.replacing import temporary_folder
from mien.service.door import Board, shut
from mien.service.settings import Settings

__all__ = ["Supervisor", "check", "end_with_terminal", "supervise"]

logger = logging.getLogger(__name__)

_WORKER = "mien.service.server"
_LOOK_S = 0.1
_MOST_EARLY_DEATHS = 5
"""So many workers that end before they open the door, one after the other, and we give up."""
_GRACE_S = 4.0
"""After the drain time, before what is left is killed: a worker drains only when its farewell of up to 2.5 s is over, and waits
half a second for its threads then."""
_SHUT_S = 3.5
"""After the signal, before the door is shut if no worker has done it: one of them died or is stuck."""
_SILENT_S = 15.0
"""A worker whose heart has not beaten for so long, though it did before, is stuck. It beats every second."""
_STOPPED_S = 1.0
"""A look so late was not ours alone: the machine or the container was stopped, and the workers with it."""


class Supervisor:
    """Keeps so many processes alive."""

    def __init__(
        self,
        start: Callable[[int], subprocess.Popen[bytes]],
        num_workers: int,
        drain_s: float,
        board: Board,
        shut_door: Callable[[], None] = lambda: None,
    ) -> None:
        """Start nothing yet.

        Args:
            start: Starts the process of a place, from 0.
            num_workers: How many.
            drain_s: How long they may take to end.
            board: Where the processes show that they are alive, and are told of the end.
            shut_door: Turns away who comes, if no process has done it.
        """
        self._start = start
        self._num_workers = num_workers
        self._drain_s = drain_s
        self._board = board
        self._shut_door = shut_door
        self._workers: dict[int, subprocess.Popen[bytes]] = {}
        self._heard: dict[int, tuple[int, float]] = {}
        self._looked_at = time.monotonic()
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
        self._board.write(place, 0, 0)
        self._heard[place] = 0, time.monotonic()
        self._workers[place] = self._start(place)

    def _look_after(self) -> bool:
        """Replace the dead and the stuck; return False if there is no sense in it."""
        self._forgive_if_stopped()
        for place, worker in list(self._workers.items()):
            code = worker.poll()
            if code is None:
                if self._is_silent(place):
                    logger.error("Worker %d does not answer and is killed.", worker.pid)
                    worker.kill()
                continue
            _close_pipe(worker)
            # Its heart begins to beat when its door opens.
            is_early = self._board.read(place)[1] == 0
            self._num_early_deaths = (
                self._num_early_deaths + 1 if is_early and code != -signal.SIGKILL else 0
            )
            if self._num_early_deaths >= _MOST_EARLY_DEATHS:
                logger.error("Workers end as soon as they start (%s); giving up.", _how(code))
                return False
            logger.warning("Worker %d ended (%s); another one starts.", worker.pid, _how(code))
            self._fill(place)
        return True

    def _is_silent(self, place: int) -> bool:
        """Whether a worker has shown no life for too long; one that starts has not shown any yet."""
        beats, now = self._board.read(place)[1], time.monotonic()
        if beats != self._heard[place][0]:
            self._heard[place] = beats, now
        return beats != 0 and now - self._heard[place][1] > _SILENT_S

    def _forgive_if_stopped(self) -> None:
        now = time.monotonic()
        if now - self._looked_at > _STOPPED_S:
            self._heard = {place: (beats, now) for place, (beats, _) in self._heard.items()}
        self._looked_at = now

    def _end(self) -> None:
        self._board.end()  # before the signal: the last worker that leaves shuts the door
        for place, worker in self._workers.items():
            if worker.poll() is not None:
                self._board.leave(place)
            worker.terminate()
        self._shut_after(_SHUT_S)
        until = time.monotonic() + self._drain_s + _GRACE_S - _SHUT_S
        for worker in self._workers.values():
            try:
                worker.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                logger.error("Worker %d did not end in time and is killed.", worker.pid)
                worker.kill()
                worker.wait()
            _close_pipe(worker)

    def _shut_after(self, seconds: float) -> None:
        """Wait so long for all workers to end, then shut the door."""
        until = time.monotonic() + seconds
        for worker in self._workers.values():
            with suppress(subprocess.TimeoutExpired):
                worker.wait(max(0.0, until - time.monotonic()))
        self._shut_door()


def check() -> None:
    """See in a process of its own whether workers can open model, detector and fallback: what that takes is gone with it.

    Raises:
        ConfigError: If they cannot.
    """
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-m", _WORKER],
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        why = done.stderr.strip().splitlines() or [
            f"No worker can start ({_how(done.returncode)})."
        ]
        raise ConfigError(why[-1])


def supervise(settings: Settings, listener: socket.socket) -> int:
    """Answer with several processes until SIGTERM, SIGHUP or Ctrl-C.

    Args:
        settings: Must be what the environment says too: the workers read it there.
        listener: The open door.

    Returns:
        The exit code.

    Raises:
        ConfigError: If there is no place for temporary files.
    """
    # Counters, rates and the numbers of connections are shared through small files that are mapped into memory.
    with temporary_folder("mien-service-") as shared:
        return _supervise(settings, listener, shared)


def _supervise(settings: Settings, listener: socket.socket, shared: Path) -> int:
    environment = {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": str(shared),
    }

    def start(place: int) -> subprocess.Popen[bytes]:
        door = [str(listener.fileno()), str(place), str(shared)]
        return subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", _WORKER, *door],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            env=environment,
            start_new_session=True,  # Ctrl-C is passed on by us, once
        )

    board = Board(shared / "connections", settings.workers)
    supervisor = Supervisor(
        start, settings.workers, settings.drain_s, board, partial(shut, listener)
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.stop)
    end_with_terminal()
    return supervisor.run()


def end_with_terminal() -> None:
    """Take the end of a terminal or a session for SIGTERM, unless we were started to outlive it (nohup)."""
    for number in heeded("SIGHUP"):
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGTERM))


def _how(code: int) -> str:
    return f"by signal {-code}" if code < 0 else f"exit code {code}"


def _close_pipe(worker: subprocess.Popen[bytes]) -> None:
    if worker.stdin:
        worker.stdin.close()
