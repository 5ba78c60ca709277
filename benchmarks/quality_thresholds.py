"""Where a face is too small, too blurred or too dark: accuracy on faces that are made so on purpose.

The thresholds in mien/recognition/quality.py were chosen from its table. Run:
python benchmarks/quality_thresholds.py DATA [MODEL] [--head ferplus] [--num 900]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.data import open_dataset
from mien.evaluation.evaluate import predict_logits
from mien.evaluation.protocols import protocols
from mien.modelfile import load_model
from mien.recognition.quality import measure_quality

FACE_PX = (40, 32, 28, 24, 20)
BLUR_PX = (0.5, 0.7, 0.85, 1.0, 1.5, 2.0)
LIGHT = (0.5, 0.4, 0.3, 0.15)
SENSOR_NOISE = 3.0
"""Standard deviation in grey levels: what makes darkness harm, for a network could undo a mere scale."""

Change = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def main() -> None:
    """Measure and print."""
    asked = _arguments()
    model = load_model(asked.model)
    dataset = open_dataset(asked.data)
    (protocol,) = (p for p in protocols(model.info.heads, dataset, "valid") if p.head == asked.head)
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(protocol.rows))[: asked.num]
    faces, targets = dataset.images[protocol.rows[chosen]], protocol.targets[chosen]
    print(f"{model.info.name}, head {asked.head}, {len(faces)} faces of {protocol.name}")
    print("change                accuracy  sharpness (median)  brightness (median)")
    for name, change in _changes(rng):
        changed = np.stack([change(face) for face in faces])
        logits = predict_logits(model.logits, changed, model.info.input, batch_size=32)[asked.head]
        accuracy = float((logits.argmax(axis=1) == targets).mean())
        seen = [measure_quality(face, face.shape[0]) for face in changed]
        sharpness = np.median([quality.sharpness for quality in seen])
        brightness = np.median([quality.brightness for quality in seen])
        print(f"{name:<22}{accuracy:8.3f}{sharpness:20.0f}{brightness:21.0f}", flush=True)


def _changes(rng: np.random.Generator) -> Iterator[tuple[str, Change]]:
    yield "none", lambda face: face
    for px in FACE_PX:
        yield f"{px} px", lambda face, px=px: _resized(_resized(face, px), len(face))
    for sigma in BLUR_PX:
        yield (
            f"Gaussian, {sigma:g} px",
            lambda face, sigma=sigma: cv2.GaussianBlur(face, (0, 0), sigma),
        )
    for light in LIGHT:
        yield (
            f"light × {light:g}, noise",
            lambda face, light=light: np.clip(
                face * light + rng.normal(0, SENSOR_NOISE, face.shape), 0, 255
            ).astype(np.uint8),
        )


def _resized(face: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    method = cv2.INTER_AREA if side < len(face) else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(face, (side, side), interpolation=method), np.uint8)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="FER2013, any layout")
    parser.add_argument("model", nargs="?", default="mien-s", help="a model's name or file")
    parser.add_argument("--head", default="ferplus", help="which answers are scored")
    parser.add_argument("--num", type=int, default=900, help="faces, drawn at random")
    return parser.parse_args()


if __name__ == "__main__":
    main()
