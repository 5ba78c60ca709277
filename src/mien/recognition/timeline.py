"""Rows of a recording become stretches: who showed which expression from when to when, and for how long in all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mien.errors import InputError
from mien.faces.usual_step import UsualStep
from mien.types import VideoRow

__all__ = ["Stretch", "Timeline"]

_LONGEST_FRAME_S = 1.0
"""A frame stands for no more time than this, or than frames are usually apart: what was shown in a gap nobody knows."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which one track showed one expression without a break."""

    track: int
    expression: str
    start_s: float
    end_s: float


class Timeline:
    """Collects rows one after the other; it keeps stretches, not rows, so that it stays small."""

    def __init__(self, rows: Iterable[VideoRow] = ()) -> None:
        """Start with these rows."""
        self._done: list[Stretch] = []
        self._open: dict[int, Stretch] = {}
        self._shown: dict[int, str] = {}  # in the latest frame
        self._time_s: float | None = None
        self._step = UsualStep()
        # The frame before the latest: its time, the latest's, what it showed. Whether a gap came after it, or frames are
        # that far apart, the next step tells.
        self._waiting: tuple[float, float, dict[int, str]] | None = None
        self.num_frames = 0
        """Frames so far."""
        self.num_empty = 0
        """Those without a face."""
        self._frame = -1
        self._start_s: float | None = None
        for row in rows:
            self.add(row)

    def add(self, row: VideoRow) -> None:
        """Take the next row; rows come in the order of their frames.

        Raises:
            InputError: If its time is no number.
        """
        if row.frame != self._frame:
            if not math.isfinite(row.time_s):
                raise InputError(f"Frame {row.frame} is at {row.time_s} s; expected a number.")
            if self._start_s is None:
                self._start_s = row.time_s
            self._advance(row.time_s)
            self._frame = row.frame
            self.num_frames += 1
            self.num_empty += row.track is None
        if row.track is not None and row.expression is not None:
            self._shown[row.track] = row.expression

    @property
    def start_s(self) -> float:
        """When the first frame begins, in seconds; 0 without frames."""
        return self._start_s or 0.0

    @property
    def end_s(self) -> float:
        """When the last frame ends, in seconds; 0 without frames."""
        return 0.0 if self._time_s is None else self._time_s + self._last_step_s()

    def stretches(self) -> list[Stretch]:
        """Return all stretches so far by track, then time; the last frame lasts as long as the one before."""
        last = Timeline()
        last._done, last._open = list(self._done), dict(self._open)
        last._step = self._step.copy()
        if self._waiting:
            last._settle(*self._waiting)
        if self._time_s is not None:
            last._settle(self._time_s, self.end_s, self._shown)
        found = [*last._done, *last._open.values()]
        return sorted(found, key=lambda stretch: (stretch.track, stretch.start_s))

    def seconds(self) -> dict[int, dict[str, float]]:
        """Return for each track how long it showed each expression, the longest first."""
        totals: dict[int, dict[str, float]] = {}
        for stretch in self.stretches():
            of_track = totals.setdefault(stretch.track, {})
            lasted = stretch.end_s - stretch.start_s
            of_track[stretch.expression] = of_track.get(stretch.expression, 0.0) + lasted
        return {
            track: dict(sorted(shown.items(), key=lambda item: -item[1]))
            for track, shown in totals.items()
        }

    def _last_step_s(self) -> float:
        if self._waiting is None:
            return 0.0
        start_s, next_s, _ = self._waiting
        return min(next_s - start_s, self._step.long_s(_LONGEST_FRAME_S))

    def _advance(self, time_s: float) -> None:
        """Let the latest frame last until ``time_s``."""
        self._step.add(time_s)
        if self._time_s is not None:
            if self._waiting:
                self._settle(*self._waiting)
            self._waiting = (self._time_s, time_s, self._shown)
        self._shown, self._time_s = {}, time_s

    def _settle(self, start_s: float, next_s: float, shown: Mapping[int, str]) -> None:
        """Add what a frame showed to the stretches."""
        # Where nothing is cut off it is the very time, not a sum that is rounded: what follows is compared with it.
        longest_s = self._step.long_s(_LONGEST_FRAME_S)
        end_s = start_s + longest_s if next_s - start_s > longest_s else next_s
        still: dict[int, Stretch] = {}
        for track, expression in shown.items():
            before = self._open.pop(track, None)
            if before and before.expression == expression and before.end_s == start_s:
                still[track] = Stretch(track, expression, before.start_s, end_s)
            else:
                self._done += [before] if before else []
                still[track] = Stretch(track, expression, start_s, end_s)
        self._done += self._open.values()
        self._open = still
