"""From a picture to its faces and their expressions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien import images
from mien.errors import InputError, ModelFileError
from mien.faces import Detector, crop_face, open_detector
from mien.modelfile import Head, Model, load_model
from mien.preprocess import fit
from mien.types import Face, Image, check_image

__all__ = ["Recognizer"]

_PREFERRED_HEAD = "ferplus"
"""Ten people judged each face for FER+, one for FER2013: its labels are the better answer."""


class Recognizer:
    """A detector and a network that work together; several threads may use one at the same time."""

    def __init__(
        self,
        model: str | Path | Model = "mien-s",
        labels: str | None = None,
        detector: str | Detector = "auto",
        threads: int = 1,
    ) -> None:
        """Open the network and the detector.

        Args:
            model: Name of a model that ships with mien, path of a model file, or an open model.
            labels: ``"ferplus"`` (eight expressions) or ``"fer2013"`` (seven): which head of the model answers.
                None takes FER+ where the model has it, else its first.
            detector: ``"auto"``, ``"haar"``, ``"none"`` (every picture is a face), or a detector of your own.
            threads: How many threads the network may use for one call; 0 lets ONNX Runtime choose.

        Raises:
            UnknownNameError: If there is no such model, head or detector.
            ModelFileError: If the model file cannot be used.
        """
        self.model = model if isinstance(model, Model) else load_model(model, threads)
        self._head = _choose_head(self.model, labels)
        self.detector: Detector = open_detector(detector) if isinstance(detector, str) else detector

    @property
    def labels(self) -> tuple[str, ...]:
        """The expressions that it can answer, in the model's order."""
        return self._head.labels

    def predict(self, image: Image | str | Path) -> list[Face]:
        """Find the faces of a picture and recognise their expressions.

        Args:
            image: A path, or uint8 pixels: (H, W, 3) in RGB order or (H, W) grey. OpenCV reads BGR, which cannot
                be told from RGB: give it ``image[:, :, ::-1]``.

        Returns:
            The faces, largest first; an empty list if there are none.

        Raises:
            ImageError: If the file cannot be read.
            InputError: If the array is no picture.
        """
        if isinstance(image, (str, Path)):
            image = images.read(Path(image))
        image = check_image(image)
        found = self.detector.detect(image)
        crops = [crop_face(image, face.box, self.detector.frame) for face in found]
        answers = zip(found, self._probabilities(crops, len(crops) or 1), strict=True)
        return [self._face(probs, box=face.box, score=face.score) for face, probs in answers]

    def predict_faces(
        self, crops: Sequence[Image] | NDArray[np.uint8], batch_size: int = 32
    ) -> list[Face]:
        """Recognise the expressions of faces that are already cut out.

        Args:
            crops: Faces as uint8 arrays, (H, W, 3) RGB or (H, W) grey, each of its own size; framed like FER2013's
                (forehead to chin) they are recognised best.
            batch_size: How many go through the network at once.

        Returns:
            One answer a crop, in their order, without box and score.

        Raises:
            InputError: If a crop is no picture, or ``batch_size`` is not positive.
        """
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}; expected 1 or more.")
        if isinstance(crops, np.ndarray) and (
            crops.ndim == 2 or (crops.ndim == 3 and crops.shape[2] in (1, 3))
        ):
            raise InputError(
                f"predict_faces takes several crops; got one array {crops.shape}. Put it in a list: [crop]"
            )
        checked = [check_image(crop, f"Crop {index}") for index, crop in enumerate(crops)]
        return [self._face(probs) for probs in self._probabilities(checked, batch_size)]

    def _probabilities(
        self, crops: Sequence[Image], batch_size: int
    ) -> Iterator[NDArray[np.float64]]:
        for start in range(0, len(crops), batch_size):
            inputs = np.stack(
                [fit(crop, self.model.info.input) for crop in crops[start : start + batch_size]]
            )
            logits = self.model.logits(inputs)[self._head.name]  # (N, C)
            if not np.isfinite(logits).all():
                raise ModelFileError(
                    f"{self.model.path} gave answers that are no numbers. Export it again: mien export"
                )
            yield from _softmax(logits.astype(np.float64) / self._head.temperature)

    def _face(self, probs: NDArray[np.float64], **place: Any) -> Face:
        best = int(probs.argmax())
        return Face(
            expression=self._head.labels[best],
            confidence=float(probs[best]),
            probabilities=dict(zip(self._head.labels, probs.tolist(), strict=True)),
            **place,
        )


def _choose_head(model: Model, labels: str | None) -> Head:
    names = [head.name for head in model.info.heads]
    if labels is None:
        labels = _PREFERRED_HEAD if _PREFERRED_HEAD in names else names[0]
    return model.info.head(labels)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]
