"""The door that several processes share: the one with fewer open connections lets the next caller in.

Left to itself, a process that looks first lets in whoever waits. Of 64 connections one of two processes then has 39 to 42,
and every answer on them waits for the others: the slower half of all answers, for as long as the connections stay open.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import mmap
import socket
import struct
from collections.abc import Callable, Collection
from pathlib import Path

__all__ = ["Crowd", "Door"]

logger = logging.getLogger(__name__)

_COUNT = struct.Struct("<i")
_ABSENT = 1 << 30
"""The count of a process that lets nobody in any more."""
_POLITE_S = 0.02
"""So long a caller is left to a process with fewer connections. One that is slow, or dead, costs each caller no more."""
_LOOK_S = 0.001
_OUT_OF_FILES_S = 1.0
_SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Crowd:
    """How many connections each process has, in a small file that all of them map into memory."""

    def __init__(self, path: Path, place: int, num_processes: int) -> None:
        """Open the table.

        Args:
            path: A file that the processes share; made where it is not there.
            place: Which of them this is, from 0.
            num_processes: How many there are.
        """
        size = _COUNT.size * num_processes
        with path.open("a+b") as file:
            file.truncate(size)
            self._table = mmap.mmap(file.fileno(), size)
        self._place = place
        self._others = [other for other in range(num_processes) if other != place]
        self.tell(0)

    def tell(self, count: int) -> None:
        """Write down how many connections this process has."""
        _COUNT.pack_into(self._table, _COUNT.size * self._place, count)

    def nobody_has_fewer(self, count: int) -> bool:
        """Whether no other process has fewer connections than that."""
        return all(count <= self._count_of(other) for other in self._others)

    def leave(self) -> None:
        """Let the others have all that come."""
        self.tell(_ABSENT)

    def _count_of(self, place: int) -> int:
        count: int = _COUNT.unpack_from(self._table, _COUNT.size * place)[0]
        return count


class Door:
    """Accepts connections for one of the processes."""

    def __init__(
        self,
        listener: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        connections: Collection[object],
        crowd: Crowd,
    ) -> None:
        """Keep it closed yet.

        Args:
            listener: Listens already; the other processes have it too.
            make_protocol: Makes what speaks on a connection.
            connections: Those that are open; somebody else keeps them.
            crowd: Counts those of all processes.
        """
        listener.setblocking(False)
        self._listener = listener
        self._make_protocol = make_protocol
        self._connections = connections
        self._crowd = crowd
        self._entering: dict[asyncio.Task[object], asyncio.Protocol] = {}
        self._later: asyncio.TimerHandle | None = None
        self._is_open = False

    def open(self) -> None:
        """Let callers in from now on, in the running loop."""
        self._is_open = True
        self._crowd.tell(len(self._connections))
        self._watch()

    def close(self) -> None:
        """Let nobody in any more; connections stay."""
        if not self._is_open:
            return
        self._is_open = False
        self._crowd.leave()
        if self._later:
            self._later.cancel()
        asyncio.get_running_loop().remove_reader(self._listener.fileno())

    def _watch(self) -> None:
        asyncio.get_running_loop().add_reader(self._listener.fileno(), self._somebody_waits)

    def _somebody_waits(self) -> None:
        if self._is_our_turn():
            self._let_in()
            return
        # Who waits is still seen by this process, which would look again and again: it looks away for a moment.
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener.fileno())
        self._later = loop.call_later(_LOOK_S, self._wait_politely, loop.time() + _POLITE_S)

    def _wait_politely(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        if not self._is_our_turn() and loop.time() < until:
            self._later = loop.call_later(_LOOK_S, self._wait_politely, until)
            return
        self._watch()
        self._let_in()

    def _is_our_turn(self) -> bool:
        return self._crowd.nobody_has_fewer(self._count())

    def _count(self) -> int:
        # Who has just entered stands in both until its task is looked after.
        entering = sum(one not in self._connections for one in self._entering.values())
        count = len(self._connections) + entering
        self._crowd.tell(count)
        return count

    def _let_in(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another process was quicker, or the caller is gone
        except OSError as error:
            if error.errno not in _SCARCE:
                raise
            logger.error("No connection can be let in (%s); trying again in a second.", error)
            loop.remove_reader(self._listener.fileno())
            self._later = loop.call_later(_OUT_OF_FILES_S, self._watch)
            return
        connection.setblocking(False)
        protocol = self._make_protocol()
        entering: asyncio.Task[object] = loop.create_task(
            loop.connect_accepted_socket(lambda: protocol, connection)
        )
        self._entering[entering] = protocol
        entering.add_done_callback(self._entered)

    def _entered(self, entering: asyncio.Task[object]) -> None:
        del self._entering[entering]
        if not entering.cancelled() and entering.exception():
            logger.debug("A caller was gone before it was heard.", exc_info=entering.exception())
        if self._is_open:  # or the others would leave callers to this process, which has left
            self._count()
