"""What students tap: lost, ok, too fast. Counted by period, and held beside what the signals said at that time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mien.classroom.signals.aggregate import rounded_percent
from mien.classroom.signals.mapping import SignalMapping
from mien.classroom.signals.reports import Agreement, Answer, AnswerCounts
from mien.classroom.signals.states import Reading, State

__all__ = ["AgreementTally", "AnswerBook", "cohen_kappa"]

_COMPARABLE = frozenset({State.STRAINED, State.POSITIVE, State.SURPRISED, State.STEADY})
"""Away, turned and no data say nothing about the face, so they neither agree nor disagree."""


@dataclass(frozen=True, slots=True)
class _Tap:
    student: str
    time_s: float
    answer: Answer


class AnswerBook:
    """Taps until they are counted. Each is counted in one period only, so that no later count can undo it."""

    def __init__(self, mapping: SignalMapping) -> None:
        self._mapping = mapping
        self._taps: list[_Tap] = []
        self._next = 1
        """Number of the period, from 1, that is counted next."""

    @property
    def next_start_s(self) -> float:
        """When the period began, or begins, that is counted next."""
        return (self._next - 1) * self._mapping.answers.period_s

    def add(self, student: str, time_s: float, answer: Answer) -> None:
        """Take a tap in; one that comes after its period was counted counts in the next."""
        self._taps.append(_Tap(student, max(time_s, self.next_start_s), answer))

    def forget(self, student: str) -> None:
        """Drop all taps of a student that were not yet counted."""
        self._taps = [tap for tap in self._taps if tap.student != student]

    def skip(self, time_s: float) -> None:
        """Count no period again that ended by then."""
        self._next = max(self._next, math.ceil(time_s / self._mapping.answers.period_s) + 1)

    def due(
        self, published_s: float, delay_s: float, *, is_over: bool = False
    ) -> tuple[float, float] | None:
        """Return start and end of the next period, if it may be counted by now; the end of the lesson cuts the last short."""
        start_s, end_s = self._bounds(published_s)
        is_whole = end_s == self._next * self._mapping.answers.period_s
        may_count = (is_whole or is_over) and end_s + delay_s <= published_s
        return (start_s, end_s) if may_count and start_s < end_s else None

    def count(self, published_s: float, num_present: int) -> AnswerCounts:
        """Count the next period and drop its taps.

        Args:
            published_s: When the counts are let out.
            num_present: How many students were in the lesson in that period; with fewer than k nothing is said.
        """
        start_s, end_s = self._bounds(published_s)
        next_s = self._next * self._mapping.answers.period_s
        self._next += 1
        last = {tap.student: tap.answer for tap in self._taps if tap.time_s < next_s}
        self._taps = [tap for tap in self._taps if tap.time_s >= next_s]
        counts = Counter(last.values())
        is_shown = num_present >= self._mapping.aggregate.min_students
        return AnswerCounts(
            start_s=start_s,
            end_s=end_s,
            published_s=published_s,
            num_present=num_present,
            counts={answer: counts[answer] for answer in Answer} if is_shown else None,
            mapping_id=self._mapping.id,
        )

    def _bounds(self, now_s: float) -> tuple[float, float]:
        """Start of the next period, and its end or now."""
        end_s = self._next * self._mapping.answers.period_s
        return self.next_start_s, min(end_s, now_s)

    def as_dict(self) -> dict[str, Any]:
        """Return what waits to be counted, for JSON."""
        return {
            "next": self._next,
            "taps": [[tap.student, tap.time_s, tap.answer.value] for tap in self._taps],
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `as_dict` returned."""
        self._next = saved["next"]
        self._taps = [_Tap(name, time_s, Answer(answer)) for name, time_s, answer in saved["taps"]]


class AgreementTally:
    """Taps beside signals: lost or too fast against strained, ok against not strained.

    Pairs are added to the sum in batches from k students or more, and nothing in the sum says whose they were.
    """

    def __init__(self, mapping: SignalMapping) -> None:
        self._mapping = mapping
        self._waiting: list[_Tap] = []
        """Taps whose window has not closed."""
        self._pairs: list[tuple[str, bool, bool]] = []
        """Student, whether the tap said trouble, whether the signal was strained; not yet in the sum."""
        self._sums = [0, 0, 0, 0]
        """Trouble and strained, trouble and not, ok and strained, ok and not."""

    def add(self, student: str, time_s: float, answer: Answer) -> None:
        """Take a tap in."""
        self._waiting.append(_Tap(student, time_s, answer))

    def forget(self, student: str) -> None:
        """Drop all of a student that is not in the sum."""
        self._waiting = [tap for tap in self._waiting if tap.student != student]
        self._pairs = [pair for pair in self._pairs if pair[0] != student]

    def match(self, time_s: float, readings: Mapping[str, Sequence[Reading]]) -> None:
        """Pair the taps whose windows have closed with the reading that ended nearest to them.

        Args:
            time_s: Now; infinite where no more windows will close.
            readings: By student, at least the last ``2 * near_s`` seconds.
        """
        near_s = self._mapping.answers.near_s
        ripe = [tap for tap in self._waiting if tap.time_s + near_s < time_s]
        self._waiting = [tap for tap in self._waiting if tap.time_s + near_s >= time_s]
        for tap in ripe:
            reading = _nearest(tap.time_s, readings.get(tap.student, ()), near_s)
            if reading is not None and reading.state in _COMPARABLE:
                is_trouble = tap.answer is not Answer.OK
                self._pairs.append((tap.student, is_trouble, reading.state is State.STRAINED))

    def renew(self) -> Agreement | None:
        """Add the pairs to the sum if they are from k students or more, and return what it says then."""
        if len({student for student, _, _ in self._pairs}) < self._mapping.aggregate.min_students:
            return None
        for _, is_trouble, is_strained in self._pairs:
            self._sums[2 * (not is_trouble) + (not is_strained)] += 1
        self._pairs = []
        both, trouble_only, strained_only, neither = self._sums
        kappa = cohen_kappa(both, trouble_only, strained_only, neither)
        num_taps = sum(self._sums)
        return Agreement(
            num_taps=num_taps,
            percent_agreeing=rounded_percent(
                both + neither, num_taps, self._mapping.aggregate.round_percent
            ),
            kappa=None if math.isnan(kappa) else round(kappa, 1),
            mapping_id=self._mapping.id,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what it remembers, for JSON."""
        return {
            "waiting": [[tap.student, tap.time_s, tap.answer.value] for tap in self._waiting],
            "pairs": [list(pair) for pair in self._pairs],
            "sums": list(self._sums),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `as_dict` returned."""
        self._waiting = [
            _Tap(name, time_s, Answer(said)) for name, time_s, said in saved["waiting"]
        ]
        self._pairs = [(name, trouble, strained) for name, trouble, strained in saved["pairs"]]
        self._sums = list(saved["sums"])


def cohen_kappa(both: int, first_only: int, second_only: int, neither: int) -> float:
    """Return Cohen's κ of two yes-or-no judges; NaN where chance alone would explain everything.

    Source:
        Cohen 1960, https://doi.org/10.1177/001316446002000104
    """
    total = both + first_only + second_only + neither
    agreed = (both + neither) / total
    first, second = (both + first_only) / total, (both + second_only) / total
    by_chance = first * second + (1 - first) * (1 - second)
    return math.nan if by_chance == 1 else (agreed - by_chance) / (1 - by_chance)


def _nearest(time_s: float, readings: Sequence[Reading], near_s: float) -> Reading | None:
    """The reading that ended nearest to a time, the earlier of two; None if none is near."""
    near = [reading for reading in readings if abs(reading.time_s - time_s) <= near_s]
    return min(
        near, key=lambda reading: (abs(reading.time_s - time_s), reading.time_s), default=None
    )
