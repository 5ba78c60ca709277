"""Times of frames that only go on, from what containers say of them, which does not always."""

from __future__ import annotations

__all__ = ["Clock"]

_BACK_S = 0.5
"""Going back by more than this is a new beginning, as of recordings that were joined; by less, an order of decoding."""
_MOST_DELAY = 3
"""By so many frames B-frames may delay the first."""


class Clock:
    """Counts from the first frame on. It has state: one recording, all its frames in order."""

    def __init__(self, fps: float) -> None:
        """Start before the first frame.

        Args:
            fps: Frames a second, for those without a time.
        """
        self._fps = fps
        self._count = 0
        self._reported_s = 0.0
        """The last time that was told."""
        self._offset_s = 0.0
        """What is added to it."""
        self.time_s = 0.0
        """Of the last frame, since the recording's first."""

    def tick(self, reported_s: float) -> float:
        """Return the time of the next frame, not before that of the last.

        Args:
            reported_s: As the container says. 0 where it does not: raw streams have no times at all, and an AVI with B-frames
                none for its last ones and a late one for its first.
        """
        index = self._count
        self._count += 1
        if index == 0:
            # Later than by B-frames, and what came before could not be decoded: then it has its own time.
            is_delayed = reported_s * self._fps <= _MOST_DELAY + 0.5
            self._reported_s, self._offset_s = reported_s, -reported_s if is_delayed else 0.0
            self.time_s = 0.0 if is_delayed else round(reported_s, 6)
            return self.time_s
        if not reported_s > 0:
            # Counted, not summed up, where no frame has a time: a sum of roundings drifts.
            is_raw = not self._reported_s > 0
            time_s = index / self._fps if is_raw else self.time_s + 1 / self._fps
        else:
            if reported_s < self._reported_s - _BACK_S:
                self._offset_s = self.time_s + 1 / self._fps - reported_s
            time_s = reported_s + self._offset_s
            self._reported_s = reported_s
        self.time_s = max(self.time_s, round(time_s, 6))
        return self.time_s
