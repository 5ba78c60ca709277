"""Moments: when a share stays well above the class's own last minutes. Made of published shares, so they tell no more."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mien.classroom.signals.mapping import SignalMapping
from mien.classroom.signals.reports import Aggregate, Moment
from mien.classroom.signals.states import State

__all__ = ["WATCHED", "MomentFinder"]

WATCHED = (State.STRAINED, State.AWAY)
"""What a teacher may want to act on."""


@dataclass(slots=True)
class _Rise:
    """A share that is high, and may become a moment."""

    start_s: float
    last_s: float
    before_percent: int
    peak_percent: int
    marked_s: float | None = None


class MomentFinder:
    """Watches one state's share over a lesson."""

    def __init__(self, state: State, mapping: SignalMapping) -> None:
        self._state = state
        self._mapping = mapping
        self._history: list[tuple[float, int]] = []
        """Times and shares of the last minutes, oldest first."""
        self._rise: _Rise | None = None

    def step(self, aggregate: Aggregate, *, is_of_others: bool = False) -> list[Moment]:
        """Take one published aggregate in.

        Args:
            aggregate: Later than the one before. Without shares it ends what went on: unknown is not high.
            is_of_others: Whether its shares are of other students than the last ones. Then nothing before is its usual: when
                five of twelve are left out, a share moves though nobody has.

        Returns:
            A moment that has just been marked, has peaked higher, or has ended; mostly none.
        """
        settings = self._mapping.moments
        if aggregate.percent is None:
            return self._end()
        ended = self._end() if is_of_others else []
        if is_of_others:
            self._history = []
        share, time_s = aggregate.percent[self._state], aggregate.time_s
        # A height that has lasted as long as the history is the class's usual by now.
        is_usual = self._rise is not None and time_s - self._rise.start_s >= settings.history_s
        found = ended + (self._end() if is_usual else [])
        found += self._follow(share, aggregate)
        self._history.append((time_s, share))
        self._history = [(t, s) for t, s in self._history if t > time_s - settings.history_s]
        return found

    def _follow(self, share: int, aggregate: Aggregate) -> list[Moment]:
        if self._rise is None:
            self._rise = self._begin(share, aggregate.time_s)
            if self._rise is None:
                return []
        rise, settings = self._rise, self._mapping.moments
        if share - rise.before_percent < settings.rise_percent:
            return self._end()
        is_higher = share > rise.peak_percent
        rise.last_s, rise.peak_percent = aggregate.time_s, max(share, rise.peak_percent)
        if rise.marked_s is not None:
            return [self._moment(rise)] if is_higher else []
        if rise.last_s - rise.start_s < settings.hold_s:
            return []
        rise.marked_s = aggregate.published_s
        return [self._moment(rise)]

    def _begin(self, share: int, time_s: float) -> _Rise | None:
        """A rise, if there is enough history to call it one; its own height is no part of what it is held against."""
        settings = self._mapping.moments
        # Of times with shares: one window before minutes without any is nobody's usual.
        if len(self._history) * self._mapping.window.hop_s < settings.min_history_s:
            return None
        before = statistics.median_high(share for _, share in self._history)
        is_high = share - before >= settings.rise_percent
        return _Rise(time_s, time_s, before, share) if is_high else None

    def _end(self) -> list[Moment]:
        rise, self._rise = self._rise, None
        return [] if rise is None or rise.marked_s is None else [self._moment(rise, rise.last_s)]

    def _moment(self, rise: _Rise, end_s: float | None = None) -> Moment:
        assert rise.marked_s is not None
        return Moment(
            state=self._state,
            start_s=rise.start_s,
            marked_s=rise.marked_s,
            end_s=end_s,
            before_percent=rise.before_percent,
            peak_percent=rise.peak_percent,
            mapping_id=self._mapping.id,
        )

    def finish(self) -> list[Moment]:
        """End what still goes on when the lesson ends."""
        return self._end()

    def as_dict(self) -> dict[str, Any]:
        """Return what it remembers, for JSON."""
        return {
            "history": [list(entry) for entry in self._history],
            "rise": None if self._rise is None else asdict(self._rise),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `as_dict` returned."""
        self._history = [(time_s, share) for time_s, share in saved["history"]]
        self._rise = None if saved["rise"] is None else _Rise(**saved["rise"])
