"""What detector and crop cost in accuracy: PublicTest's faces set into canvases, found, cut out and recognised again.

Faces stand at drawn places and sizes, half on a plain ground, half on one that continues their own blurred edges. Their
answers are compared with those for the data set's own crops. Run:
python benchmarks/faces_end_to_end.py DATA [--model MODEL] [--detector haar|yunet] [--faces N] [--json FILE]

A face that is not found is a miss and counts apart: accuracy and gap are those of the faces that were found. "Placed" is
the same canvas cut at the very place, so what is lost there is lost by resizing and not by the detector.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.data import open_dataset
from mien.data.dataset import Dataset
from mien.errors import MienError
from mien.evaluation import metrics
from mien.evaluation.compare import paired_bootstrap
from mien.evaluation.evaluate import Result
from mien.evaluation.intervals import Estimate, with_interval
from mien.evaluation.protocols import Protocol, protocols
from mien.evaluation.row import model_facts, result_row, write_rows
from mien.evaluation.scores import score
from mien.faces import Detector, crop_detection, open_detector
from mien.faces.overlap import overlap
from mien.modelfile import Model, load_model
from mien.preprocess import fit
from mien.types import Box, Detection, Image

WIDTH_PX, HEIGHT_PX = 640, 480
SMALLEST_PX, LARGEST_PX = 64, 320
"""Sides of the placed faces; their logarithm is drawn evenly, as doubling a distance halves a face."""

SAME_FACE = 0.5
"""A box that shares this part of the smaller of the two with a placed face has found it."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Seen:
    """What became of the faces, in their order."""

    side_px: NDArray[np.int64]
    """(N,) of the placed face."""
    is_found: NDArray[np.bool_]
    """(N,)"""
    extra: int
    """Boxes where no face stands."""
    given: dict[str, NDArray[np.float32]]
    """Logits of each head for the data set's own crops, (N, C)."""
    placed: dict[str, NDArray[np.float32]]
    """For the canvas cut where the face stands."""
    found: dict[str, NDArray[np.float32]]
    """For the crops of the detector; zeros for misses."""


def main() -> int:
    """Measure, print, and write rows."""
    asked = _arguments()
    if asked.data is None:
        print("faces_end_to_end: skipped; name the folder of FER2013 or set MIEN_FER2013")
        return 0
    cv2.setNumThreads(1)
    try:
        dataset = open_dataset(asked.data)
        model = load_model(asked.model)
        detector = open_detector(asked.detector, asked.detector_file)
        rows = dataset.rows("valid")
        chosen = np.random.default_rng(asked.seed).permutation(rows)[: asked.faces or len(rows)]
        chosen.sort()
        seen = look(dataset.images[chosen], model, detector, np.random.default_rng(asked.seed))
        _print_misses(seen, detector)
        results = []
        for protocol in protocols(model.info.heads, dataset, "valid"):
            result, facts = judge(protocol, chosen, seen, model, dataset, detector)
            _print(result, facts)
            row = result_row(result, model_facts(model.info, model.path), _command(asked))
            results.append({**row, "end_to_end": facts})
        if asked.json:
            write_rows(results, asked.json)
    except MienError as error:
        print(f"faces_end_to_end: {error}", file=sys.stderr)
        return 2
    return 0


def look(
    faces: NDArray[np.uint8], model: Model, detector: Detector, rng: np.random.Generator
) -> Seen:
    """Place each face on a canvas of its own, look for it, and recognise it three times.

    Args:
        faces: uint8 (N, H, W), as the data set frames them.
        model: What recognises.
        detector: What looks for them.
        rng: Draws places and sizes.
    """
    spec = model.info.input
    parts: list[list[dict[str, NDArray[np.float32]]]] = [[], [], []]
    sides, hits, extra = [], [], 0
    for start in range(0, len(faces), 32):
        crops: list[list[Image]] = [[], [], []]
        for index, face in enumerate(faces[start : start + 32], start):
            canvas, place = placed(face, rng, is_plain=index % 2 == 0)
            boxes = detector.detect(canvas)
            best = _same(boxes, place)
            extra += sum(overlap(one.box, place) < SAME_FACE for one in boxes)
            sides.append(place.w)
            hits.append(best is not None)
            crops[0].append(fit(face, spec))
            window = canvas[place.y : place.y + place.h, place.x : place.x + place.w]
            crops[1].append(fit(window, spec))
            crops[2].append(
                np.zeros_like(crops[0][-1])
                if best is None
                else fit(crop_detection(canvas, best, detector.frame), spec)
            )
        for kept, some in zip(parts, crops, strict=True):
            kept.append(model.logits(np.stack(some)))
    given, cut, found = (
        {head: np.concatenate([part[head] for part in kept]) for head in kept[0]} for kept in parts
    )
    return Seen(
        side_px=np.array(sides),
        is_found=np.array(hits),
        extra=extra,
        given=given,
        placed=cut,
        found=found,
    )


def placed(face: NDArray[np.uint8], rng: np.random.Generator, is_plain: bool) -> tuple[Image, Box]:
    """Return a grey canvas with one face, and where it stands."""
    side = round(float(np.exp(rng.uniform(np.log(SMALLEST_PX), np.log(LARGEST_PX)))))
    left, top = int(rng.integers(WIDTH_PX - side + 1)), int(rng.integers(HEIGHT_PX - side + 1))
    large = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
    if is_plain:
        canvas = np.full((HEIGHT_PX, WIDTH_PX), int(face.mean()), np.uint8)
    else:
        right, below = WIDTH_PX - side - left, HEIGHT_PX - side - top
        edges = cv2.copyMakeBorder(large, top, below, left, right, cv2.BORDER_REPLICATE)
        canvas = np.asarray(cv2.GaussianBlur(edges, (0, 0), side / 8), np.uint8)
    canvas[top : top + side, left : left + side] = large
    return canvas, Box(left, top, side, side)


def _same(boxes: list[Detection], place: Box) -> Detection | None:
    """Return the surest box on the face, unless it shows but a part of it; None for a miss."""
    hits = [
        one
        for one in boxes
        if overlap(one.box, place) >= SAME_FACE and 0.5 <= one.box.h / place.h <= 2
    ]
    return max(hits, key=lambda one: one.score, default=None)


def judge(
    protocol: Protocol,
    chosen: NDArray[np.intp],
    seen: Seen,
    model: Model,
    dataset: Dataset,
    detector: Detector,
) -> tuple[Result, dict[str, Any]]:
    """Score the faces that were found on one protocol, and say what was lost on the way.

    Args:
        protocol: What one head is scored against.
        chosen: Rows of the data set that were looked at, in the order of `seen`.
        seen: From `look`.
        model: What recognised.
        dataset: Where the faces are from.
        detector: What looked for them.

    Returns:
        The result, on the faces that were found; and a record for the row: misses, the accuracy on the given crops
        and its gap to the result's.
    """
    head = model.info.head(protocol.head)
    places = np.flatnonzero(np.isin(protocol.rows, chosen))
    spots = np.searchsorted(chosen, protocol.rows[places])
    is_found = seen.is_found[spots]
    places, spots = places[is_found], spots[is_found]
    targets = protocol.targets[places]
    answers = {
        name: logits[head.name][spots]
        for name, logits in (
            ("given", seen.given),
            ("placed", seen.placed),
            ("found", seen.found),
        )
    }
    classes = {name: logits.argmax(axis=1) for name, logits in answers.items()}
    gaps = {
        name: paired_bootstrap(
            targets, classes["given"], classes[name], metrics.accuracy, np.random.default_rng(0)
        )
        for name in ("placed", "found")
    }
    sample = "" if len(chosen) == len(dataset.rows("valid")) else "-sample"
    result = Result(
        protocol=f"{protocol.name}-end-to-end-{detector.name}{sample}",
        head=head,
        split="valid",
        views="none",
        data={"hash": dataset.content_hash, "layout": dataset.layout},
        rows=protocol.rows[places],
        targets=targets,
        logits=answers["found"],
        scores=score(
            answers["found"],
            targets,
            head.labels,
            temperature=head.temperature,
            shares=None if protocol.shares is None else protocol.shares[places],
        ),
        slices=(),
    )
    facts = {
        "detector": detector.name,
        "faces": len(is_found),
        "missed": int((~is_found).sum()),
        "extra_boxes": seen.extra,
        "given_accuracy": float((classes["given"] == targets).mean()),
        "placed_accuracy": float((classes["placed"] == targets).mean()),
        "gap": gaps["found"].as_dict(),
        "gap_of_resizing": gaps["placed"].as_dict(),
        "canvas_px": [WIDTH_PX, HEIGHT_PX],
        "face_px": [SMALLEST_PX, LARGEST_PX],
    }
    return result, facts


def _print_misses(seen: Seen, detector: Detector) -> None:
    share = 1 - seen.is_found.mean()
    print(
        f"{detector.name}: {len(seen.is_found)} faces on canvases of {WIDTH_PX} × {HEIGHT_PX} px; "
        f"missed {100 * share:.1f} %, boxes without a face {seen.extra}"
    )
    starts = np.geomspace(SMALLEST_PX, LARGEST_PX, 4).round().astype(int)[:-1]
    groups = np.digitize(seen.side_px, starts[1:])
    for group, (low, high) in enumerate(zip(starts, [*(starts[1:] - 1), LARGEST_PX], strict=True)):
        some = groups == group
        if some.any():
            missed = 100 * (1 - seen.is_found[some].mean())
            print(f"  faces of {low} to {high} px: missed {missed:.1f} % of {some.sum()}")


def _print(result: Result, facts: dict[str, Any]) -> None:
    print(f"{result.protocol}: {result.scores.n} faces found, {facts['missed']} missed")
    print(f"  accuracy {with_interval(result.scores.rates['accuracy'])} %")
    print(
        f"  on the given crops of the same faces {100 * facts['given_accuracy']:.1f} %, "
        f"placed and cut at the very place {100 * facts['placed_accuracy']:.1f} %"
    )
    gap = Estimate(**facts["gap"])
    print(f"  gap to the given crops {with_interval(gap)} points")


def _command(asked: argparse.Namespace) -> str:
    """Return how to measure again, without the folders of the machine that did."""
    model = asked.model if len(Path(asked.model).parts) == 1 else Path(asked.model).name
    some = f" --faces {asked.faces}" if asked.faces else ""
    return (
        f"python benchmarks/faces_end_to_end.py DATA --model {model} --detector {asked.detector}"
        f"{some} --seed {asked.seed}"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=os.environ.get("MIEN_FER2013"))
    parser.add_argument("--model", default="mien-s", help="a model's name or file")
    parser.add_argument("--detector", default="haar")
    parser.add_argument("--detector-file", type=Path)
    parser.add_argument("--faces", type=int, default=0, help="how many are drawn; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write result rows to this file")
    asked = parser.parse_args()
    asked.data = Path(asked.data) if asked.data else None
    return asked


if __name__ == "__main__":
    sys.exit(main())
