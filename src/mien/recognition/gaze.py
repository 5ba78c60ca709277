"""Where to look in the next frame: at everything from time to time, else only around the faces that are known.

A look around a face takes a fraction of the time of a look at everything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mien.errors import InputError
from mien.faces.track import Tracker
from mien.types import Box

__all__ = ["FULL_LOOK_S", "Gaze", "Plan"]

FULL_LOOK_S = 0.3
"""After so long everything is looked at: a new face among known ones waits no longer for its first row."""

_CLOCK_S = 0.001
"""Containers round times to their clock."""

_MISSED_S = 0.4
"""So long a face that is gone is also looked for where it was, whenever the others are looked after."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where to look."""

    known: Sequence[Box] = ()
    """Around these; nowhere in particular, so at everything, if there are none."""
    missed: Sequence[Box] = ()
    """Around these too; who was there just before may be back."""


class Gaze:
    """Plans looks and learns from them. It has state: one recording, one gaze, used by one thread."""

    def __init__(self, full_look_s: float) -> None:
        """Start without known faces.

        Args:
            full_look_s: After so many seconds of the recording everything is looked at; 0 looks at everything always.

        Raises:
            InputError: If it is not a number from 0.
        """
        if not 0 <= full_look_s < math.inf:
            raise InputError(f"full_look_s is {full_look_s}; expected 0 or more seconds.")
        self._full_look_s = full_look_s
        self._tracker = Tracker(_MISSED_S)
        self._full_s = -math.inf

    def is_full_due(self, time_s: float) -> bool:
        """Whether all of the frame of this time is to be searched, whoever is known."""
        return time_s - self._full_s >= self._full_look_s - _CLOCK_S or not self._sure(time_s)

    def plan(self, time_s: float) -> Plan:
        """Say where to look in the frame of this time; frames come in their order."""
        if self.is_full_due(time_s):
            self._full_s = time_s
            return Plan()
        missed = [face.box for face in self._tracker.expected(time_s) if face.is_missed]
        return Plan(self._sure(time_s), missed)

    def learn(self, time_s: float, faces: Sequence[Box], is_full: bool) -> None:
        """Take in what a look gave; looks come in the order of their frames.

        Args:
            time_s: Of the frame.
            faces: Those that were found.
            is_full: Whether all of it was searched, as planned or because a known face was not there.
        """
        if is_full:
            self._full_s = max(self._full_s, time_s)
        self._tracker.update(faces, time_s)

    def _sure(self, time_s: float) -> list[Box]:
        return [face.box for face in self._tracker.expected(time_s) if not face.is_missed]
