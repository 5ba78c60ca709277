"""A teacher's answers on the faces as they are, kept in the cache: it is asked once, and not again by a run that goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mien.data.dataset import Dataset
from mien.errors import InputError
from mien.evaluation.evaluate import predict_logits
from mien.evaluation.scored_model import ScoredModel
from mien.paths import cache_dir
from mien.replacing import whole_file

__all__ = ["answers_on"]

logger = logging.getLogger(__name__)

_BATCH = 256
_VERSION = "1"
"""Raised when the same teacher is asked in another way."""


def answers_on(
    model: ScoredModel, sha256: str, faces: Dataset, hear: Callable[[int, int], None]
) -> Tensor:
    """Return a teacher's logits on training faces, asking it only where nobody has asked it before.

    Args:
        model: The teacher.
        sha256: Of its file.
        faces: Those of a run.
        hear: Is told how many faces have been answered, and of how many; what it raises ends the asking.

    Returns:
        float32 (N, total), all heads side by side: the mean over each face and its mirror. On a GPU they are rounded as its
        convolutions round (TF32); who asks first decides for all.
    """
    key = {"version": _VERSION, "teacher": sha256, "faces": faces.content_hash}
    path = cache_dir() / "teachers" / f"{sha256[:16]}-{key['faces'][:16]}.safetensors"
    kept = _load(path, key, len(faces))
    if kept is not None:
        return kept
    answers = _ask(model, faces, hear)
    _store(path, key, answers)
    return answers


def _ask(model: ScoredModel, faces: Dataset, hear: Callable[[int, int], None]) -> Tensor:
    num_answered = 0
    hear(num_answered, len(faces))

    def count(num: int) -> None:
        nonlocal num_answered
        num_answered += num
        hear(num_answered, len(faces))

    answers = predict_logits(
        model.predict,
        faces.images,
        model.info.input,
        views="flip",
        batch_size=_BATCH,
        on_batch=count,
    )
    beside = np.concatenate([answers[head.name] for head in model.info.heads], axis=1)
    return torch.from_numpy(beside).float()


def _load(path: Path, key: dict[str, str], num_faces: int) -> Tensor | None:
    try:
        with safe_open(path, framework="pt") as file:
            if file.metadata() != key:
                return None
            answers: Tensor = file.get_tensor("logits")
    except (OSError, SafetensorError):  # not there, or damaged
        return None
    return answers if answers.shape[0] == num_faces else None


def _store(path: Path, key: dict[str, str], answers: Tensor) -> None:
    """Keep the answers, whole or not at all; a disk that does not take them costs time and no result."""
    try:
        with whole_file(path) as partial:
            partial.write_bytes(save({"logits": answers}, key))
    except InputError as error:
        logger.warning(
            "The teacher's answers could not be kept: %s It is asked again next time.", error
        )
