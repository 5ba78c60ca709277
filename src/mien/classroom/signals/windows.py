"""Frames pooled over ten seconds: who was seen, how they looked on average, or why that cannot be said."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mien.classroom.signals.mapping import WindowSettings
from mien.classroom.signals.observation import Reason

__all__ = ["JudgedFrame", "Window", "pool"]


@dataclass(frozen=True, slots=True)
class JudgedFrame:
    """What is remembered of a frame until its last window has closed."""

    time_s: float
    reason: Reason | None
    """Why it does not count; None if it does."""
    probs: tuple[float, ...] | None
    yaw_deg: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One student's window."""

    end_s: float
    num_frames: int
    num_valid: int
    is_away: bool
    """Nearly all frames were without a face."""
    reason: Reason | None
    """Why nothing is known of the face; None if something is."""
    probs: tuple[float, ...] | None = None
    """(8,) means over the valid frames."""
    yaw_deg: float | None = None
    """Median over the valid frames that have one."""


def pool(frames: Sequence[JudgedFrame], end_s: float, settings: WindowSettings) -> Window:
    """Pool the frames of one window.

    Args:
        frames: Those in (end - length, end].
        end_s: Its end.
        settings: How many frames a statement needs.

    Returns:
        The window. With too few frames nothing is said, not even that somebody is away: silence is no absence.
    """
    valid = [frame for frame in frames if frame.reason is None]
    reasons = Counter(frame.reason for frame in frames if frame.reason is not None)
    is_away = len(frames) >= settings.min_frames and reasons[
        Reason.NO_FACE
    ] >= settings.away_share * len(frames)
    if is_away or len(valid) < settings.min_frames:
        return Window(
            end_s=end_s,
            num_frames=len(frames),
            num_valid=len(valid),
            is_away=is_away,
            reason=_reason(reasons, len(frames), settings),
        )
    probs = np.mean([frame.probs for frame in valid if frame.probs is not None], axis=0)  # (8,)
    yaws = [frame.yaw_deg for frame in valid if frame.yaw_deg is not None]
    return Window(
        end_s=end_s,
        num_frames=len(frames),
        num_valid=len(valid),
        is_away=False,
        reason=None,
        probs=tuple(probs.tolist()),
        yaw_deg=statistics.median(yaws) if len(yaws) >= settings.min_frames else None,
    )


def _reason(reasons: Counter[Reason], num_frames: int, settings: WindowSettings) -> Reason:
    if num_frames < settings.min_frames:
        return Reason.FEW_FRAMES
    # Most frequent first; between equals the order of `Reason`, so that nothing depends on chance.
    order = list(Reason)
    return min(reasons, key=lambda reason: (-reasons[reason], order.index(reason)))
