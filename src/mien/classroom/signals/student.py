"""One student's way from frames to readings. It knows nobody else, and no clock but the times that it is given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mien.classroom.signals.baseline import Baseline
from mien.classroom.signals.gate import why_invalid
from mien.classroom.signals.mapping import SignalMapping
from mien.classroom.signals.observation import EXPRESSIONS, Observation, Reason
from mien.classroom.signals.states import Reading, State
from mien.classroom.signals.steadying import Steadier
from mien.classroom.signals.windows import JudgedFrame, Window, pool
from mien.errors import InputError

__all__ = ["StudentSignals"]

_RAISED = ("strained", "positive", "surprised")


class StudentSignals:
    """Gate, windows, own baseline and states of one student."""

    def __init__(self, mapping: SignalMapping, *, expressions: bool, start_s: float = 0.0) -> None:
        """Begin with nothing known.

        Args:
            mapping: How probabilities become states.
            expressions: False in presence mode: then a face is there or not, and probabilities are refused.
            start_s: When the student joined, in seconds since the lesson's start.
        """
        self._mapping = mapping
        self._expressions = expressions
        self._frames: list[JudgedFrame] = []
        self._last_s = start_s
        # Windows end at the same times for everybody, so that a class can be counted at one time.
        self._next = math.floor(start_s / mapping.window.hop_s) + 1
        hop_s, baseline = mapping.window.hop_s, mapping.baseline
        learn, drift = math.ceil(baseline.learn_s / hop_s), baseline.drift_s / hop_s
        self._baselines = {name: Baseline(learn, drift, baseline.min_scale) for name in _RAISED}
        self._yaw = Baseline(learn, drift, baseline.min_yaw_scale_deg)
        self._steadier = Steadier(mapping.states)

    def add(self, observation: Observation) -> list[Reading]:
        """Take one frame in.

        Args:
            observation: Not before the one that came last; a window that has closed is not opened again for it.

        Returns:
            Readings of the windows that closed before it, oldest first; mostly none.

        Raises:
            InputError: If its time runs backwards, or it has probabilities in presence mode.
        """
        if observation.time_s < self._last_s:
            raise InputError(
                f"An observation of {observation.time_s:g} s came after one of {self._last_s:g} s; "
                "expected them in the order of their times."
            )
        if not self._expressions and (
            observation.probs is not None or observation.yaw_deg is not None
        ):
            raise InputError(
                "An observation holds probabilities or a yaw in presence mode; nothing but presence may be sent there."
            )
        readings = self._close_before(observation.time_s)
        self._last_s = observation.time_s
        self._frames.append(
            JudgedFrame(
                observation.time_s,
                why_invalid(observation, self._mapping.gate),
                observation.probs,
                observation.yaw_deg,
            )
        )
        return readings

    def advance(self, time_s: float) -> list[Reading]:
        """Close every window that ends at or before a time, with frames or without.

        Returns:
            Their readings, oldest first; none if they have been closed before.
        """
        readings = []
        while self._next * self._mapping.window.hop_s <= time_s:
            readings.append(self._close())
        return readings

    def pause(self, time_s: float) -> list[Reading]:
        """Look no more: close what has ended by now, and forget the frames of what has not.

        Returns:
            The readings of the windows that had ended.
        """
        readings = self.advance(time_s)
        self._frames = []
        return readings

    def go_on(self, time_s: float) -> None:
        """Look again: of the time since `pause` there are no windows, for nobody was looked at."""
        self._next = max(self._next, math.floor(time_s / self._mapping.window.hop_s) + 1)

    def _close_before(self, time_s: float) -> list[Reading]:
        """Close windows that a frame of this time comes too late for; one that ends right now still takes it."""
        readings = []
        while self._next * self._mapping.window.hop_s < time_s:
            readings.append(self._close())
        return readings

    def _close(self) -> Reading:
        settings = self._mapping.window
        end_s = self._next * settings.hop_s
        self._next += 1
        inside = [f for f in self._frames if end_s - settings.length_s < f.time_s <= end_s]
        next_start_s = end_s + settings.hop_s - settings.length_s
        self._frames = [frame for frame in self._frames if frame.time_s > next_start_s]
        window = pool(inside, end_s, settings)
        return self._read(window) if self._expressions else _presence(window, settings.min_frames)

    def _read(self, window: Window) -> Reading:
        if window.is_away:
            return _reading(window, State.AWAY)
        if window.probs is None:
            return _reading(window, State.NO_DATA, window.reason)
        is_turned = self._is_turned(window.yaw_deg)
        if is_turned:  # a network that learned from frontal faces is not asked about a profile
            return _reading(window, State.TURNED)
        probs = dict(zip(EXPRESSIONS, window.probs, strict=True))
        features = self._features(probs)
        state, reason = self._compare(window.end_s, features)
        return Reading(
            time_s=window.end_s,
            state=state,
            reason=reason,
            num_frames=window.num_frames,
            num_valid=window.num_valid,
            z=None if reason else self._steadier.z,
            features={**features, "neutral": probs["neutral"]},
            valence=_weighted(probs, self._mapping.valence),
            arousal=_weighted(probs, self._mapping.arousal),
        )

    def _features(self, probs: Mapping[str, float]) -> dict[str, float]:
        """Add up the expressions of each feature."""
        return {
            name: sum(probs[one] for one in getattr(self._mapping.features, name))
            for name in _RAISED
        }

    def _compare(self, time_s: float, features: Mapping[str, float]) -> tuple[State, Reason | None]:
        """Hold features against the student's own usual, then let the usual take them in."""
        is_ready = all(baseline.is_ready for baseline in self._baselines.values())
        z = {name: self._baselines[name].z(value) for name, value in features.items()}
        for name, value in features.items():
            self._baselines[name].add(value)
        if not is_ready:
            return State.NO_DATA, Reason.BASELINE
        return self._steadier.step(time_s, z), None

    def _is_turned(self, yaw_deg: float | None) -> bool:
        """Whether the head is turned from where it usually is; never said without landmarks."""
        if yaw_deg is None:
            return False
        was_ready, usual_deg = self._yaw.is_ready, self._yaw.centre
        self._yaw.add(yaw_deg)
        return was_ready and abs(yaw_deg - usual_deg) >= self._mapping.states.turned_deg

    def as_dict(self) -> dict[str, Any]:
        """Return what is remembered, for JSON: ten seconds of numbers, the baseline, the state."""
        return {
            "last_s": self._last_s,
            "next": self._next,
            "frames": [[f.time_s, f.reason, f.probs, f.yaw_deg] for f in self._frames],
            "baselines": {name: one.as_dict() for name, one in self._baselines.items()},
            "yaw": self._yaw.as_dict(),
            "steadier": self._steadier.as_dict(),
        }

    @classmethod
    def from_dict(
        cls, saved: Mapping[str, Any], mapping: SignalMapping, *, expressions: bool
    ) -> StudentSignals:
        """Go on from what `as_dict` returned, with the same mapping."""
        student = cls(mapping, expressions=expressions)
        student._last_s, student._next = saved["last_s"], saved["next"]
        student._frames = [
            JudgedFrame(
                time_s,
                None if reason is None else Reason(reason),
                None if probs is None else tuple(probs),
                yaw_deg,
            )
            for time_s, reason, probs, yaw_deg in saved["frames"]
        ]
        for name, baseline in student._baselines.items():
            baseline.restore(saved["baselines"][name])
        student._yaw.restore(saved["yaw"])
        student._steadier.restore(saved["steadier"])
        return student


def _presence(window: Window, min_frames: int) -> Reading:
    if window.num_frames < min_frames:
        return _reading(window, State.NO_DATA, Reason.FEW_FRAMES)
    return _reading(window, State.AWAY if window.is_away else State.PRESENT)


def _reading(window: Window, state: State, reason: Reason | None = None) -> Reading:
    return Reading(
        time_s=window.end_s,
        state=state,
        reason=reason,
        num_frames=window.num_frames,
        num_valid=window.num_valid,
    )


def _weighted(probs: Mapping[str, float], weights: Mapping[str, float]) -> float:
    return sum(probs[name] * weights[name] for name in EXPRESSIONS)
