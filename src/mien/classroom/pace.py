"""How often students may send: slower while the machine is full, back again when it has air."""

from __future__ import annotations

import time
from collections.abc import Callable

from mien.processors import usable_cores

__all__ = ["LoadMeter", "Pace"]

SLOW_ABOVE = 0.90
"""Share of the machine in use above which the pace falls."""
RECOVER_BELOW = 0.72
"""Below it the pace rises; between the two it stays, so that it does not swing."""
SLOWEST_MS = 8000
"""Fewer frames would leave a window of ten seconds empty."""
_SLOWER = 1.3
_FASTER = 0.9


class Pace:
    """Milliseconds between two frames of a student."""

    def __init__(self, fastest_ms: int) -> None:
        """Begin at the pace that the operator set."""
        self._fastest_ms = float(fastest_ms)
        self._ms = self._fastest_ms

    @property
    def ms(self) -> int:
        """The pace that students are told."""
        return round(self._ms)

    def adapt(self, load: float) -> None:
        """Take in what share of the machine was in use in the last second."""
        if load > SLOW_ABOVE:
            self._ms = min(max(SLOWEST_MS, self._fastest_ms), self._ms * _SLOWER)
        elif load < RECOVER_BELOW:
            self._ms = max(self._fastest_ms, self._ms * _FASTER)


class LoadMeter:
    """What share of the machine was in use since it was last asked.

    The larger of two: the processors' time that this program took, and the time in which its recognisers were at work.
    The second rises too when other programs take the processors away.
    """

    def __init__(
        self,
        busy_s: Callable[[], float],
        threads: int,
        clock: Callable[[], float] = time.monotonic,
        cpu_s: Callable[[], float] = time.process_time,
    ) -> None:
        """Begin to measure.

        Args:
            busy_s: How long the recognisers have been at work, all together.
            threads: How many recognisers there are; 0 in a lesson without pictures.
            clock: Seconds that pass.
            cpu_s: Seconds of processors that this program took.
        """
        self._busy_s = busy_s
        self._threads = threads
        self._clock = clock
        self._cpu_s = cpu_s
        self._processors = usable_cores()
        self._last = (clock(), cpu_s(), busy_s())

    def read(self) -> float:
        """Return the share, 0 to about 1."""
        now = (self._clock(), self._cpu_s(), self._busy_s())
        passed, cpu, busy = (b - a for a, b in zip(self._last, now, strict=True))
        self._last = now
        if passed <= 0:
            return 0.0
        return max(cpu / passed / self._processors, busy / passed / max(1, self._threads))
