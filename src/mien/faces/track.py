"""Which face of this frame is which of the frames before: overlap, after each track has moved on as it moved so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mien.errors import InputError
from mien.faces.usual_step import UsualStep
from mien.types import Box

__all__ = ["Expected", "Tracker"]

_MIN_OVERLAP = 0.2
"""Intersection over union from which a face is taken for the one that was expected there."""
_REACH = 0.3
_REACH_PER_S = 1.5
_MAX_REACH = 1.0
"""A face that hardly overlaps may be so many sides away from where it was expected, the more the longer unseen."""
_MAX_GROWTH = 1.6
"""Of two faces that far apart in size, one is not the other."""
_VELOCITY_MEMORY_S = 0.25
"""Over this time a velocity is averaged: boxes shake by a few pixels, which is much per second."""
_COASTING_S = 0.4
"""A lost face goes on at its velocity for about so long, then is expected where it came to rest."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Where a tracked face should be by now."""

    box: Box
    is_missed: bool
    """It was not in the last frame that the tracker was told of."""


@dataclass(slots=True)
class _Track:
    number: int
    x: float
    """Centre, px."""
    y: float
    w: float
    h: float
    time_s: float
    """When it was last seen."""
    vx: float = 0.0
    """px / s."""
    vy: float = 0.0

    def expected(self, time_s: float) -> tuple[float, float]:
        """Where the centre should be; the velocity fades exponentially, so that a long loss flings nothing away."""
        glide_s = _COASTING_S * (1.0 - math.exp(-(time_s - self.time_s) / _COASTING_S))
        return self.x + self.vx * glide_s, self.y + self.vy * glide_s

    def box(self, time_s: float) -> Box:
        """Where it should be, as large as it was."""
        x, y = self.expected(time_s)
        return Box(round(x - self.w / 2), round(y - self.h / 2), round(self.w), round(self.h))

    def see(self, box: Box, time_s: float) -> None:
        """Move to where it is seen now."""
        x, y = box.x + box.w / 2, box.y + box.h / 2
        step_s = time_s - self.time_s
        if step_s > 0:
            weight = 1.0 - math.exp(-step_s / _VELOCITY_MEMORY_S)
            self.vx += weight * ((x - self.x) / step_s - self.vx)
            self.vy += weight * ((y - self.y) / step_s - self.vy)
        self.x, self.y, self.w, self.h, self.time_s = x, y, float(box.w), float(box.h), time_s


class Tracker:
    """Gives faces numbers that stay theirs. It has state: one recording, one tracker, one thread.

    Faces are joined to tracks pair by pair, the best pair first. Where several faces are near each other that is
    what the optimal assignment would give too in all but contrived cases, and it needs no solver.
    """

    def __init__(self, max_lost_s: float = 1.0) -> None:
        """Start without tracks.

        Args:
            max_lost_s: A face that was not seen for longer is a new one when it comes back. Where frames are so far apart
                that one or two missed ones last longer, that time counts.

        Raises:
            InputError: If it is not a number from 0.
        """
        if not 0 <= max_lost_s < math.inf:
            raise InputError(f"max_lost_s is {max_lost_s}; expected 0 or more seconds.")
        self._least_lost_s = self._max_lost_s = max_lost_s
        self._step = UsualStep()
        self._tracks: list[_Track] = []
        self._last_number = 0
        self._time_s = -math.inf

    def update(self, boxes: Sequence[Box], time_s: float) -> list[int]:
        """Join the faces of the next frame to tracks.

        Args:
            boxes: The faces that were found in it.
            time_s: Its time; frames may be unevenly far apart, but come in order.

        Returns:
            The track's number for each box, from 1; a number that was given up never comes again.
        """
        self._time_s = time_s
        self._step.add(time_s)
        self._max_lost_s = self._step.long_s(self._least_lost_s)
        self._tracks = [t for t in self._tracks if time_s - t.time_s <= self._max_lost_s]
        pairs = [
            (affinity, place, index)
            for place, box in enumerate(boxes)
            for index, track in enumerate(self._tracks)
            if (affinity := _affinity(track, box, time_s)) > 0
        ]
        owners: dict[int, _Track] = {}
        taken: set[int] = set()
        for _, place, index in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
            if place not in owners and index not in taken:
                owners[place] = self._tracks[index]
                taken.add(index)
        return [self._see(owners.get(place), box, time_s) for place, box in enumerate(boxes)]

    @property
    def alive(self) -> frozenset[int]:
        """Numbers of the tracks that may still be seen again."""
        return frozenset(track.number for track in self._tracks)

    def expected(self, time_s: float) -> list[Expected]:
        """Return where each face should be at a time after the last frame, oldest track first."""
        return [
            Expected(track.box(time_s), track.time_s < self._time_s)
            for track in self._tracks
            if time_s - track.time_s <= self._max_lost_s
        ]

    def _see(self, track: _Track | None, box: Box, time_s: float) -> int:
        if track is None:
            self._last_number += 1
            centre = (box.x + box.w / 2, box.y + box.h / 2)
            track = _Track(self._last_number, *centre, float(box.w), float(box.h), time_s)
            self._tracks.append(track)
        else:
            track.see(box, time_s)
        return track.number


def _affinity(track: _Track, box: Box, time_s: float) -> float:
    """How well a box suits a track: 1 + overlap if they overlap enough, 0…1 if it is just near, 0 if it is not it."""
    x, y = track.expected(time_s)
    growth = math.sqrt(box.w * box.h / (track.w * track.h))
    if not 1 / _MAX_GROWTH <= growth <= _MAX_GROWTH:
        return 0.0
    overlap = _overlap(track, x, y, box)
    if overlap >= _MIN_OVERLAP:
        return 1.0 + overlap
    # Few frames a second, or a fast turn: the next box may not overlap at all, yet stand close by.
    side = max(track.w, track.h)
    distance = math.hypot(box.x + box.w / 2 - x, box.y + box.h / 2 - y) / side
    reach = min(_MAX_REACH, _REACH + _REACH_PER_S * (time_s - track.time_s))
    return max(0.0, 1.0 - distance / reach)


def _overlap(track: _Track, x: float, y: float, box: Box) -> float:
    """Intersection over union of a box and a track whose centre is at x, y."""
    left, top = x - track.w / 2, y - track.h / 2
    w = min(left + track.w, box.x + box.w) - max(left, box.x)
    h = min(top + track.h, box.y + box.h) - max(top, box.y)
    shared = max(0.0, w) * max(0.0, h)
    return shared / (track.w * track.h + box.w * box.h - shared)
