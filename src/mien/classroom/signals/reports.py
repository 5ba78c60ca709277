"""What leaves a class: aggregates, moments, answers, agreement. Nothing here names or numbers a student."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mien.classroom.signals.states import Reading, State

__all__ = [
    "Aggregate",
    "Agreement",
    "Answer",
    "AnswerCounts",
    "Moment",
    "Publication",
    "Withheld",
]


class Withheld(StrEnum):
    """Why the teacher is shown no shares for a time."""

    FEW_MEMBERS = "few_members"
    """Fewer than k students can be counted together."""
    FEW_VALID = "few_valid"
    """Fewer than k of them gave data."""


class Answer(StrEnum):
    """What a student taps: how it is going, in their own words."""

    LOST = "lost"
    OK = "ok"
    TOO_FAST = "too_fast"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """How many students showed what in one window, or why that is not said."""

    time_s: float
    """End of the window; seconds since the lesson's start."""
    published_s: float
    """When it was let out."""
    mapping_id: str
    num_present: int
    """Consenting students with a camera whom the shares are of."""
    num_waiting: int
    """Others who are there with a camera but cannot be counted without giving somebody away."""
    num_valid: int | None
    """How many of them gave data; None where shares are withheld."""
    percent: Mapping[State, int] | None
    """Share of ``num_present`` in every state, no data among them, each rounded to the step; so they may miss 100.
    None where withheld."""
    withheld: Withheld | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return {
            "time_s": self.time_s,
            "published_s": self.published_s,
            "mapping_id": self.mapping_id,
            "num_present": self.num_present,
            "num_waiting": self.num_waiting,
            "num_valid": self.num_valid,
            "percent": None
            if self.percent is None
            else {state.value: share for state, share in self.percent.items()},
            "withheld": None if self.withheld is None else self.withheld.value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A time when strained or away rose well over the class's own last minutes. Made of published shares only."""

    state: State
    start_s: float
    """End of the first window that was high."""
    marked_s: float
    """When the teacher was told."""
    end_s: float | None
    """End of the last window that was high; None while it goes on."""
    before_percent: int
    """The class's usual share before."""
    peak_percent: int
    """The highest share during it."""
    mapping_id: str

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return {
            "state": self.state.value,
            "start_s": self.start_s,
            "marked_s": self.marked_s,
            "end_s": self.end_s,
            "before_percent": self.before_percent,
            "peak_percent": self.peak_percent,
            "mapping_id": self.mapping_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCounts:
    """How students answered in one period; each student counts once, with the last tap of that period."""

    start_s: float
    end_s: float
    published_s: float
    num_present: int
    """Students who were in the lesson in that period, with or without a camera."""
    counts: Mapping[Answer, int] | None
    """None where these are fewer than k."""
    mapping_id: str

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return {
            "start_s": self.start_s,
            "end_s": self.end_s,
            "published_s": self.published_s,
            "num_present": self.num_present,
            "counts": None
            if self.counts is None
            else {answer.value: count for answer, count in self.counts.items()},
            "mapping_id": self.mapping_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far the signals said what students said, the lesson so far.

    A tap of lost or too fast agrees with a strained signal at that time, a tap of ok with any other.
    """

    num_taps: int
    """Taps at a time when the student's signal was known."""
    percent_agreeing: int
    """Rounded to the step."""
    kappa: float | None
    """Cohen's, to one decimal; None where taps or signals were all the same."""
    mapping_id: str

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return {
            "num_taps": self.num_taps,
            "percent_agreeing": self.percent_agreeing,
            "kappa": self.kappa,
            "mapping_id": self.mapping_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """All that became known by one call of `ClassSignals.advance`."""

    readings: Mapping[str, tuple[Reading, ...]] = field(default_factory=dict)
    """Windows that closed, by student: for the store, and each student's own page only."""
    aggregates: tuple[Aggregate, ...] = ()
    moments: tuple[Moment, ...] = ()
    """New ones, and again when one ends or peaks higher; the same ``state`` and ``start_s`` mean the same moment."""
    answers: tuple[AnswerCounts, ...] = ()
    agreement: Agreement | None = None
    """The lesson's so far, when it has been renewed."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing became known, as mostly."""
        return not any((self.readings, self.aggregates, self.moments, self.answers, self.agreement))
