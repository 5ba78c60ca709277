"""YuNet's network on ONNX Runtime, for pictures of any size; `faces.yunet` makes faces of what it gives.

OpenCV's own runner gives the same rows and takes two to three times as long: 1.50 and 0.62 ms for 160 × 128 px, 1.04 and
0.41 ms for 128 × 96 px, on one core of an AMD EPYC without AVX-512. One session serves all threads.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from mien.errors import ModelFileError
from mien.session import run_session
from mien.types import Image

__all__ = ["YuNetNetwork"]

Floats = NDArray[np.float32]

_STRIDES_PX = (8, 16, 32)
_OUTPUTS = tuple(f"{what}_{step}" for what in ("cls", "obj", "bbox", "kps") for step in _STRIDES_PX)
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
        if bgr.shape[:2] != (height, width):
            below, beside = height - bgr.shape[0], width - bgr.shape[1]
            bgr = np.asarray(
                cv2.copyMakeBorder(bgr, 0, below, 0, beside, cv2.BORDER_CONSTANT), np.uint8
            )
        outputs = run_session(self._session, _OUTPUTS, {"input": cv2.dnn.blobFromImage(bgr)})
        of_face, of_place, offsets, marks = (
            np.concatenate(outputs[start : start + len(_STRIDES_PX)], axis=1)[0]
            for start in range(0, len(_OUTPUTS), len(_STRIDES_PX))
        )
        scores = np.sqrt(of_face.clip(0, 1) * of_place.clip(0, 1))[:, 0]
        seen = np.flatnonzero(scores >= self._score_threshold)
        cells = _cells(width, height)[seen]
        return self._best(_rows(cells, offsets[seen], marks[seen], scores[seen]))

    def _best(self, rows: Floats) -> Floats:
        """Leave out what a better row shows already."""
        if len(rows) < 2:
            return rows
        boxes = rows[:, :4].astype(np.int32).tolist()  # OpenCV compares whole pixels
        scores = rows[:, 14].tolist()
        kept = cv2.dnn.NMSBoxes(
            boxes, scores, self._score_threshold, self._max_overlap, top_k=_MOST_ROWS
        )
        return rows[np.asarray(kept, np.intp)]


def _rows(cells: Floats, offsets: Floats, marks: Floats, scores: Floats) -> Floats:
    """Turn what cells see into pixels; each says where, in its own size, seen from its corner."""
    corners, steps = cells[:, None, :2], cells[:, 2:]
    sizes = np.exp(offsets[:, 2:])
    centres = offsets[:, :2] + cells[:, :2]
    places = [centres - sizes / 2, sizes, (marks.reshape(-1, 5, 2) + corners).reshape(-1, 10)]
    return np.concatenate([np.concatenate(places, 1) * steps, scores[:, None]], 1)


@functools.lru_cache(maxsize=16)
def _cells(width: int, height: int) -> Floats:
    """Return the cells of a picture, in the order of the network's outputs: (N, 3), column, row and side in px."""
    grids = []
    for step in _STRIDES_PX:
        rows, columns = np.mgrid[: height // step, : width // step]
        grids.append(np.stack([columns, rows, np.full_like(rows, step)], -1).reshape(-1, 3))
    return np.concatenate(grids).astype(np.float32)
