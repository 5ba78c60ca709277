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
from contextlib import suppress
from pathlib import Path

from mien.errors import ConfigError

__all__ = ["Board", "Crowd", "Door", "bind", "shut"]

logger = logging.getLogger(__name__)

_COUNT = struct.Struct("<ii")  # connections, and beats of the heart
_IS_ENDING = struct.Struct("<i")
_ABSENT = 1 << 30
"""The count of a process that lets nobody in any more."""
_MOST_BEATS = 1 << 30
_POLITE_S = 0.02
"""So long a caller is left to a process with fewer connections."""
_MOST_IN_VAIN = 10
"""Callers wait behind one another, so these moments add up: a process with fewer connections for which so many were waited in vain
starts, hangs or is dead, and is waited for no more until it shows that it lives."""
_LOOK_S = 0.001
_OUT_OF_FILES_S = 1.0
_BACKLOG = 2048
_Written = tuple[int, int, int]
"""Of one process: its place, its connections and its beats."""
_SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Board:
    """What processes at one door tell each other, in a small file that all of them map into memory."""

    def __init__(self, path: Path | None, num_processes: int) -> None:
        """Open the table.

        Args:
            path: A file that the processes share, made where it is not there; None for one of this process alone.
            num_processes: How many let callers in.
        """
        size = _COUNT.size * num_processes + _IS_ENDING.size
        if path is None:
            self._table = mmap.mmap(-1, size)
        else:
            with path.open("a+b") as file:
                file.truncate(size)
                self._table = mmap.mmap(file.fileno(), size)
        self._num_processes = num_processes

    def write(self, place: int, count: int, beats: int) -> None:
        """Write down how many connections a process has, and how often its heart has beaten."""
        _COUNT.pack_into(self._table, _COUNT.size * place, count, beats)

    def read(self, place: int) -> tuple[int, int]:
        """Return what a process wrote."""
        count, beats = _COUNT.unpack_from(self._table, _COUNT.size * place)
        return count, beats

    def leave(self, place: int) -> None:
        """Write down that a process lets nobody in any more, or is dead."""
        self.write(place, _ABSENT, 0)

    def has_left(self, place: int) -> bool:
        """Whether a process lets nobody in any more."""
        return self.read(place)[0] == _ABSENT

    def end(self) -> None:
        """Tell all that nobody comes after them."""
        _IS_ENDING.pack_into(self._table, _COUNT.size * self._num_processes, 1)

    def is_ending(self) -> bool:
        """Whether nobody comes after those that are there."""
        told: int = _IS_ENDING.unpack_from(self._table, _COUNT.size * self._num_processes)[0]
        return told != 0


class Crowd:
    """One process among those at a door: how many connections it and the others have."""

    def __init__(self, board: Board, place: int = 0, num_processes: int = 1) -> None:
        """Take a place.

        Args:
            board: What the processes share.
            place: Which of them this is, from 0.
            num_processes: How many there are.
        """
        self._board = board
        self._place = place
        self._others = [other for other in range(num_processes) if other != place]
        self._count = self._num_beats = 0
        self._num_in_vain: dict[_Written, int] = {}
        """How often others were waited for in vain, as long as they write nothing else."""
        self.tell(0)

    def tell(self, count: int) -> None:
        """Write down how many connections this process has."""
        self._count = count
        self._board.write(self._place, count, self._num_beats)

    def beat(self) -> None:
        """Show that this process is not stuck."""
        self._num_beats = self._num_beats % _MOST_BEATS + 1
        self._board.write(self._place, self._count, self._num_beats)

    def with_fewer(self, count: int) -> frozenset[_Written]:
        """Return which other processes have fewer connections than that, less those that are given up."""
        return frozenset(
            one
            for one in self._written()
            if one[1] < count and self._num_in_vain.get(one, 0) < _MOST_IN_VAIN
        )

    def note_in_vain(self, others: frozenset[_Written]) -> None:
        """Note that these were waited for and did nothing; after some times each is given up until it writes something else."""
        counted = self._num_in_vain | {one: self._num_in_vain.get(one, 0) + 1 for one in others}
        written = self._written()
        self._num_in_vain = {one: number for one, number in counted.items() if one in written}

    def _written(self) -> set[_Written]:
        return {(other, *self._board.read(other)) for other in self._others}

    @classmethod
    def alone(cls) -> Crowd:
        """Return that of the only process there is, which nobody comes after."""
        board = Board(None, 1)
        board.end()
        return cls(board)

    def leave(self) -> bool:
        """Let the others have all that come.

        Returns:
            Whether there will be nobody: all others have left, and none comes after them.
        """
        self.tell(_ABSENT)
        return self._board.is_ending() and all(map(self._board.has_left, self._others))


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
        """Let nobody in any more; connections stay. The last process lets in who waits, and turns away who comes later."""
        if not self._is_open:
            return
        self._is_open = False
        is_last = self._crowd.leave()
        if self._later:
            self._later.cancel()
        asyncio.get_running_loop().remove_reader(self._listener.fileno())
        if is_last:
            while self._let_in():
                pass
            shut(self._listener)

    def _watch(self) -> None:
        asyncio.get_running_loop().add_reader(self._listener.fileno(), self._somebody_waits)

    def _somebody_waits(self) -> None:
        fewer = self._crowd.with_fewer(self._count())
        if not fewer:
            self._let_in()
            return
        # Who waits is still seen by this process, which would look again and again: it looks away for a moment.
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener.fileno())
        self._later = loop.call_later(_LOOK_S, self._wait_politely, fewer, loop.time() + _POLITE_S)

    def _wait_politely(self, others: frozenset[_Written], until: float) -> None:
        loop = asyncio.get_running_loop()
        fewer = self._crowd.with_fewer(self._count())
        if fewer and loop.time() < until:
            self._later = loop.call_later(_LOOK_S, self._wait_politely, others, until)
            return
        if others <= fewer:  # else one of them has done something, and may have taken the caller
            self._crowd.note_in_vain(others)
        self._watch()
        self._let_in()

    def _count(self) -> int:
        # Who has just entered stands in both until its task is looked after.
        entering = sum(one not in self._connections for one in self._entering.values())
        count = len(self._connections) + entering
        self._crowd.tell(count)
        return count

    def _let_in(self) -> bool:
        """Let one caller in; return False if none waits."""
        loop = asyncio.get_running_loop()
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False  # another process was quicker, or the caller is gone
        except OSError as error:
            if error.errno not in _SCARCE:
                raise
            logger.error("No connection can be let in (%s); trying again in a second.", error)
            loop.remove_reader(self._listener.fileno())
            if self._is_open:
                self._later = loop.call_later(_OUT_OF_FILES_S, self._watch)
            return False
        connection.setblocking(False)
        protocol = self._make_protocol()
        entering: asyncio.Task[object] = loop.create_task(
            loop.connect_accepted_socket(lambda: protocol, connection)
        )
        self._entering[entering] = protocol
        entering.add_done_callback(self._entered)
        return True

    def _entered(self, entering: asyncio.Task[object]) -> None:
        del self._entering[entering]
        if not entering.cancelled() and entering.exception():
            logger.debug("A caller was gone before it was heard.", exc_info=entering.exception())
        if self._is_open:  # or the others would leave callers to this process, which has left
            self._count()


def bind(host: str, port: int) -> socket.socket:
    """Open the door.

    Raises:
        ConfigError: If the address cannot be listened on.
    """
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
        listener.set_inheritable(True)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"{host}:{port} cannot be listened on: {error.strerror or error}. "
            "Name another one with --port, or --port 0 for a free one."
        ) from None
    return listener


def shut(listener: socket.socket) -> None:
    """Turn away at once who comes from now on, whoever else still holds the listener."""
    with suppress(OSError):  # another process was quicker
        listener.shutdown(socket.SHUT_RDWR)
