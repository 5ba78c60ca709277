"""From a jumpy z to a state that people can read: slow, with two thresholds, and never for less than its dwell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mien.classroom.signals.mapping import StateSettings
from mien.classroom.signals.states import State

__all__ = ["Steadier"]

_RAISED = {"strained": State.STRAINED, "positive": State.POSITIVE, "surprised": State.SURPRISED}


class Steadier:
    """Which of strained, positive, surprised and steady holds."""

    def __init__(self, settings: StateSettings) -> None:
        self._settings = settings
        self._z: dict[str, float] | None = None
        self._state = State.STEADY
        self._since_s = 0.0
        self._last_s = 0.0

    @property
    def z(self) -> dict[str, float] | None:
        """The smoothed z; None before the first window."""
        return None if self._z is None else dict(self._z)

    def step(self, time_s: float, z: Mapping[str, float]) -> State:
        """Take one window in.

        After a gap longer than the settings allow it begins anew: what was before says nothing about now.

        Args:
            time_s: End of the window; later than the one before.
            z: Of ``strained``, ``positive`` and ``surprised``, against the student's own baseline.

        Returns:
            The state that holds now.
        """
        settings = self._settings
        z = {name: max(-settings.max_z, min(settings.max_z, value)) for name, value in z.items()}
        if self._z is None or time_s - self._last_s > settings.forget_s:
            self._z, self._state, self._since_s = z, State.STEADY, time_s
        else:
            kept = 0.5 ** ((time_s - self._last_s) / settings.half_life_s)
            self._z = {name: z[name] + kept * (old - z[name]) for name, old in self._z.items()}
        self._last_s = time_s
        if time_s - self._since_s >= settings.dwell_s:
            self._move(self._z, time_s)
        return self._state

    def _move(self, z: Mapping[str, float], time_s: float) -> None:
        highest = max(_RAISED, key=lambda name: z[name])
        candidate = _RAISED[highest] if z[highest] >= self._settings.enter_z else State.STEADY
        may_leave = self._state is State.STEADY or z[self._state.value] <= self._settings.leave_z
        if may_leave and candidate is not self._state:
            self._state, self._since_s = candidate, time_s

    def as_dict(self) -> dict[str, Any]:
        """Return what it remembers, for JSON."""
        return {
            "z": self.z,
            "state": self._state.value,
            "since_s": self._since_s,
            "last_s": self._last_s,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `as_dict` returned."""
        self._z = None if saved["z"] is None else dict(saved["z"])
        self._state = State(saved["state"])
        self._since_s, self._last_s = saved["since_s"], saved["last_s"]
