"""`FER` and `Video` as the ``fer`` package has them: ``from mien.adapters.fer import FER, Video``.

Written against fer 22.5, https://github.com/JustinShenk/fer (MIT). Arrays are BGR, as ``cv2.imread`` gives them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien import images
from mien.errors import InputError, MissingExtraError
from mien.labels import FER_PACKAGE, convert_probs
from mien.recognition import Recognizer
from mien.types import Box, Image, check_image

if TYPE_CHECKING:
    import pandas

__all__ = ["FER", "Video"]

_DECIMALS = 2
"""To which fer rounds its scores."""


class FER:
    """Finds faces and scores their expressions."""

    def __init__(self, mtcnn: bool = False, *, recognizer: Recognizer | None = None) -> None:
        """Open mien's model and a detector.

        Args:
            mtcnn: Whether the better detector is wanted. mien has no MTCNN: it takes YuNet where its file is, else
                Haar. False takes Haar, as fer does.
            recognizer: A recogniser that is open already, in the place of both.
        """
        self.recognizer = recognizer or Recognizer(detector="auto" if mtcnn else "haar")

    def detect_emotions(
        self,
        img: str | Path | Image,
        face_rectangles: Sequence[Sequence[int]] | None = None,
    ) -> list[dict[str, Any]]:
        """Score the expression of every face.

        Args:
            img: A path, or pixels: uint8, (H, W, 3) in **BGR** order or (H, W) grey.
            face_rectangles: Boxes x, y, w, h in px, from forehead to chin; None looks for faces.

        Returns:
            For each face ``box`` (``[x, y, w, h]``) and ``emotions`` (label -> score in [0, 1], in fer's order,
            rounded as fer rounds); an empty list if there is none. Found faces come largest first.

        Raises:
            ImageError: If a file cannot be read.
            InputError: If the array is no picture, or a rectangle is no box or lies outside it.
        """
        is_file = isinstance(img, (str, Path))
        image = images.read(Path(img)) if is_file else _rgb(check_image(img))  # type: ignore[arg-type]
        faces = self.recognizer.predict(image, face_rectangles)
        return [_record(face.box, face.probabilities) for face in faces]

    def top_emotion(self, img: str | Path | Image) -> tuple[str | None, float | None]:
        """Return the label and the score of the first face; (None, None) if there is none."""
        faces = self.detect_emotions(img)
        if not faces:
            return None, None
        emotions = faces[0]["emotions"]
        label = max(emotions, key=emotions.__getitem__)
        return label, emotions[label]


class Video:
    """A recording whose frames are scored one after the other."""

    def __init__(self, video_file: str | Path, first_face_only: bool = True) -> None:
        """Name the recording; it is opened when it is analysed.

        Args:
            video_file: Path of the recording.
            first_face_only: Whether `to_pandas` keeps the largest face of each frame only, without a number.
        """
        self._path = Path(video_file)
        self._first_face_only = first_face_only

    def analyze(
        self, detector: FER, display: bool = False, frequency: int = 1
    ) -> list[dict[str, Any]]:
        """Score every face of every frame.

        Unlike fer, it writes no files, and a frame without faces has its place, so that row n is frame n.

        Args:
            detector: Finds and scores the faces.
            display: Only False: OpenCV's headless build has no windows.
            frequency: Keep every so many-th frame only.

        Returns:
            One dictionary a frame: for its faces, numbered from 0 and the largest first, ``box0`` and
            ``angry0`` … ``neutral0``; empty if there is none. `to_pandas` takes it.

        Raises:
            InputError: If it shall be displayed, or ``frequency`` is not positive.
            VideoError: If the recording cannot be read.
        """
        if display:
            raise InputError(
                "Video.analyze shows no window here; leave display out, or run: mien watch --display"
            )
        if frequency < 1:
            raise InputError(f"frequency is {frequency}; expected 1 or more.")
        rows = detector.recognizer.watch(self._path)
        frames = itertools.groupby(rows, key=lambda row: row.frame)
        return [
            _numbered(
                _record(row.box, row.probabilities)
                for row in faces
                if row.probabilities is not None
            )
            for number, faces in frames
            if number % frequency == 0
        ]

    def to_pandas(self, data: Sequence[Mapping[str, Any]]) -> pandas.DataFrame:
        """Turn what `analyze` gave into a table, one row a frame; empty cells where a frame has no face.

        Raises:
            MissingExtraError: If pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise MissingExtraError("pandas", "Video.to_pandas") from None
        if self._first_face_only:
            first = ["box0", *(f"{label}0" for label in FER_PACKAGE.labels)]
            data = [{key[:-1]: row[key] for key in first if key in row} for row in data]
        return pandas.DataFrame(data)


def _numbered(faces: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    numbered = {}
    for number, face in enumerate(faces):
        numbered[f"box{number}"] = face["box"]
        numbered |= {f"{label}{number}": score for label, score in face["emotions"].items()}
    return numbered


def _rgb(image: Image) -> Image:
    """Turn BGR into RGB; grey stays."""
    return np.ascontiguousarray(image[:, :, ::-1]) if image.ndim == 3 else image


def _record(box: Box | None, probabilities: Mapping[str, float]) -> dict[str, Any]:
    assert box is not None
    ours = np.array(list(probabilities.values()))
    probs = convert_probs(ours, list(probabilities), FER_PACKAGE.labels)
    scores = (round(score, _DECIMALS) for score in probs.tolist())
    return {
        "box": box.as_list(),
        "emotions": dict(zip(FER_PACKAGE.labels, scores, strict=True)),
    }
