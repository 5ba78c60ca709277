"""How FER2013's own faces lie around a detector's boxes: the figures behind each detector's `CropFrame`.

Each face is enlarged and set in a wide surround, the detector looks for it again, and the face's own square is
compared with the box. Run: python benchmarks/crop_margin.py DATA [--detector haar|yunet] [--faces 600] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.data import open_dataset
from mien.errors import MienError
from mien.faces import Detector, open_detector

SIDE_PX = 192
"""Four times FER2013's 48 px: the size of a face in an ordinary photo."""

SURROUND_PX = 96


def main() -> int:
    """Print the median and the quartiles."""
    arguments = _arguments()
    if arguments.data is None:
        print("crop_margin: skipped; name the folder of FER2013 or set MIEN_FER2013")
        return 0
    try:
        dataset = open_dataset(arguments.data)
        faces = dataset.images[dataset.rows("train")]
        detector = open_detector(arguments.detector)
    except MienError as error:
        print(f"crop_margin: {error}", file=sys.stderr)
        return 2
    chosen = np.random.default_rng(0).choice(
        len(faces), min(arguments.faces, len(faces)), replace=False
    )
    report = measure(faces[np.sort(chosen)], detector)
    if arguments.json:
        print(json.dumps(report, indent=2))
        return 0
    print(f"{report['found']} of {report['faces']} faces found again by {arguments.detector}")
    for name in ("side", "right", "down"):
        low, middle, high = report[name]
        print(
            f"{name:>6}: median {middle:.3f} (quartiles {low:.3f} to {high:.3f}) in longer sides of the box"
        )
    return 0


def measure(faces: NDArray[np.uint8], detector: Detector) -> dict[str, object]:
    """Return how many were found, and the quartiles of each figure of a `CropFrame`.

    Args:
        faces: uint8 (N, H, W), as the data set frames them.
        detector: What looks for them.
    """
    middle = SURROUND_PX + SIDE_PX / 2
    figures = []
    for face in faces:
        found = detector.detect(_surrounded(face))
        boxes = [d.box for d in found if d.box.w > 0.4 * SIDE_PX]
        if len(boxes) == 1:
            x, y, w, h = boxes[0].as_list()
            longer = max(w, h)
            right, down = middle - x - w / 2, middle - y - h / 2
            figures.append((SIDE_PX / longer, right / longer, down / longer))
    quartiles = np.percentile(np.array(figures), [25, 50, 75], axis=0).T.round(4)  # (3 figures, 3)
    return {
        "faces": len(faces),
        "found": len(figures),
        **dict(zip(("side", "right", "down"), quartiles.tolist(), strict=True)),
    }


def _surrounded(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Enlarge a face and set it in its own mean grey; edges, mirrors and grey gave the same to 0.02."""
    large = cv2.resize(face, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
    grey = int(face.mean())
    width = SURROUND_PX
    return np.asarray(
        cv2.copyMakeBorder(large, width, width, width, width, cv2.BORDER_CONSTANT, value=[grey]),
        np.uint8,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=os.environ.get("MIEN_FER2013"))
    parser.add_argument("--detector", default="haar")
    parser.add_argument(
        "--faces", type=int, default=600, help="how many are drawn from the training split"
    )
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
