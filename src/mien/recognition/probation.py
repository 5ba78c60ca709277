"""Faces that only flash up are no faces: a detector's mistakes rarely last, so each new track has to prove itself."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mien.errors import InputError
from mien.types import VideoRow, WatchedFrame

__all__ = ["PROBATION_S", "Probation"]

PROBATION_S = 0.3
"""So long a new track is on probation. On a clip of a talking person Haar's mistakes lasted one to five frames of 25."""
_SHARE = 2 / 3
"""In so many of the frames of that time it must be seen."""
_FEWEST_FRAMES = 2
"""With fewer frames than these in that time there is nothing to judge by, and the track stands."""


@dataclass(slots=True)
class _Trial:
    start_s: float
    frames: int = 0
    seen: int = 0


class Probation:
    """Holds frames back until their new tracks are judged, then numbers the tracks that stand from 1 on.

    It has state, belongs to one recording, and holds at most the frames of one probation.
    """

    def __init__(self, is_live: bool, probation_s: float = PROBATION_S) -> None:
        """Start empty.

        Args:
            is_live: A live picture must not wait, so there a face just appears after its probation.
            probation_s: How long that is, in seconds; 0 leaves no face out.

        Raises:
            InputError: If it is not a number from 0.
        """
        if not 0 <= probation_s < math.inf:
            raise InputError(f"probation_s is {probation_s}; expected 0 or more seconds.")
        self._is_live = is_live
        self._probation_s = probation_s
        self._held: deque[WatchedFrame] = deque()
        self._trials: dict[int, _Trial] = {}
        self._numbers: dict[int, int] = {}

    def add(self, frame: WatchedFrame) -> Iterator[WatchedFrame]:
        """Take the next frame; yield those that are settled, in order."""
        present = {row.track for row in frame.rows if row.track is not None}
        for track, trial in self._trials.items():
            if frame.time_s <= trial.start_s + self._probation_s:
                trial.frames += 1
                trial.seen += track in present
        for track in present - self._trials.keys() - self._numbers.keys():
            self._trials[track] = _Trial(frame.time_s)
        self._held.append(frame)
        over = [
            track
            for track, trial in self._trials.items()
            if frame.time_s >= trial.start_s + self._probation_s
        ]
        yield from self._judge(sorted(over))

    def finish(self) -> Iterator[WatchedFrame]:
        """Judge by what was seen up to the end and yield the rest."""
        yield from self._judge(sorted(self._trials))

    def _judge(self, tracks: list[int]) -> Iterator[WatchedFrame]:
        for track in tracks:
            trial = self._trials.pop(track)
            if trial.frames < _FEWEST_FRAMES or trial.seen >= _SHARE * trial.frames:
                self._numbers[track] = len(self._numbers) + 1
            else:
                self._held = deque(_without(track, frame) for frame in self._held)
        while self._held and (self._is_live or not self._waits(self._held[0])):
            yield self._numbered(self._held.popleft())

    def _waits(self, frame: WatchedFrame) -> bool:
        return any(row.track in self._trials for row in frame.rows)

    def _numbered(self, frame: WatchedFrame) -> WatchedFrame:
        standing = [
            replace(row, track=self._numbers[row.track])
            for row in frame.rows
            if row.track in self._numbers
        ]
        return replace(frame, rows=_or_empty(standing, frame))


def _without(track: int, frame: WatchedFrame) -> WatchedFrame:
    return replace(frame, rows=_or_empty([r for r in frame.rows if r.track != track], frame))


def _or_empty(rows: list[VideoRow], frame: WatchedFrame) -> tuple[VideoRow, ...]:
    return tuple(rows) or (VideoRow(frame=frame.index, time_s=frame.time_s),)
