"""What can be said of a student: observable states and readings of one window. No feelings, no scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mien.classroom.signals.observation import Reason

__all__ = ["PRESENCE_STATES", "SIGNAL_STATES", "Reading", "State"]


class State(StrEnum):
    """What a window showed. An arrow in its name for people (strained↑) says: more than this student's own usual."""

    AWAY = "away"
    """No face in the picture."""
    TURNED = "turned"
    """A face, turned aside from where it usually looks."""
    STRAINED = "strained"
    POSITIVE = "positive"
    SURPRISED = "surprised"
    STEADY = "steady"
    """None of the others: as usual."""
    PRESENT = "present"
    """In presence mode: a face in the picture, and nothing else is asked."""
    NO_DATA = "no_data"


SIGNAL_STATES = (
    State.AWAY,
    State.TURNED,
    State.STRAINED,
    State.POSITIVE,
    State.SURPRISED,
    State.STEADY,
    State.NO_DATA,
)
"""What can be said where the law lets expressions be read."""

PRESENCE_STATES = (State.PRESENT, State.AWAY, State.NO_DATA)
"""What can be said in presence mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one window showed of one student. It is for the student's own page and for the aggregate, nobody else."""

    time_s: float
    """End of the window, a multiple of the hop; seconds since the lesson's start."""
    state: State
    reason: Reason | None = None
    """Why there is no data; None for every other state."""
    num_frames: int = 0
    """Frames that arrived in the window."""
    num_valid: int = 0
    """Of these, how many passed the quality gate."""
    z: Mapping[str, float] | None = None
    """Smoothed robust z of ``strained``, ``positive``, ``surprised`` against the student's own baseline."""
    features: Mapping[str, float] | None = None
    """Mean probability of ``strained``, ``positive``, ``surprised`` and ``neutral`` in the window."""
    valence: float | None = None
    """-1 to 1, for display only."""
    arousal: float | None = None
    """-1 to 1, for display only."""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return {
            "time_s": self.time_s,
            "state": self.state.value,
            "reason": None if self.reason is None else self.reason.value,
            "num_frames": self.num_frames,
            "num_valid": self.num_valid,
            "z": None if self.z is None else dict(self.z),
            "features": None if self.features is None else dict(self.features),
            "valence": self.valence,
            "arousal": self.arousal,
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Reading:
        """Read what `as_dict` returned."""
        reason = fields["reason"]
        return cls(
            **{
                **fields,
                "state": State(fields["state"]),
                "reason": None if reason is None else Reason(reason),
            }
        )
