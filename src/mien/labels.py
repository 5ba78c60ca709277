"""The expressions: their order in every data set and tool, their names, and conversions between them.

A swapped order is invisible in an accuracy figure, so this is the only place that knows one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError, UnknownNameError

__all__ = [
    "DEEPFACE",
    "FER2013",
    "FER2013_FOLDERS",
    "FERPLUS",
    "FERPLUS_VOTES",
    "FER_PACKAGE",
    "HSEMOTION",
    "LANGUAGES",
    "LabelSet",
    "canonical",
    "convert_probs",
    "display_name",
    "expression_indices",
]


@dataclass(frozen=True)
class LabelSet:
    """An ordered list of expression names, as one data set or tool spells and orders them."""

    name: str
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


FER2013 = LabelSet("fer2013", ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"))
"""Column ``emotion`` of the Kaggle challenge's CSV (Goodfellow et al. 2013, arXiv:1307.0414)."""

FER2013_FOLDERS = LabelSet("fer2013-folders", tuple(sorted(FER2013.labels)))
"""The folder layout, whose order is alphabetical where a loader enumerates the folder names."""

FERPLUS = LabelSet(
    "ferplus",
    ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"),
)
"""The eight expressions of FER+ (Barsoum et al. 2016, arXiv:1608.01041)."""

FERPLUS_VOTES = LabelSet("ferplus-votes", (*FERPLUS.labels, "unknown", "NF"))
"""The ten vote columns of ``fer2013new.csv``; NF says that the picture is not a face."""

DEEPFACE = LabelSet("deepface", ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"))
"""Keys of deepface's ``emotion`` dictionary, in the order of its model's outputs."""

FER_PACKAGE = LabelSet("fer", ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"))
"""Keys of the ``fer`` package's ``emotions`` dictionary, in the order of its model's outputs."""

HSEMOTION = LabelSet(
    "hsemotion",
    ("Anger", "Contempt", "Disgust", "Fear", "Happiness", "Neutral", "Sadness", "Surprise"),
)
"""The eight classes of HSEmotion / EmotiEffLib, in the order of their models' outputs."""

LANGUAGES = ("en", "ko")

_DISPLAY = {  # canonical name -> English, Korean
    "anger": ("angry", "분노"),
    "disgust": ("disgusted", "혐오"),
    "fear": ("afraid", "공포"),
    "happiness": ("happy", "행복"),
    "sadness": ("sad", "슬픔"),
    "surprise": ("surprised", "놀람"),
    "neutral": ("neutral", "무표정"),
    "contempt": ("contemptuous", "경멸"),
    "unknown": ("unknown", "알 수 없음"),
    "not_face": ("not a face", "얼굴 아님"),
    "unsure": ("unsure", "불확실"),
}

_SPELLINGS = {
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "scared": "fear",
    "happy": "happiness",
    "joy": "happiness",
    "sad": "sadness",
    "surprised": "surprise",
    "neutrality": "neutral",
    "nf": "not_face",
    **{korean: name for name, (_, korean) in _DISPLAY.items()},
}


def canonical(label: str) -> str | None:
    """Return the one name of an expression however a data set spells it; None if it is none of ours."""
    # macOS takes Korean apart in names of files.
    key = unicodedata.normalize("NFC", label.strip().lower())
    key = _SPELLINGS.get(key, key)
    return key if key in _DISPLAY else None


def display_name(label: str, lang: str = "en") -> str:
    """Return the name to show to people; a label that is none of ours is shown as it is.

    Raises:
        UnknownNameError: If ``lang`` is not one of `LANGUAGES`.
    """
    if lang not in LANGUAGES:
        raise UnknownNameError("language", lang, LANGUAGES, "mien predict --help")
    key = canonical(label)
    return label if key is None else _DISPLAY[key][LANGUAGES.index(lang)]


def expression_indices(source: Sequence[str], target: Sequence[str]) -> NDArray[np.intp]:
    """Return where each label of ``target`` stands in ``source``, whatever their spelling.

    Raises:
        InputError: If ``source`` lacks one of them.
    """
    places = {canonical(label) or label: index for index, label in enumerate(source)}
    missing = [label for label in target if (canonical(label) or label) not in places]
    if missing:
        raise InputError(
            f"These labels have no counterpart: {', '.join(missing)}. "
            f"The source has {', '.join(source)}; convert to a subset of it."
        )
    return np.array([places[canonical(label) or label] for label in target], dtype=np.intp)


def convert_probs(
    probs: NDArray[np.floating | np.integer], source: Sequence[str], target: Sequence[str]
) -> NDArray[np.floating]:
    """Reorder probabilities from one label order to another.

    What ``target`` does not have is left out and the rest is scaled to sum to 1 again.

    Args:
        probs: (..., len(source)) probabilities, or counts of votes.
        source: Labels of the last axis.
        target: Labels wanted, each with a counterpart in ``source``.

    Returns:
        (..., len(target)) probabilities.

    Raises:
        InputError: If the last axis is not as long as ``source``, or a target has no counterpart.
    """
    probs = np.asarray(probs, np.result_type(probs, np.float32))  # counts become numbers to divide
    if probs.shape[-1] != len(source):
        raise InputError(f"{probs.shape[-1]} probabilities were given for {len(source)} labels.")
    chosen = probs[..., expression_indices(source, target)]
    total = chosen.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(chosen, total, out=np.zeros_like(chosen), where=total > 0))
