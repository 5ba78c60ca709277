"""How well scripted states and moments were found: precision, recall, delay."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mien.classroom.signals import Moment, Reading, State
from mien.classroom.simulator.scenario import Scenario

__all__ = ["MomentScore", "StateScore", "score_moments", "score_states"]

LAG_S = 60.0
"""What is found so long after a stretch has ended still belongs to it: smoothing and dwell lag behind on purpose."""


@dataclass(slots=True)
class StateScore:
    """One state over one or several lessons; add scores with ``+``."""

    num_true: int = 0
    """Scripted stretches."""
    num_recalled: int = 0
    """Of them, how many were said at least once while they lasted."""
    num_found: int = 0
    """Runs of readings that said it."""
    num_right: int = 0
    """Of them, how many lie on a stretch or within `LAG_S` behind it."""
    delays_s: list[float] = field(default_factory=list)
    """From a stretch's begin to the end of the first window that said it."""
    tails_s: list[float] = field(default_factory=list)
    """From a stretch's end to the end of the last window that said it."""
    readings_true: int = 0
    """Windows whose end lies in a stretch."""
    readings_found: int = 0
    readings_both: int = 0

    def __add__(self, other: StateScore) -> StateScore:
        return StateScore(
            *(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__)
        )

    @property
    def recall(self) -> float:
        """Share of the stretches that were found; NaN without any."""
        return _share(self.num_recalled, self.num_true)

    @property
    def precision(self) -> float:
        """Share of the runs that are right; NaN without any."""
        return _share(self.num_right, self.num_found)

    @property
    def reading_recall(self) -> float:
        """The same by windows, with no allowance for any lag."""
        return _share(self.readings_both, self.readings_true)

    @property
    def reading_precision(self) -> float:
        """The same by windows, with no allowance for any lag."""
        return _share(self.readings_both, self.readings_found)

    @property
    def delay_s(self) -> float:
        """Median delay; NaN if nothing was found."""
        return statistics.median(self.delays_s) if self.delays_s else float("nan")


@dataclass(slots=True)
class MomentScore:
    """Moments over one or several lessons; add scores with ``+``."""

    num_true: int = 0
    num_recalled: int = 0
    num_found: int = 0
    num_right: int = 0
    delays_s: list[float] = field(default_factory=list)
    """From the begin of the event to when the teacher was told."""

    def __add__(self, other: MomentScore) -> MomentScore:
        return MomentScore(
            *(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__)
        )

    @property
    def recall(self) -> float:
        """Share of the events that were marked; NaN without any."""
        return _share(self.num_recalled, self.num_true)

    @property
    def precision(self) -> float:
        """Share of the marks that lie on an event; NaN without any."""
        return _share(self.num_right, self.num_found)

    @property
    def delay_s(self) -> float:
        """Median delay; NaN if nothing was marked."""
        return statistics.median(self.delays_s) if self.delays_s else float("nan")


def score_states(
    scenario: Scenario, readings: dict[int, list[Reading]], from_s: float
) -> dict[State, StateScore]:
    """Score every state of every student.

    Args:
        scenario: The script: the truth.
        readings: By student, oldest first.
        from_s: What ends before is left out: baselines are being learned.

    Returns:
        One score a state; steady is what is scripted where nothing else is, so its stretches are the rest of the time.
    """
    states = [state for state in State if state is not State.PRESENT]
    scores: dict[State, StateScore] = {state: StateScore() for state in states}
    for student, all_ in readings.items():
        later = [reading for reading in all_ if reading.time_s >= from_s]
        truth = [scenario.state_at(student, reading.time_s) for reading in later]
        for state in states:
            scores[state] += _score_one(state, truth, later, _changes(scenario, student, from_s))
    return scores


def _changes(scenario: Scenario, student: int, from_s: float) -> list[float]:
    """Times at which a student's scripted state may change, in order, from where scoring begins."""
    own = [stretch for stretch in scenario.stretches if student in stretch.students]
    times = {time_s for stretch in own for time_s in (stretch.from_s, stretch.to_s)}
    return sorted({from_s, *(time_s for time_s in times if time_s > from_s)})


def _score_one(
    state: State, truth: Sequence[State], readings: Sequence[Reading], changes: Sequence[float]
) -> StateScore:
    times = [reading.time_s for reading in readings]
    said = [reading.state is state for reading in readings]
    meant = [true is state for true in truth]
    score = StateScore(
        readings_true=sum(meant),
        readings_found=sum(said),
        readings_both=sum(m and s for m, s in zip(meant, said, strict=True)),
    )
    stretches, runs = list(_runs(meant)), list(_runs(said))
    for first, last in stretches:
        hits = [place for place in range(first, last + 1) if said[place]]
        score.num_true += 1
        score.num_recalled += bool(hits)
        if hits:
            begin_s = max(change for change in changes if change <= times[first])
            end_s = next((change for change in changes if change > times[last]), times[last])
            score.delays_s.append(times[hits[0]] - begin_s)
            end = next(end for begin, end in runs if begin <= hits[-1] <= end)
            score.tails_s.append(times[end] - end_s)
    for first, last in runs:
        score.num_found += 1
        score.num_right += any(
            times[first] <= times[end] + LAG_S and times[last] >= times[begin]
            for begin, end in stretches
        )
    return score


def score_moments(scenario: Scenario, moments: Sequence[Moment]) -> dict[State, MomentScore]:
    """Score the marks against the script's events: those that are moments, and those that only look like it."""
    scores = {state: MomentScore() for state in (State.STRAINED, State.AWAY)}
    for state, score in scores.items():
        events = [one for one in scenario.stretches if one.is_moment and one.state is state]
        marks = [mark for mark in moments if mark.state is state]
        for event in events:
            hits = [mark for mark in marks if _belongs(mark, event.from_s, event.to_s)]
            score.num_true += 1
            score.num_recalled += bool(hits)
            if hits:
                score.delays_s.append(hits[0].marked_s - event.from_s)
        for mark in marks:
            score.num_found += 1
            score.num_right += any(_belongs(mark, event.from_s, event.to_s) for event in events)
    return scores


def _belongs(mark: Moment, from_s: float, to_s: float) -> bool:
    return from_s <= mark.start_s <= to_s + LAG_S


def _runs(holds: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """First and last place of every unbroken run of True."""
    begin = None
    for place, one in enumerate([*holds, False]):
        if one and begin is None:
            begin = place
        elif not one and begin is not None:
            yield begin, place - 1
            begin = None


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
