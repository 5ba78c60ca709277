"""A class in one lesson: students come, are observed, answer, leave; once in a while something may be published."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mien.classroom.signals.aggregate import count_states
from mien.classroom.signals.answers import AgreementTally, AnswerBook
from mien.classroom.signals.cohort import Cohort
from mien.classroom.signals.mapping import SignalMapping
from mien.classroom.signals.moments import WATCHED, MomentFinder
from mien.classroom.signals.observation import Observation
from mien.classroom.signals.reports import Aggregate, Answer, AnswerCounts, Moment, Publication
from mien.classroom.signals.states import PRESENCE_STATES, SIGNAL_STATES, Reading, State
from mien.classroom.signals.student import StudentSignals
from mien.errors import ConfigError, InputError

__all__ = ["ClassSignals"]


@dataclass(slots=True)
class _Seat:
    """What is remembered of one student until they withdraw or the lesson ends."""

    joined_s: float
    left_s: float | None = None
    earlier: list[tuple[float, float]] = field(default_factory=list)
    """Stays that ended before this one: when they began and ended, as far as answers of that time are still to be counted."""
    signals: StudentSignals | None = None
    """None for a student without a camera."""
    fresh: list[Reading] = field(default_factory=list)
    """Closed since the last `ClassSignals.advance`."""
    recent: list[Reading] = field(default_factory=list)
    """Those that an aggregate or a tap may still need."""

    def come_back(self, time_s: float) -> None:
        """Begin a new stay, if the last one has ended."""
        if self.left_s is not None:
            self.earlier.append((self.joined_s, self.left_s))
            self.joined_s, self.left_s = time_s, None

    def was_there(self, start_s: float, end_s: float) -> bool:
        """Whether the student was in the lesson at some time between two."""
        stays = (*self.earlier, (self.joined_s, math.inf if self.left_s is None else self.left_s))
        return any(came_s < end_s and went_s > start_s for came_s, went_s in stays)


class ClassSignals:
    """Everything that is computed in one lesson. It has no clock: each call says what time it is.

    Several threads may not use one at the same time.
    """

    def __init__(self, mapping: SignalMapping, *, expressions: bool, aggregates: bool) -> None:
        """Begin a lesson.

        Args:
            mapping: How probabilities become states; its id is stamped on all that comes out.
            expressions: False in presence mode: probabilities are refused, students are there or away.
            aggregates: False in self-view mode: nothing but answers is counted over students.
        """
        self.mapping = mapping
        self._expressions = expressions
        self._aggregates = aggregates
        self._seats: dict[str, _Seat] = {}
        self._cohort = Cohort(mapping.aggregate.min_students)
        self._answers = AnswerBook(mapping)
        self._agreement = AgreementTally(mapping)
        watched = WATCHED if expressions else (State.AWAY,)
        self._moments = {state: MomentFinder(state, mapping) for state in watched}
        self._shown: frozenset[str] | None = None
        """Whom the last shares were of; None if there were none, or one of them has withdrawn."""
        self._now_s = 0.0
        self._next = 1
        """Number of the window, from 1, that is published next."""
        self._next_admission = 1

    @property
    def students(self) -> frozenset[str]:
        """Everybody of whom something is remembered: joined, and not withdrawn."""
        return frozenset(self._seats)

    @property
    def now_s(self) -> float:
        """Up to when it has been moved on."""
        return self._now_s

    def skip_windows(self, time_s: float) -> None:
        """Publish no window again that ended by then: its shares are known already."""
        self._next = max(self._next, math.floor(time_s / self.mapping.window.hop_s) + 1)

    def skip_answers(self, time_s: float) -> None:
        """Publish no answers again of a period that ended by then."""
        self._answers.skip(time_s)

    def skip(self, time_s: float) -> None:
        """Publish nothing of the time until now: nobody was there."""
        self.skip_windows(time_s)
        period_s = self.mapping.answers.period_s
        self.skip_answers(time_s // period_s * period_s)

    def close_shares(self) -> None:
        """Publish no more shares in this lesson: whom the earlier ones were of is forgotten, and less one student they tell."""
        self._cohort.close()

    def join(self, student: str, time_s: float, *, camera: bool) -> None:
        """Let a student in who has consented, or in again.

        Args:
            student: A random id of this lesson.
            time_s: Now.
            camera: Whether frames will come. A student without a camera answers like all others and is never counted
                among the faces. One who was there before goes on with the same baseline.
        """
        seat = self._seats.setdefault(student, _Seat(joined_s=time_s))
        seat.come_back(time_s)
        if camera:
            if seat.signals is None:
                seat.signals = StudentSignals(
                    self.mapping, expressions=self._expressions, start_s=time_s
                )
            elif student not in self._cohort.present:
                seat.signals.go_on(time_s)
            self._cohort.join(student)
        else:
            self._stop_looking(student, time_s)

    def leave(self, student: str, time_s: float) -> None:
        """Count a student as gone; their baseline is kept until they withdraw or the lesson ends."""
        self._seat(student).left_s = time_s
        self._stop_looking(student, time_s)

    def _stop_looking(self, student: str, time_s: float) -> None:
        seat = self._seat(student)
        if seat.signals is not None and student in self._cohort.present:
            seat.fresh += seat.signals.pause(time_s)
        self._cohort.leave(student)

    def withdraw(self, student: str, time_s: float) -> None:  # noqa: ARG002 - as its siblings
        """Forget a student at once: nothing of theirs is in anything that is published from now on.

        What was published stays: it is sums over k students and more. Withdrawing twice does no harm.
        """
        self._seats.pop(student, None)
        self._cohort.withdraw(student)
        if self._shown is not None and student in self._shown:
            self._shown = None
        self._answers.forget(student)
        self._agreement.forget(student)

    def observe(self, student: str, observation: Observation) -> None:
        """Take in one frame of a student.

        Raises:
            InputError: If the student is not there with a camera, the time runs backwards, or the mode forbids it.
        """
        seat = self._seat(student)
        if seat.signals is None or student not in self._cohort.present:
            raise InputError(
                f"An observation came of '{student}', who has no camera on; join first."
            )
        seat.fresh += seat.signals.add(observation)

    def answer(self, student: str, time_s: float, answer: Answer) -> None:
        """Take in a tap.

        Raises:
            InputError: If the student has not joined.
        """
        self._seat(student)
        self._answers.add(student, time_s, answer)
        if self._expressions and self._aggregates:
            self._agreement.add(student, time_s, answer)

    def advance(self, time_s: float) -> Publication:
        """Close windows and publish what is due. Call it about once a second.

        Args:
            time_s: Now. Pass a second or two less than the true time if frames take that long to be read: a window that
                has closed is not opened again. An earlier time than the last call's changes nothing.
        """
        self._now_s = max(self._now_s, time_s)
        return self._publish(self.mapping.aggregate.delay_s)

    def finish(self, time_s: float) -> Publication:
        """End the lesson: publish what was held back for the delay, the taps of its last minute too, and end the moments that go on."""
        self._now_s = max(self._now_s, time_s)
        published = self._publish(0.0, is_over=True)
        ended = tuple(moment for finder in self._moments.values() for moment in finder.finish())
        return Publication(
            readings=published.readings,
            aggregates=published.aggregates,
            moments=published.moments + ended,
            answers=published.answers,
            agreement=published.agreement,
        )

    def _publish(self, delay_s: float, *, is_over: bool = False) -> Publication:
        readings = self._close_windows()
        recent = {name: seat.recent for name, seat in self._seats.items()}
        # At the end no window will close that could lie nearer to a tap.
        self._agreement.match(math.inf if is_over else self._now_s, recent)
        answers = tuple(self._count_answers(delay_s, is_over))
        aggregates: list[Aggregate] = []
        moments: list[Moment] = []
        for aggregate, counted in self._count_windows(delay_s):
            aggregates.append(aggregate)
            is_of_others = counted != self._shown
            for finder in self._moments.values():
                moments += finder.step(aggregate, is_of_others=is_of_others)
            if aggregate.percent is not None:
                self._shown = counted
        self._drop_old()
        return Publication(
            readings=readings,
            aggregates=tuple(aggregates),
            moments=tuple(moments),
            answers=answers,
            agreement=self._agreement.renew(),
        )

    def _close_windows(self) -> dict[str, tuple[Reading, ...]]:
        closed = {}
        for name, seat in self._seats.items():
            if seat.signals is not None and name in self._cohort.present:
                seat.fresh += seat.signals.advance(self._now_s)
            if seat.fresh:
                closed[name] = tuple(seat.fresh)
                seat.recent += seat.fresh
                seat.fresh = []
        return closed

    def _count_windows(self, delay_s: float) -> Iterator[tuple[Aggregate, frozenset[str]]]:
        """Count what is due, each with whom it is of."""
        settings = self.mapping.aggregate
        known = SIGNAL_STATES if self._expressions else PRESENCE_STATES
        while (end_s := self._next * self.mapping.window.hop_s) + delay_s <= self._now_s:
            self._next += 1
            if not self._aggregates:
                continue
            self._cohort.settle()
            if self._now_s >= self._next_admission * settings.admit_every_s:
                self._cohort.admit()
                self._next_admission = int(self._now_s // settings.admit_every_s) + 1
            counted = self._cohort.counted
            aggregate = count_states(
                [self._state_at(name, end_s) for name in sorted(counted)],
                known,
                self.mapping,
                time_s=end_s,
                published_s=self._now_s,
                num_waiting=len(self._cohort.present) - len(counted),
            )
            if aggregate.percent is not None:
                self._cohort.mark_published()
            yield aggregate, counted

    def _state_at(self, student: str, end_s: float) -> State:
        """What a student's window showed; a window that there is not is no data."""
        for reading in self._seats[student].recent:
            if reading.time_s == end_s:
                return reading.state
        return State.NO_DATA

    def _count_answers(self, delay_s: float, is_over: bool) -> Iterator[AnswerCounts]:
        while (period := self._answers.due(self._now_s, delay_s, is_over=is_over)) is not None:
            start_s, end_s = period
            num_present = sum(seat.was_there(start_s, end_s) for seat in self._seats.values())
            yield self._answers.count(self._now_s, num_present)

    def _drop_old(self) -> None:
        """Keep the readings that an aggregate or a tap may still need, and the stays that answers may."""
        needed_s = max(self.mapping.aggregate.delay_s, 2 * self.mapping.answers.near_s)
        oldest_s = self._now_s - needed_s - self.mapping.window.hop_s
        for seat in self._seats.values():
            seat.recent = [reading for reading in seat.recent if reading.time_s >= oldest_s]
            seat.earlier = [stay for stay in seat.earlier if stay[1] > self._answers.next_start_s]

    def _seat(self, student: str) -> _Seat:
        try:
            return self._seats[student]
        except KeyError:
            raise InputError(f"The student '{student}' is not in the lesson; join first.") from None

    def as_dict(self) -> dict[str, Any]:
        """Return all that is remembered, for JSON; it holds numbers of single students, so keep it as their rows."""
        return {
            "mapping_id": self.mapping.id,
            "expressions": self._expressions,
            "aggregates": self._aggregates,
            "now_s": self._now_s,
            "next": self._next,
            "next_admission": self._next_admission,
            "shown": None if self._shown is None else sorted(self._shown),
            "seats": {name: _seat_as_dict(seat) for name, seat in self._seats.items()},
            "cohort": self._cohort.as_dict(),
            "answers": self._answers.as_dict(),
            "agreement": self._agreement.as_dict(),
            "moments": {state.value: one.as_dict() for state, one in self._moments.items()},
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], mapping: SignalMapping) -> ClassSignals:
        """Go on from what `as_dict` returned.

        Raises:
            ConfigError: If it was saved under another mapping: the numbers would not mean the same.
        """
        if saved["mapping_id"] != mapping.id:
            raise ConfigError(
                f"The lesson was saved with the mapping {saved['mapping_id']}, and {mapping.id} is loaded. "
                "Load the same, or end the lesson."
            )
        lesson = cls(mapping, expressions=saved["expressions"], aggregates=saved["aggregates"])
        lesson._now_s, lesson._next = saved["now_s"], saved["next"]
        lesson._next_admission = saved["next_admission"]
        shown = saved.get("shown")  # unknown to an older version
        lesson._shown = None if shown is None else frozenset(shown)
        for name, seat in saved["seats"].items():
            lesson._seats[name] = _seat_from_dict(seat, mapping, expressions=saved["expressions"])
        lesson._cohort.restore(saved["cohort"])
        lesson._answers.restore(saved["answers"])
        lesson._agreement.restore(saved["agreement"])
        for state, finder in lesson._moments.items():
            finder.restore(saved["moments"][state.value])
        return lesson


def _seat_as_dict(seat: _Seat) -> dict[str, Any]:
    return {
        "joined_s": seat.joined_s,
        "left_s": seat.left_s,
        "earlier": [list(stay) for stay in seat.earlier],
        "signals": None if seat.signals is None else seat.signals.as_dict(),
        "fresh": [reading.as_dict() for reading in seat.fresh],
        "recent": [reading.as_dict() for reading in seat.recent],
    }


def _seat_from_dict(
    saved: Mapping[str, Any], mapping: SignalMapping, *, expressions: bool
) -> _Seat:
    signals = saved["signals"]
    return _Seat(
        joined_s=saved["joined_s"],
        left_s=saved["left_s"],
        earlier=[tuple(stay) for stay in saved.get("earlier", [])],  # unknown to an older version
        signals=None
        if signals is None
        else StudentSignals.from_dict(signals, mapping, expressions=expressions),
        fresh=[Reading.from_dict(reading) for reading in saved["fresh"]],
        recent=[Reading.from_dict(reading) for reading in saved["recent"]],
    )
