"""What a scripted student's camera would give: observations that follow the script, with noise, gaps and misses.

Every student has an own usual face and an own place before the camera, so that nothing works that compares students.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.classroom.signals import EXPRESSIONS, Observation, State
from mien.classroom.simulator.scenario import Scenario

__all__ = ["SimulatedFrame", "simulated_frames"]

_STRAINED = [
    EXPRESSIONS.index(name) for name in ("anger", "disgust", "fear", "sadness", "contempt")
]
_TURN_DEG = (40.0, 70.0)
_YAW_NOISE_DEG = 6.0
"""Landmarks jitter; mien.faces.pose states errors of this size and more."""


@dataclass(frozen=True, slots=True)
class SimulatedFrame:
    """One frame of one student."""

    time_s: float
    state: State
    """What the script says."""
    observation: Observation | None
    """None if the frame got lost on its way."""


@dataclass(frozen=True, slots=True)
class _Habits:
    """How one student is."""

    usual: NDArray[np.float64]
    """(8,) their mean probabilities when nothing is the matter."""
    strain: NDArray[np.float64]
    """(8,) what strain looks like in their face."""
    yaw_deg: float
    face_px: int
    brightness: float
    sharpness: float


def simulated_frames(scenario: Scenario, student: int) -> Iterator[SimulatedFrame]:
    """Give one student's frames over the lesson, one a 1/fps seconds; a function of the scenario and the number.

    Args:
        scenario: The script.
        student: Number from 0.
    """
    generator = np.random.default_rng([scenario.seed, 2, student])
    habits = _draw_habits(generator)
    step_s = 1 / scenario.fps
    offset_s = float(generator.uniform(0, step_s))  # cameras are not in step
    noise = generator.normal(0, scenario.noise, len(EXPRESSIONS))
    kept = math.exp(-step_s / scenario.noise_memory_s)
    side = 1.0
    for number in range(int(scenario.duration_s * scenario.fps)):
        time_s = offset_s + number * step_s
        fresh = generator.normal(0, scenario.noise, len(EXPRESSIONS))
        noise = kept * noise + math.sqrt(1 - kept**2) * fresh
        lot = generator.uniform(size=2)
        yaw_deg = habits.yaw_deg + float(generator.normal(0, _YAW_NOISE_DEG))
        state = scenario.state_at(student, time_s)
        if state is State.TURNED:
            yaw_deg += side * float(generator.uniform(*_TURN_DEG))
        else:
            side = 1.0 if generator.uniform() < 0.5 else -1.0  # the next turn goes either way
        observation = None
        if lot[0] >= scenario.dropped:
            is_seen = state is not State.AWAY and lot[1] >= scenario.missed
            probs = _probs(habits, state, scenario.shift, noise)
            observation = _observe(time_s, habits, state, probs, yaw_deg) if is_seen else None
            observation = observation or Observation(time_s=time_s, faces=0)
        yield SimulatedFrame(time_s, state, observation)


def _draw_habits(generator: np.random.Generator) -> _Habits:
    """A mostly neutral face with a lean of its own: some look sad or cross to a network at rest."""
    neutral = generator.uniform(0.45, 0.85)
    rest = generator.dirichlet(np.full(len(EXPRESSIONS) - 1, 0.6)) * (1 - neutral)
    usual = np.concatenate([[neutral], rest])
    usual = np.maximum(usual, 0.005)
    strain = np.zeros(len(EXPRESSIONS))
    strain[_STRAINED] = generator.dirichlet(np.full(len(_STRAINED), 1.0))
    return _Habits(
        usual=usual / usual.sum(),
        strain=strain,
        yaw_deg=float(generator.normal(0, 12)),
        face_px=int(generator.integers(50, 150)),
        brightness=float(generator.uniform(40, 180)),
        sharpness=float(generator.uniform(400, 2000)),
    )


def _probs(
    habits: _Habits, state: State, shift: float, noise: NDArray[np.float64]
) -> tuple[float, ...]:
    mean = habits.usual
    if state is State.STRAINED:
        mean = (1 - shift) * mean + shift * habits.strain
    elif state in (State.POSITIVE, State.SURPRISED):
        own = np.zeros(len(EXPRESSIONS))
        own[EXPRESSIONS.index("happiness" if state is State.POSITIVE else "surprise")] = 1
        mean = (1 - shift) * mean + shift * own
    powers = np.maximum(mean, 1e-6) * np.exp(noise)  # (8,)
    probs: NDArray[np.float64] = powers / powers.sum()
    return tuple(probs.tolist())


def _observe(
    time_s: float, habits: _Habits, state: State, probs: tuple[float, ...], yaw_deg: float
) -> Observation:
    is_blurred = state is State.NO_DATA  # a lens that is covered or out of focus
    return Observation(
        time_s=time_s,
        faces=1,
        score=0.9,
        face_px=habits.face_px,
        brightness=habits.brightness,
        sharpness=habits.sharpness / (50 if is_blurred else 1),
        probs=probs,
        yaw_deg=max(-90.0, min(90.0, yaw_deg)),
    )
