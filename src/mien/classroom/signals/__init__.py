"""From measured frames to what may be said of a class: pure arithmetic, no clock, no files, no pictures.

How a server uses it. Every time is in seconds since the lesson's start, given by the caller::

    mapping = load_mapping()                       # its id is in all that comes out
    lesson = ClassSignals(mapping, expressions=decision.expressions_allowed,
                          aggregates=decision.aggregates_allowed)
    lesson.join("s1", time_s, camera=True)         # consent given; ids are random and for this lesson only
    lesson.observe("s1", observation)              # one a frame, in the order of their times
    lesson.answer("s1", time_s, Answer.LOST)       # one tap
    published = lesson.advance(time_s)             # once a second: readings, aggregates, moments, answers
    lesson.leave("s1", time_s)                     # stopped the camera, or left; the same id may join again
    lesson.withdraw("s1", time_s)                  # forgets all of the student that was not yet let out
    published = lesson.finish(time_s)              # the end, before students leave: what was held back
    lesson.as_dict(); ClassSignals.from_dict(...)  # plain JSON, to go on after a restart

A connection that breaks need not be a leave: without frames a student's windows are no data. Call `leave` when it is
certain that the student is gone, because whoever leaves takes k - 1 others out of the shares; see `cohort`.
`observe`, `answer`, `leave` of somebody who has not joined, and times that run backwards within one student, raise InputError.
"""

from mien.classroom.signals.lesson import ClassSignals
from mien.classroom.signals.mapping import SignalMapping, load_mapping
from mien.classroom.signals.observation import EXPRESSIONS, Observation, Reason
from mien.classroom.signals.reports import (
    Aggregate,
    Agreement,
    Answer,
    AnswerCounts,
    Moment,
    Publication,
    Withheld,
)
from mien.classroom.signals.states import PRESENCE_STATES, SIGNAL_STATES, Reading, State
from mien.classroom.signals.student import StudentSignals

__all__ = [
    "EXPRESSIONS",
    "PRESENCE_STATES",
    "SIGNAL_STATES",
    "Aggregate",
    "Agreement",
    "Answer",
    "AnswerCounts",
    "ClassSignals",
    "Moment",
    "Observation",
    "Publication",
    "Reading",
    "Reason",
    "SignalMapping",
    "State",
    "StudentSignals",
    "Withheld",
    "load_mapping",
]
