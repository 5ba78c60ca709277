"""YuNet's network on ONNX Runtime, for pictures of any size; `faces.yunet` makes faces of what it gives.

OpenCV's own runner gives the same rows and takes two to three times as long: 1.50 and 0.62 ms for 160 × 128 px, 1.04 and
0.41 ms for 128 × 96 px, on one core of an AMD EPYC without AVX-512. One session serves all threads.
"""

from __future__ import annotations

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from mien.errors import ModelFileError
from mien.types import Image

__all__ = ["YuNetNetwork"]

Floats = NDArray[np.float32]

_STRIDES_PX = (8, 16, 32)
_OUTPUTS = tuple(f"{what}_{step}" for step in _STRIDES_PX for what in ("cls", "obj", "bbox", "kps"))
_MOST_ROWS = 5000
"""So many candidates, the best, are compared with each other, as OpenCV does."""

_FIXED_SIZE = b"\n\x02\x08\x03\n\x03\x08\x80\x05\n\x03\x08\x80\x05"
_ANY_SIZE = b"\n\x02\x08\x03\n\x03\x12\x01h\n\x03\x12\x01w"
"""The input's shape in the file, three channels of 640 × 640 px, and the same with names for the two numbers. The network
takes any multiple of 32; only its declaration says otherwise, and OpenCV overlooks that. Both have as many bytes, so that no
length around them changes, and what is replaced was checked by its SHA-256."""


class YuNetNetwork:
    """The network; several threads may use one at the same time."""

    def __init__(self, file: bytes, score_threshold: float, max_overlap: float) -> None:
        """Open it.

        Args:
            file: The content of YuNet's file.
            score_threshold: Less certain faces are left out, 0 to 1.
            max_overlap: Of two boxes that share more, in intersection over union, the better stays.

        Raises:
            ModelFileError: If ONNX Runtime cannot open it.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = (
            4  # it would say each time that sizes are not the declared ones
        )
        options.enable_mem_pattern = False  # it would keep a plan for every size that was ever seen
        try:
            self._session = ort.InferenceSession(
                file.replace(_FIXED_SIZE, _ANY_SIZE), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors share no public base class
            reason = str(error).strip().splitlines()[0][:200]
            raise ModelFileError(
                f"YuNet's file cannot be opened by ONNX Runtime: {reason}"
            ) from None
        self._score_threshold = score_threshold
        self._max_overlap = max_overlap

    def search(self, bgr: Image) -> Floats:
        """Find faces at the picture's own size.

        Args:
            bgr: uint8 (H, W, 3), blue first.

        Returns:
            (N, 15): left, top, width, height, five landmarks as x and y, all in px; a score in [0, 1]. Best first.

        Source:
            modules/objdetect/src/face_detect.cpp of OpenCV 4
        """
        height, width = (-(-side // _STRIDES_PX[-1]) * _STRIDES_PX[-1] for side in bgr.shape[:2])
        inputs = np.zeros((1, 3, height, width), np.float32)
        inputs[0, :, : bgr.shape[0], : bgr.shape[1]] = bgr.transpose(2, 0, 1)
        outputs = dict(zip(_OUTPUTS, self._session.run(_OUTPUTS, {"input": inputs}), strict=True))
        rows = np.concatenate([self._rows(outputs, step, width) for step in _STRIDES_PX])
        if len(rows) < 2:
            return rows
        boxes = rows[:, :4].astype(np.int32).tolist()  # OpenCV compares whole pixels
        kept = cv2.dnn.NMSBoxes(
            boxes,
            rows[:, 14].tolist(),
            self._score_threshold,
            self._max_overlap,
            top_k=_MOST_ROWS,
        )
        return rows[np.asarray(kept, np.intp)]

    def _rows(self, outputs: dict[str, Floats], step: int, width: int) -> Floats:
        """Return the faces that cells of one size see: each cell says where, in cells, seen from its corner."""
        of_face = outputs[f"cls_{step}"][0, :, 0].clip(0, 1)
        of_place = outputs[f"obj_{step}"][0, :, 0].clip(0, 1)
        scores = np.sqrt(of_face * of_place)
        cells = np.flatnonzero(scores >= self._score_threshold)
        corners = np.stack([cells % (width // step), cells // (width // step)], 1)  # (N, 2)
        offsets = outputs[f"bbox_{step}"][0, cells]
        sizes = np.exp(offsets[:, 2:])
        marks = outputs[f"kps_{step}"][0, cells].reshape(-1, 5, 2) + corners[:, None]
        places = [offsets[:, :2] + corners - sizes / 2, sizes, marks.reshape(-1, 10)]
        rows = [np.concatenate(places, 1) * step, scores[cells, None]]
        return np.concatenate(rows, 1).astype(np.float32)
