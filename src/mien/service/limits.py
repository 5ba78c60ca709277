"""How much may come in: requests a second for each caller, requests and bytes at work at the same time."""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import struct
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from mien.service.problems import Problem

__all__ = ["Admission", "RateLimit", "Reservation"]

_SLOT = struct.Struct("<8sd")  # a caller's mark, and when its bucket will be full again
_NUM_SLOTS = 4096
_PROBES = 8
_ROUNDING_S = 1e-6


class RateLimit:
    """A leaky bucket for each caller, shared by all processes through one small file in memory.

    Source:
        The generic cell rate algorithm, ITU-T I.371: a caller is one number, the time when its bucket is empty.
    """

    def __init__(
        self,
        path: Path | None,
        rate_per_s: float,
        burst: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the table.

        Args:
            path: A file that the processes share; None for one of this process alone.
            rate_per_s: Requests a second in the long run.
            burst: Requests at once.
            clock: Seconds; the same for all processes.
        """
        self._interval_s = 1 / rate_per_s
        self._slack_s = (burst - 1) * self._interval_s
        self._clock = clock
        size = _SLOT.size * _NUM_SLOTS
        self._file = None if path is None else path.open("a+b")
        if self._file:
            self._file.truncate(size)
        self._table = mmap.mmap(self._file.fileno() if self._file else -1, size)

    def wait_s(self, caller: str) -> float:
        """Count a request of a caller; return 0 if it may go on, else in how many seconds it may come again."""
        mark = hashlib.blake2b(caller.encode(), digest_size=8).digest()
        with self._locked():
            now = self._clock()
            place = self._place(mark, now)
            due: float = max(now, _SLOT.unpack_from(self._table, place)[1])
            if due - now > self._slack_s + _ROUNDING_S:
                return due - now - self._slack_s
            _SLOT.pack_into(self._table, place, mark, due + self._interval_s)
            return 0.0

    def close(self) -> None:
        """Let the table go."""
        self._table.close()
        if self._file:
            self._file.close()

    @contextmanager
    def _locked(self) -> Generator[None]:
        """Keep other processes out."""
        if self._file is None:
            yield
            return
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _place(self, mark: bytes, now: float) -> int:
        """Return the offset of a caller's slot; one whose bucket has emptied may be taken over."""
        first = int.from_bytes(mark[:4], "little")
        free = None
        for step in range(_PROBES):
            place = (first + step) % _NUM_SLOTS * _SLOT.size
            owner, due = _SLOT.unpack_from(self._table, place)
            if owner == mark:
                return place
            if free is None and due <= now:
                free = place
        if free is None:  # callers far beyond the table's size share a slot
            return first % _NUM_SLOTS * _SLOT.size
        _SLOT.pack_into(self._table, free, mark, 0.0)
        return free


class Reservation:
    """The bytes that one request may hold."""

    def __init__(self, admission: Admission) -> None:
        """Begin with none."""
        self._admission = admission
        self._bytes = 0

    def grow_to(self, num_bytes: int) -> None:
        """Ask for memory before it is used.

        Raises:
            Problem: 503 if all requests together would hold too much.
        """
        if num_bytes > self._bytes:
            self._admission.take(num_bytes - self._bytes)
            self._bytes = num_bytes

    def release(self) -> None:
        """Give it back."""
        self._admission.take(-self._bytes)
        self._bytes = 0


class Admission:
    """Lets so many requests in, and so many bytes; used from the event loop only."""

    def __init__(self, max_requests: int, max_bytes: int) -> None:
        """Begin empty."""
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self.num_requests = 0
        self.num_bytes = 0

    @contextmanager
    def enter(self) -> Generator[Reservation]:
        """Be one of the requests at work.

        Raises:
            Problem: 503 if there are too many.
        """
        if self.num_requests >= self._max_requests:
            raise _busy(
                f"{self.num_requests} requests are at work, which is as many as are let in at the same time"
            )
        self.num_requests += 1
        held = Reservation(self)
        try:
            yield held
        finally:
            held.release()
            self.num_requests -= 1

    def take(self, num_bytes: int) -> None:
        """Count bytes in, or out if negative.

        Raises:
            Problem: 503 if it would be too many.
        """
        if num_bytes > 0 and self.num_bytes + num_bytes > self._max_bytes:
            raise _busy("The requests at work hold as much memory as they may")
        self.num_bytes += num_bytes


def _busy(reason: str) -> Problem:
    return Problem(503, "busy", f"{reason}. Try again in a second.", {"retry-after": "1"})
