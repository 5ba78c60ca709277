"""Rows of a recording become stretches: who showed which expression from when to when, and for how long in all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mien.types import VideoRow

__all__ = ["Stretch", "Timeline"]

_LONGEST_FRAME_S = 1.0
"""A frame stands for no more time than this: what was shown in a gap of the recording nobody knows."""


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
        self._step_s = 0.0
        self.num_frames = 0
        """Frames so far."""
        self.num_empty = 0
        """Those without a face."""
        self._frame = -1
        for row in rows:
            self.add(row)

    def add(self, row: VideoRow) -> None:
        """Take the next row; rows come in the order of their frames."""
        if row.frame != self._frame:
            self._advance(row.time_s)
            self._frame = row.frame
            self.num_frames += 1
            self.num_empty += row.track is None
        if row.track is not None and row.expression is not None:
            self._shown[row.track] = row.expression

    @property
    def end_s(self) -> float:
        """When the last frame ends, in seconds; 0 without frames."""
        return 0.0 if self._time_s is None else self._time_s + self._step_s

    def stretches(self) -> list[Stretch]:
        """Return all stretches so far by track, then time; the last frame lasts as long as the one before."""
        last = Timeline()
        last._done, last._open = list(self._done), dict(self._open)
        last._shown, last._time_s, last._step_s = dict(self._shown), self._time_s, self._step_s
        if self._time_s is not None:
            last._advance(self._time_s + self._step_s)
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

    def _advance(self, time_s: float) -> None:
        """Let the latest frame last until ``time_s``."""
        if self._time_s is None:
            self._time_s = time_s
            return
        self._step_s = min(time_s - self._time_s, _LONGEST_FRAME_S)
        # Where nothing is cut off it is the very time, not a sum that is rounded: what follows is compared with it.
        is_cut = self._step_s < time_s - self._time_s
        end_s = self._time_s + self._step_s if is_cut else time_s
        still: dict[int, Stretch] = {}
        for track, expression in self._shown.items():
            before = self._open.pop(track, None)
            if before and before.expression == expression and before.end_s == self._time_s:
                still[track] = Stretch(track, expression, before.start_s, end_s)
            else:
                self._done += [before] if before else []
                still[track] = Stretch(track, expression, self._time_s, end_s)
        self._done += self._open.values()
        self._open, self._shown, self._time_s = still, {}, time_s
