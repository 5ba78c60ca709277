"""How often somebody may do something: token buckets by address, by user, by connection; and one after the other."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Bucket", "Buckets", "Rate", "Turns"]

_MOST_KEYS = 10_000
"""Buckets that are remembered; beyond it the longest unused goes, so that many addresses fill no memory."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, so many a second on average."""

    burst: float
    per_s: float


class Bucket:
    """One token bucket."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        """Start full; ``clock`` gives seconds."""
        self._rate = rate
        self._clock = clock
        self._left = rate.burst
        self._at = clock()

    def has(self) -> bool:
        """Whether there is one to take."""
        now = self._clock()
        self._left = min(self._rate.burst, self._left + (now - self._at) * self._rate.per_s)
        self._at = now
        return self._left >= 1

    def take(self) -> bool:
        """Take one, if there is one."""
        if not self.has():
            return False
        self._left -= 1
        return True


class Buckets:
    """A bucket for each address or user."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        """All have the same rate."""
        self._rate = rate
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def has(self, key: str) -> bool:
        """Whether ``key`` has one to take."""
        return key not in self._buckets or self._buckets[key].has()

    def take(self, key: str) -> bool:
        """Take one of ``key``'s, if there is one."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._rate, self._clock)
            if len(self._buckets) > _MOST_KEYS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        return bucket.take()


class Turns:
    """Lets callers through one by one, while everybody else goes on.

    The event loop does all that is ready before it looks for more. Where thirty connections come at once, whoever is
    inside would wait for thirty of their steps at each of these rounds; so only one is ready in each.
    """

    def __init__(self) -> None:
        """Let the first one through at once."""
        self._lock = asyncio.Lock()

    async def take(self) -> None:
        """Wait for those who came before, each of whom takes a round of the event loop."""
        async with self._lock:
            await asyncio.sleep(0)
