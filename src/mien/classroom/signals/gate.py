"""The quality gate: which frames say something. What fails is unknown, and stays so."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mien.classroom.signals.mapping import GateSettings
from mien.classroom.signals.observation import EXPRESSIONS, Observation, Reason

__all__ = ["relative_entropy", "why_invalid"]


def relative_entropy(probs: Sequence[float]) -> float:
    """Return the entropy of probabilities as a share of the highest possible: 0 is certain, 1 is even."""
    return -sum(p * math.log(p) for p in probs if p > 0) / math.log(len(EXPRESSIONS))


def why_invalid(observation: Observation, gate: GateSettings) -> Reason | None:
    """Return why a frame says nothing about an expression, or None if it does.

    Brightness is no reason on purpose: a mean grey does not tell dark skin from bad light.
    """
    if observation.faces == 0:
        return Reason.NO_FACE
    if observation.faces > 1:
        return Reason.SEVERAL_FACES
    if observation.probs is None:
        return Reason.UNMEASURED
    assert observation.face_px is not None, "checked by Observation"
    assert observation.sharpness is not None, "checked by Observation"
    if observation.face_px < gate.min_face_px:
        return Reason.SMALL
    if observation.sharpness < gate.min_sharpness:
        return Reason.BLURRED
    if relative_entropy(observation.probs) > gate.max_entropy:
        return Reason.UNCERTAIN
    return None
