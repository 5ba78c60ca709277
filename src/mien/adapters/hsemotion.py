"""`HSEmotionRecognizer` as hsemotion has it: ``from mien.adapters.hsemotion import HSEmotionRecognizer``.

Written against hsemotion 0.3 and hsemotion-onnx 0.3.1, https://github.com/av-savchenko/hsemotion (Apache-2.0), now
EmotiEffLib. Faces are RGB crops, unlike with deepface and fer.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.labels import HSEMOTION, convert_probs
from mien.recognition import Recognizer
from mien.types import Image

__all__ = ["HSEmotionRecognizer"]

logger = logging.getLogger(__name__)

_THEIR_MODELS = ("enet_b0_8_best_vgaf", "enet_b0_8_best_afew", "enet_b2_8")
_OTHER_ANSWERS = {
    "enet_b0_8_va_mtl": "valence and arousal",
    "enet_b2_7": "seven classes",
}
_OUR_MODEL = "mien-s"


class HSEmotionRecognizer:
    """Names the expression of faces that are cut out already."""

    def __init__(
        self,
        model_name: str = _OUR_MODEL,
        device: str = "cpu",
        *,
        recognizer: Recognizer | None = None,
    ) -> None:
        """Open a model of mien's.

        Args:
            model_name: Name or path of a model of mien's. hsemotion's names with eight classes are taken too and mean
                mien's own model, which is said in the log.
            device: ``"cpu"``; what else is asked for runs there too, which is said in the log.
            recognizer: A recogniser that is open already, in the place of both.

        Raises:
            InputError: If hsemotion's model of this name answers what mien has no counterpart for.
            UnknownNameError: If there is no such model.
        """
        if model_name in _OTHER_ANSWERS:
            raise InputError(
                f"hsemotion's model {model_name} gives {_OTHER_ANSWERS[model_name]}, which mien has no counterpart "
                f"for; its {_OUR_MODEL} gives eight classes. Leave the name out for that."
            )
        if model_name in _THEIR_MODELS:
            logger.warning("mien has no %s: its own %s answers instead.", model_name, _OUR_MODEL)
            model_name = _OUR_MODEL
        if device != "cpu":
            logger.warning("mien recognises on the CPU; device=%s is not heeded.", device)
        self._recognizer = recognizer or Recognizer(model_name, labels="ferplus", detector="none")
        self.idx_to_class = dict(enumerate(HSEMOTION.labels))

    def predict_emotions(
        self, face_img: Image, logits: bool = True
    ) -> tuple[str, NDArray[np.float32]]:
        """Name the expression of one face.

        Args:
            face_img: The face, uint8 (H, W, 3) in **RGB** order.
            logits: Whether the scores are logits (logarithms of the calibrated probabilities) or probabilities.

        Returns:
            The label and (8,) scores in hsemotion's order.

        Raises:
            InputError: If the array is no picture.
        """
        labels, scores = self.predict_multi_emotions([face_img], logits)
        return labels[0], scores[0]

    def predict_multi_emotions(
        self, face_img_list: Sequence[Image], logits: bool = True
    ) -> tuple[list[str], NDArray[np.float32]]:
        """Name the expressions of several faces in batches; see `predict_emotions`.

        Returns:
            N labels and (N, 8) scores.
        """
        faces = self._recognizer.predict_faces(face_img_list)
        ours = np.array([list(face.probabilities.values()) for face in faces])
        ours = ours.reshape(len(faces), len(self._recognizer.labels))
        probs = convert_probs(ours, self._recognizer.labels, HSEMOTION.labels)  # (N, 8)
        labels = [HSEMOTION.labels[place] for place in probs.argmax(axis=1)]
        # A probability can be too small for a float; its logarithm shall stay a number.
        smallest = np.finfo(np.float32).tiny
        scores = np.log(np.maximum(probs, smallest)) if logits else probs
        return labels, scores.astype(np.float32)
