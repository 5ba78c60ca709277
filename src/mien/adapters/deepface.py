"""`analyze` as deepface has it: ``from mien.adapters import deepface as DeepFace``.

Written against deepface 0.0.93, https://github.com/serengil/deepface (MIT). Arrays are BGR, as ``cv2.imread`` gives them.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mien import images
from mien.errors import ImageError, InputError
from mien.faces import crop_detection
from mien.labels import DEEPFACE, convert_probs
from mien.recognition import Recognizer
from mien.types import Box, Detection, Face, Image, check_image

__all__ = ["UnreadableError", "analyze", "check_actions", "no_face", "record"]

_ACTIONS = ("emotion",)
_LONGEST = 100
"""So many characters of what else was asked for are told again; over the web it may be anything."""

_DETECTORS = {"auto": "auto", "opencv": "haar", "yunet": "yunet", "skip": "none"}
"""deepface's names of the detectors that mien has too; ``auto`` is mien's own."""

_NO_FACE = (
    "Face could not be detected in {where}. Please confirm that the picture shows a face, "
    "or set enforce_detection to False."
)

# Right eye and left eye, of the person, stand first in a detection's landmarks.
_RIGHT_EYE, _LEFT_EYE = 0, 1


class UnreadableError(ImageError, ValueError):
    """A picture cannot be read; deepface raises `ValueError`."""


def analyze(  # noqa: PLR0913 - deepface's own arguments, in its order
    img_path: str | Path | Image | Sequence[str | Path | Image],
    actions: Sequence[str] = _ACTIONS,
    enforce_detection: bool = True,
    detector_backend: str = "auto",
    align: bool = True,
    expand_percentage: int = 0,
    silent: bool = False,
    anti_spoofing: bool = False,
    *,
    recognizer: Recognizer | None = None,
) -> list[Any]:
    """Name the expression of every face of a picture.

    Args:
        img_path: A path, or pixels: uint8, (H, W, 3) in **BGR** order or (H, W) grey. Several in a list give a list of
            lists.
        actions: Only ``["emotion"]``: mien estimates neither age nor gender nor race.
        enforce_detection: Whether a picture without a face is an error; if not, all of it is taken for one, with a
            ``face_confidence`` of 0.
        detector_backend: ``"auto"``, ``"opencv"`` (Haar), ``"yunet"`` or ``"skip"`` (the picture is a face).
        align: Whether a face that leans is cut out level, where its eyes are known.
        expand_percentage: Only 0: crops have the margin of the faces that mien was trained on.
        silent: Ignored: nothing is printed.
        anti_spoofing: Only False: mien does not tell a photo of a photo.
        recognizer: A recogniser that is open already, in the place of mien's model and ``detector_backend``.

    Returns:
        For each face, largest first: ``emotion`` (label -> percentage, summing to 100, in deepface's order),
        ``dominant_emotion``, ``region`` (``x``, ``y``, ``w``, ``h`` in px, ``left_eye`` and ``right_eye`` of the person
        as (x, y) or None), ``face_confidence`` (0 to 1; Haar has no probability and says 1 for what it finds).

    Raises:
        InputError: If there is no face, or an argument is none of mien's; it is a `ValueError`, as deepface raises.
        UnreadableError: If a file cannot be read; it is a `ValueError` and an `ImageError`.
    """
    del silent
    check_actions(actions)
    if expand_percentage:
        raise InputError(
            f"expand_percentage is {expand_percentage}; expected 0. mien cuts faces out as it was trained on them."
        )
    if anti_spoofing:
        raise InputError("mien cannot tell a photo of a photo; leave anti_spoofing out.")
    recognizer = recognizer or _recognizer(detector_backend)
    if isinstance(img_path, (list, tuple)):
        return [_analyze_one(one, enforce_detection, align, recognizer) for one in img_path]
    return _analyze_one(img_path, enforce_detection, align, recognizer)


def check_actions(actions: Sequence[str]) -> None:
    """Refuse what mien does not estimate.

    Raises:
        InputError: If something else than ``emotion`` is asked for, or nothing.
    """
    wanted = [actions] if isinstance(actions, str) else list(actions)
    unknown = [action for action in wanted if action not in _ACTIONS]
    if unknown or not wanted:
        raise InputError(
            f"mien cannot analyze {', '.join(unknown)[:_LONGEST] or 'nothing'}; give actions=['emotion']. "
            "It estimates neither age nor gender nor race."
        )


@functools.lru_cache(maxsize=len(_DETECTORS))  # users call `analyze` in a loop
def _recognizer(detector_backend: str) -> Recognizer:
    if detector_backend not in _DETECTORS:
        raise InputError(
            f"mien has no detector_backend '{detector_backend}'; expected {', '.join(_DETECTORS)}."
        )
    return Recognizer(detector=_DETECTORS[detector_backend])


def _analyze_one(
    picture: Any, enforce_detection: bool, align: bool, recognizer: Recognizer
) -> list[dict[str, Any]]:
    is_file = isinstance(picture, (str, Path))
    image = _read(Path(picture)) if is_file else _rgb(check_image(picture))
    found = recognizer.detector.detect(image)
    shown = found if align else [dataclasses.replace(one, landmarks=None) for one in found]
    crops = [crop_detection(image, one, recognizer.detector.frame) for one in shown]
    if not found:
        if enforce_detection:
            raise no_face(picture if is_file else "numpy array")
        height, width = image.shape[:2]
        found, crops = [Detection(Box(0, 0, width, height), 0.0)], [image]
    # Not `predict`, because deepface gives the places of the eyes too, which a `Face` does not keep.
    faces = recognizer.predict_faces(crops)
    return [record(face, one) for face, one in zip(faces, found, strict=True)]


def _read(path: Path) -> Image:
    try:
        return images.read(path)
    except ImageError as error:
        raise UnreadableError(str(error)) from None


def _rgb(image: Image) -> Image:
    """Turn BGR into RGB; grey stays."""
    return np.ascontiguousarray(image[:, :, ::-1]) if image.ndim == 3 else image


def no_face(where: str | Path) -> InputError:
    """Return what deepface raises where no face is found."""
    return InputError(_NO_FACE.format(where=where))


def record(face: Face, found: Detection) -> dict[str, Any]:
    """Return a face as deepface tells of it; see `analyze`.

    Args:
        face: What was recognised.
        found: Where; its landmarks are the places of the eyes.
    """
    probs = convert_probs(
        np.array(list(face.probabilities.values())), list(face.probabilities), DEEPFACE.labels
    )
    box = found.box
    return {
        "emotion": dict(zip(DEEPFACE.labels, (100 * probs).tolist(), strict=True)),
        "dominant_emotion": DEEPFACE.labels[int(probs.argmax())],
        "region": {
            "x": box.x,
            "y": box.y,
            "w": box.w,
            "h": box.h,
            "left_eye": _eye(found, _LEFT_EYE),
            "right_eye": _eye(found, _RIGHT_EYE),
        },
        "face_confidence": round(min(1.0, max(0.0, found.score)), 2),
    }


def _eye(found: Detection, place: int) -> tuple[int, int] | None:
    if found.landmarks is None:
        return None
    x, y = found.landmarks[place]
    return round(float(x)), round(float(y))
