"""Milliseconds a face: our model on ONNX Runtime beside the same file in OpenCV's own network runner.

One thread each, in one run, taking turns, so that both see the same machine. Run:
python benchmarks/recognition_latency.py [MODEL] [--peer FILE.onnx] [--batches 1 8 32] [--repeats 30] [--json]

OpenCV cannot run every int8 file; `--peer` gives it the fp32 export of the same network. Without a model that ships,
name one. The detector's time for a drawn 640 × 480 photo with three faces is printed below.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

from mien.data.synthetic import draw_scene
from mien.errors import MienError, ModelFileError
from mien.faces import DETECTORS, open_detector
from mien.modelfile import Model, load_model
from mien.preprocess import fit, to_inputs

PHOTO_EXPRESSIONS = ("happiness", "neutral", "sadness")


def main() -> int:
    """Measure and print."""
    asked = _arguments()
    cv2.setNumThreads(1)
    try:
        model = load_model(asked.model, threads=1)
    except MienError as error:
        print(f"recognition_latency: {error}", file=sys.stderr)
        return 2
    peer_path = asked.peer or model.path
    peer, why_not = _open_peer(peer_path, model)
    rows = [
        row
        for batch in asked.batches
        for row in _classifier_rows(model, peer, batch, asked.repeats)
    ]
    report = {
        "machine": platform.processor() or platform.machine(),
        "onnxruntime": ort.__version__,
        "opencv": cv2.__version__,
        "model": str(model.path.name),
        "peer": f"cv2.dnn, {peer_path.name}" if peer else f"cv2.dnn left out: {why_not}",
        "threads": 1,
        "classifier": rows,
        "detectors": _detector_rows(asked.repeats),
    }
    if asked.json:
        print(json.dumps(report, indent=2))
        return 0
    print(
        f"{report['model']} on ONNX Runtime {ort.__version__}; {report['peer']}; one thread; ms a face, medians"
    )
    for row in rows:
        beside = f"   cv2.dnn {row['peer_ms']:.3f}" if row["peer_ms"] is not None else ""
        print(
            f"  batch {row['batch']:>3}: mien {row['mien_ms']:.3f}, with resizing {row['mien_with_fit_ms']:.3f}{beside}"
        )
    for found in report["detectors"]:
        print(
            f"  {found['name']}: {found['photo_ms']:.1f} ms a 640 × 480 photo, {found['faces']} faces found"
        )
    return 0


def median_ms(calls: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Return the median time of each call; they take turns, the first round is not counted."""
    times: list[list[float]] = [[] for _ in calls]
    for round_ in range(repeats + 1):
        for call, kept in zip(calls, times, strict=True):
            started = time.perf_counter()
            call()
            if round_:
                kept.append(1000 * (time.perf_counter() - started))
    return [statistics.median(kept) for kept in times]


def _classifier_rows(
    model: Model, peer: cv2.dnn.Net | None, batch: int, repeats: int
) -> list[dict[str, object]]:
    spec = model.info.input
    shape = (120, 120, 3)
    crops = np.random.default_rng(0).integers(0, 256, (batch, *shape), dtype=np.uint8)
    faces = np.stack([fit(crop, spec) for crop in crops])

    def with_fit() -> None:
        model.logits(np.stack([fit(crop, spec) for crop in crops]))

    def in_opencv() -> None:
        assert peer is not None
        peer.setInput(to_inputs(faces, spec))
        peer.forward(peer.getUnconnectedOutLayersNames())

    calls = [lambda: model.logits(faces), with_fit, *([in_opencv] if peer else [])]
    plain, fitted, *beside = (total / batch for total in median_ms(calls, repeats))
    return [
        {
            "batch": batch,
            "mien_ms": round(plain, 4),
            "mien_with_fit_ms": round(fitted, 4),
            "peer_ms": round(beside[0], 4) if beside else None,
        }
    ]


def _open_peer(path: Path, model: Model) -> tuple[cv2.dnn.Net | None, str]:
    """Return OpenCV's runner of a file once it gives answers, or None and why not."""
    spec = model.info.input
    inputs = np.zeros((2, spec.channels, spec.size, spec.size), np.float32)
    try:
        peer = cv2.dnn.readNetFromONNX(str(path))
        peer.setInput(inputs)
        peer.forward(peer.getUnconnectedOutLayersNames())
    except cv2.error as error:
        return None, " ".join(str(error).split())[:120]
    return peer, ""


def _detector_rows(repeats: int) -> list[dict[str, object]]:
    photo, _ = draw_scene(PHOTO_EXPRESSIONS, seed=0)
    rows: list[dict[str, object]] = []
    for spec in DETECTORS:
        if spec.name not in ("auto", "none"):
            try:
                detector = open_detector(spec.name)
            except ModelFileError:  # YuNet's file was not fetched
                continue
            (photo_ms,) = median_ms(
                [lambda detector=detector: detector.detect(photo)], max(3, repeats // 5)
            )
            found = len(detector.detect(photo))
            rows.append({"name": spec.name, "photo_ms": round(photo_ms, 2), "faces": found})
    return rows


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="mien-s", help="a model's name or file")
    parser.add_argument("--peer", type=Path, help="the file that OpenCV runs; without it, the same")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
