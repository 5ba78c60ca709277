"""How fast recognising is on this machine: the detector, the network, and both together on files and a recording.

`mien bench` prints it, with pictures that it draws. Comparisons with other programs are in benchmarks/.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mien.errors import InputError
from mien.faces import Detector
from mien.modelfile import Model
from mien.recognition.recognizer import Recognizer
from mien.types import Image

__all__ = [
    "ClassifierSpeed",
    "DetectorSpeed",
    "FolderSpeed",
    "VideoSpeed",
    "median_ms",
    "time_classifier",
    "time_detector",
    "time_folder",
    "time_video",
]


@dataclass(frozen=True, kw_only=True)
class DetectorSpeed:
    """Finding faces in pictures of one size."""

    detector: str
    ms_a_picture: float
    """Median."""
    faces: int
    """Found in all pictures together, so that a fast detector that finds nothing is seen through."""


@dataclass(frozen=True, kw_only=True)
class ClassifierSpeed:
    """The network alone, on faces that are cut out and brought to its size."""

    threads: int
    """0 if ONNX Runtime chose."""
    batch_size: int
    ms_a_face: float
    """Median."""


@dataclass(frozen=True, kw_only=True)
class FolderSpeed:
    """Reading, finding and recognising: what `mien predict FOLDER` does."""

    detector: str
    pictures: int
    faces: int
    pictures_a_second: float


@dataclass(frozen=True, kw_only=True)
class VideoSpeed:
    """Decoding, finding, following and recognising: what `mien watch FILE` does."""

    detector: str
    frames: int
    faces: int
    """Rows with a face."""
    frames_a_second: float


def median_ms(call: Callable[[], object], repeats: int) -> float:
    """Return the median time of a call in ms; a first call, which warms up, is not counted.

    Raises:
        InputError: If ``repeats`` is not positive.
    """
    if repeats < 1:
        raise InputError(f"repeats is {repeats}; expected 1 or more.")
    call()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


def time_detector(detector: Detector, pictures: Sequence[Image], repeats: int) -> DetectorSpeed:
    """Search all pictures in turn, ``repeats`` times."""
    faces = sum(len(detector.detect(picture)) for picture in pictures)
    total_ms = median_ms(lambda: [detector.detect(picture) for picture in pictures], repeats)
    return DetectorSpeed(detector=detector.name, ms_a_picture=total_ms / len(pictures), faces=faces)


def time_classifier(
    model: Model, threads: int, batch_sizes: Iterable[int], repeats: int
) -> list[ClassifierSpeed]:
    """Run the network on batches of noise: its time does not depend on what is seen.

    Args:
        model: Opened with ``threads``.
        threads: What the results say.
        batch_sizes: Faces a call.
        repeats: Calls of each size.
    """
    spec = model.info.input
    side = (spec.size, spec.size) if spec.channels == 1 else (spec.size, spec.size, 3)
    speeds = []
    for batch_size in batch_sizes:
        faces = np.random.default_rng(0).integers(0, 256, (batch_size, *side), dtype=np.uint8)
        total_ms = median_ms(lambda faces=faces: model.logits(faces), repeats)  # type: ignore[misc]
        speeds.append(
            ClassifierSpeed(threads=threads, batch_size=batch_size, ms_a_face=total_ms / batch_size)
        )
    return speeds


def time_folder(
    recognizer: Recognizer, paths: Sequence[Path], batch_size: int = 32, jobs: int = 0
) -> FolderSpeed:
    """Recognise picture files from disk, once to warm up and once against the clock."""
    list(recognizer.predict_many(paths[:4], batch_size, jobs))
    started = time.perf_counter()
    results = list(recognizer.predict_many(paths, batch_size, jobs))
    seconds = time.perf_counter() - started
    return FolderSpeed(
        detector=recognizer.detector.name,
        pictures=len(results),
        faces=sum(len(result.faces) for result in results),
        pictures_a_second=len(results) / seconds,
    )


def time_video(recognizer: Recognizer, path: Path) -> VideoSpeed:
    """Watch a recording from end to end, once to warm up and once against the clock.

    OpenCV's own threads rest meanwhile, as in `mien watch`: several frames are searched at once.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        list(recognizer.watch(path, end=0.5))
        started = time.perf_counter()
        rows = list(recognizer.watch(path))
        seconds = time.perf_counter() - started
    finally:
        cv2.setNumThreads(threads)
    num_frames = len({row.frame for row in rows})
    return VideoSpeed(
        detector=recognizer.detector.name,
        frames=num_frames,
        faces=sum(row.track is not None for row in rows),
        frames_a_second=num_frames / seconds,
    )
