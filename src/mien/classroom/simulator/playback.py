"""A script run through the signals at once, as fast as the processor goes."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from mien.classroom.signals import (
    Aggregate,
    Agreement,
    AnswerCounts,
    ClassSignals,
    Moment,
    Observation,
    Publication,
    Reading,
    SignalMapping,
)
from mien.classroom.simulator.scenario import Scenario
from mien.classroom.simulator.students import simulated_frames

__all__ = ["Played", "play"]


@dataclass(frozen=True, slots=True)
class Played:
    """All that came out of a lesson."""

    readings: dict[int, list[Reading]]
    """By student, oldest first."""
    aggregates: list[Aggregate]
    moments: list[Moment]
    """Each once, as it was at its end."""
    answers: list[AnswerCounts]
    agreement: Agreement | None


def play(scenario: Scenario, mapping: SignalMapping, *, expressions: bool = True) -> Played:
    """Let a scripted class sit through its lesson.

    Args:
        scenario: The script.
        mapping: How probabilities become states.
        expressions: False for presence mode: then students send that they are there, and nothing else.
    """
    lesson = ClassSignals(mapping, expressions=expressions, aggregates=True)
    names = [f"{number:03d}" for number in range(scenario.num_students)]
    for name in names:
        lesson.join(name, 0.0, camera=True)
    taps = sorted(
        (answer.at_s, names[number], answer.answer)
        for answer in scenario.answers
        for number in answer.students
    )
    streams = [_stream(scenario, number) for number in range(scenario.num_students)]
    published: list[Publication] = []
    now_s = 0.0
    for time_s, number, observation in heapq.merge(*streams, key=lambda item: item[:2]):
        while now_s + 1 <= time_s:
            now_s += 1
            while taps and taps[0][0] <= now_s:
                at_s, name, said = taps.pop(0)
                lesson.answer(name, at_s, said)
            published.append(lesson.advance(now_s))
        if observation is not None:
            lesson.observe(
                names[number], observation if expressions else _presence_only(observation)
            )
    published.append(lesson.finish(scenario.duration_s))
    return _collect(published, names)


def _stream(scenario: Scenario, number: int) -> Iterator[tuple[float, int, Observation | None]]:
    for frame in simulated_frames(scenario, number):
        yield frame.time_s, number, frame.observation


def _presence_only(observation: Observation) -> Observation:
    return Observation(time_s=observation.time_s, faces=observation.faces)


def _collect(published: list[Publication], names: list[str]) -> Played:
    moments = {(one.state, one.start_s): one for part in published for one in part.moments}
    agreements = [part.agreement for part in published if part.agreement is not None]
    return Played(
        readings={
            number: [one for part in published for one in part.readings.get(name, ())]
            for number, name in enumerate(names)
        },
        aggregates=[one for part in published for one in part.aggregates],
        moments=sorted(moments.values(), key=lambda one: one.start_s),
        answers=[one for part in published for one in part.answers],
        agreement=agreements[-1] if agreements else None,
    )
