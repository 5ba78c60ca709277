"""How far apart the frames of a recording usually are: what is a long time depends on it."""

from __future__ import annotations

from collections import deque

__all__ = ["UsualStep"]

_REMEMBERED = 9
"""So many distances; their median follows a change of rate after half of them, and a single hole not at all."""
_LONG = 2.5
"""So many usual distances without a frame, or without a face, are more than one that was left out."""


class UsualStep:
    """Learns the distance of frames from their times, which come in order."""

    def __init__(self) -> None:
        """Start without frames."""
        self._steps_s: deque[float] = deque(maxlen=_REMEMBERED)
        self._time_s: float | None = None

    def add(self, time_s: float) -> None:
        """Take the time of the next frame."""
        if self._time_s is not None:
            self._steps_s.append(time_s - self._time_s)
        self._time_s = time_s

    def long_s(self, at_least_s: float) -> float:
        """Return from when on a time is long, in seconds: ``at_least_s``, or more where frames are far apart."""
        if not self._steps_s:
            return at_least_s
        ordered = sorted(self._steps_s)
        # Of an even number the lower one: a first step and a hole after it make no slow recording.
        return max(at_least_s, _LONG * ordered[(len(ordered) - 1) // 2])

    def copy(self) -> UsualStep:
        """Return another that has learnt the same."""
        other = UsualStep()
        other._steps_s, other._time_s = self._steps_s.copy(), self._time_s
        return other
