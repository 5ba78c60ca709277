"""The expressions of everyone in a recording or before a camera, frame after frame."""

from __future__ import annotations

import math
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from mien.errors import InputError, MienError
from mien.faces import Detector, crop_detection, yaw_deg
from mien.faces.track import Tracker
from mien.recognition.pipeline import in_order, newest
from mien.recognition.probation import Probation
from mien.recognition.smoothing import Smoothed, Smoothing, smooth
from mien.recognition.source import Frame, VideoSource
from mien.types import Box, Detection, Face, Image, VideoRow, WatchedFrame

__all__ = ["SEARCH_PX", "FaceReader", "search", "watch_frames"]

SEARCH_PX = 400
"""A video has time for no more: Haar takes 15 ms for a frame of 320 px on one core, and four times that at 640."""

_WINDOW = 8
"""Frames decoded and not yet classified: enough that no thread waits, few enough for 4K in memory."""
_MOST_DETECTING = 4


class FaceReader(Protocol):
    """What a `Recognizer` is to this module."""

    @property
    def detector(self) -> Detector:
        """What finds the faces."""
        ...

    def predict_faces(self, crops: Sequence[Image], batch_size: int = 32) -> list[Face]:
        """Recognise the expressions of faces that are cut out."""
        ...


@dataclass(frozen=True, slots=True)
class _Seen:
    """The faces of a frame before they are classified."""

    detections: Sequence[Detection]
    crops: Sequence[Image]


def watch_frames(  # noqa: PLR0913 - the options of mien watch
    recognizer: FaceReader,
    source: VideoSource,
    *,
    fps: float | None = None,
    max_faces: int | None = None,
    start: float | None = None,
    end: float | None = None,
    search_px: int = SEARCH_PX,
    smoothing: Smoothing | None = None,
) -> Generator[WatchedFrame]:
    """Follow the faces of a recording, a camera or a stream; see `Recognizer.watch`.

    Decoding, detecting and classifying overlap in threads, a few frames apart, so that memory stays flat however
    long the recording is. A live source is never waited for: frames that nobody has time for are left out.

    Args:
        recognizer: Detects and classifies.
        source: Is closed at the end.
        fps: Look at no more than so many frames a second; None looks at all.
        max_faces: Follow no more than the so many largest faces of a frame; None follows all.
        start: Begin there, seconds.
        end: Stop before this time, seconds.
        search_px: Faces are looked for in frames of no more than this longer side; crops keep all their pixels.
        smoothing: How slowly answers move.

    Raises:
        InputError: If a number is out of its range.
        VideoError: After the last frame, if the source breaks off.
    """
    _check(fps, max_faces, start, end)
    if search_px < 64:
        raise InputError(f"search_px is {search_px}; expected 64 or more.")

    def see(frame: Frame) -> _Seen:
        found = search(recognizer.detector, frame.image, search_px)[:max_faces]
        crop_frame = recognizer.detector.frame
        return _Seen(found, [crop_detection(frame.image, face, crop_frame) for face in found])

    frames = _frames(source, start, end, fps)
    seen = in_order(
        see,
        newest(frames) if source.is_live else frames,
        workers=min(_MOST_DETECTING, os.cpu_count() or 1),
        window=2 if source.is_live else _WINDOW,
        group=1 if source.is_live else _WINDOW,
    )
    followed = _followed(recognizer, seen, _Tracks(smoothing or Smoothing()))
    return _settled(followed, Probation(source.is_live))


def _check(
    fps: float | None, max_faces: int | None, start: float | None, end: float | None
) -> None:
    if fps is not None and not 0 < fps < math.inf:
        raise InputError(f"fps is {fps}; expected a positive number of frames a second.")
    if max_faces is not None and max_faces < 1:
        raise InputError(f"max_faces is {max_faces}; expected 1 or more.")
    for name, value in (("start", start), ("end", end)):
        if value is not None and not 0 <= value < math.inf:
            raise InputError(f"{name} is {value}; expected seconds from 0.")
    if end is not None and end <= (start or 0):
        raise InputError(f"end is {end} s and start {start or 0} s; expected the end after it.")


def search(detector: Detector, image: Image, search_px: int) -> list[Detection]:
    """Detect in a smaller copy and bring what was found back to the frame's own pixels."""
    height, width = image.shape[:2]
    scale = search_px / max(height, width)
    if scale >= 1:
        return detector.detect(image)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    across, down = width / size[0], height / size[1]
    return [_enlarged(found, across, down) for found in detector.detect(small)]


def _enlarged(found: Detection, across: float, down: float) -> Detection:
    # Both edges are rounded, not the size, so that a box never grows out of the frame.
    box = found.box
    left, right = round(box.x * across), round((box.x + box.w) * across)
    top, bottom = round(box.y * down), round((box.y + box.h) * down)
    landmarks = found.landmarks
    if landmarks is not None:
        landmarks = landmarks * np.array([across, down], np.float32)
    return Detection(Box(left, top, right - left, bottom - top), found.score, landmarks)


def _frames(
    source: VideoSource, start: float | None, end: float | None, fps: float | None
) -> Generator[Frame]:
    with source:
        yield from source.frames(start, end, fps)


def _followed(
    recognizer: FaceReader, seen: Generator[list[tuple[Frame, _Seen]]], tracks: _Tracks
) -> Generator[WatchedFrame]:
    """Classify groups of frames at once, then go through them in order."""
    try:
        for group in seen:
            faces = iter(recognizer.predict_faces([crop for _, one in group for crop in one.crops]))
            for frame, one in group:
                answers = [next(faces) for _ in one.detections]
                rows = tracks.rows(frame, one.detections, answers)
                yield WatchedFrame(frame.index, frame.time_s, frame.image, rows)
    finally:
        seen.close()


def _settled(frames: Generator[WatchedFrame], probation: Probation) -> Generator[WatchedFrame]:
    """Leave out faces that only flashed up, also when the recording breaks off."""
    try:
        for frame in frames:
            yield from probation.add(frame)
    except MienError:
        yield from probation.finish()
        raise
    finally:
        frames.close()
    yield from probation.finish()


class _Tracks:
    """The tracks of one recording with what each remembers."""

    def __init__(self, smoothing: Smoothing) -> None:
        self._smoothing = smoothing
        self._tracker = Tracker()
        self._past: dict[int, Smoothed] = {}

    def rows(
        self, frame: Frame, detections: Sequence[Detection], faces: Sequence[Face]
    ) -> tuple[VideoRow, ...]:
        """Return the frame's rows."""
        numbers = self._tracker.update([found.box for found in detections], frame.time_s)
        rows = tuple(
            self._row(frame, number, found, face)
            for number, found, face in zip(numbers, detections, faces, strict=True)
        )
        alive = self._tracker.alive
        self._past = {number: past for number, past in self._past.items() if number in alive}
        return rows or (VideoRow(frame=frame.index, time_s=frame.time_s),)

    def _row(self, frame: Frame, number: int, found: Detection, face: Face) -> VideoRow:
        labels = list(face.probabilities)
        probs = np.array(list(face.probabilities.values()))
        now = smooth(self._past.get(number), probs, frame.time_s, self._smoothing)
        self._past[number] = now
        return VideoRow(
            frame=frame.index,
            time_s=frame.time_s,
            track=number,
            box=found.box,
            score=found.score,
            yaw_deg=None if found.landmarks is None else yaw_deg(found.landmarks),
            expression=labels[now.label],
            confidence=float(now.probs[now.label]),
            probabilities=face.probabilities,
            smoothed=dict(zip(labels, now.probs.tolist(), strict=True)),
        )
