"""How well the live class finds scripted states and moments: precision, recall and delay over several lessons.

It validates the arithmetic between probabilities and states, not what faces mean. The tables of docs/classroom.md come
from it. Run: python benchmarks/classroom_states.py [--seeds 8] [--students 24]
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mien.classroom.signals import SignalMapping, State, load_mapping
from mien.classroom.simulator import (
    MomentScore,
    Scenario,
    StateScore,
    play,
    random_lesson,
    score_moments,
    score_states,
)

LEARNED_BY_S = 180.0
"""Readings before are left out: every student's own baseline takes two minutes of good windows."""

SETTINGS = {
    "clear": {"shift": 0.35, "noise": 0.5},
    "faint": {"shift": 0.15, "noise": 0.5},
    "noisy": {"shift": 0.35, "noise": 1.0, "noise_memory_s": 10.0, "dropped": 0.2, "missed": 0.1},
}
"""How much a state changes the probabilities, and what stands in its way."""


def main() -> None:
    """Play, score, print."""
    asked = _arguments()
    mapping = load_mapping(asked.mapping)
    hours = asked.seeds * asked.students * random_lesson(0).duration_s / 3600
    print(f"mapping {mapping.id}, {asked.seeds} lessons of {asked.students} students")
    for name, settings in SETTINGS.items():
        lessons = [
            dataclasses.replace(random_lesson(seed, asked.students), **settings)
            for seed in range(asked.seeds)
        ]
        states, moments = _score(lessons, mapping)
        described = ", ".join(f"{key} {value}" for key, value in settings.items())
        print(f"\n{name} ({described})\n")
        _print_states(states, hours)
        print()
        _print_moments(moments)


def _score(
    lessons: Sequence[Scenario], mapping: SignalMapping
) -> tuple[dict[State, StateScore], dict[State, MomentScore]]:
    states: dict[State, StateScore] = {}
    moments: dict[State, MomentScore] = {}
    for lesson in lessons:
        played = play(lesson, mapping)
        for state, score in score_states(lesson, played.readings, LEARNED_BY_S).items():
            states[state] = states.get(state, StateScore()) + score
        for state, mark in score_moments(lesson, played.moments).items():
            moments[state] = moments.get(state, MomentScore()) + mark
    return states, moments


def _print_states(scores: dict[State, StateScore], hours: float) -> None:
    print(
        "| state | stretches | found | right | false an hour | delay, s | tail, s | windows: recall | precision |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for state, score in scores.items():
        windows = f"{score.reading_recall:.2f} | {score.reading_precision:.2f}"
        if state is State.STEADY:  # the rest of the time; its stretches are nobody's question
            print(f"| {state.value} | – | – | – | – | – | – | {windows} |")
            continue
        false = (score.num_found - score.num_right) / hours
        print(
            f"| {state.value} | {score.num_true} | {score.recall:.2f} | {score.precision:.2f} | {false:.2f} "
            f"| {_middle(score.delays_s)} | {_middle(score.tails_s)} | {windows} |"
        )


def _print_moments(scores: dict[State, MomentScore]) -> None:
    print("| moment | events | found | right | delay, s |")
    print("|---|--:|--:|--:|--:|")
    for state, score in scores.items():
        print(
            f"| {state.value} | {score.num_true} | {score.recall:.2f} | {score.precision:.2f} "
            f"| {_middle(score.delays_s)} |"
        )


def _middle(values: Sequence[float]) -> str:
    """Median, and the tenth and ninth tenth."""
    if not values:
        return "–"
    low, high = np.percentile(values, [10, 90])
    return f"{statistics.median(values):.0f} ({low:.0f}–{high:.0f})"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=8, help="lessons of 50 minutes")
    parser.add_argument("--students", type=int, default=24, help="students in each")
    parser.add_argument("--mapping", type=Path, default=None, help="another mapping file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
