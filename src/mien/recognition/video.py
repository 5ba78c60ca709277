"""The expressions of everyone in a recording or before a camera, frame after frame."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from mien.errors import InputError, MienError
from mien.faces import Detector, FollowingDetector, can_follow, crop_detection
from mien.faces.overlap import distinct
from mien.faces.scaled import scaled
from mien.processors import usable_cores
from mien.recognition.gaze import FULL_LOOK_S, Gaze, Plan
from mien.recognition.numbers import check_search_px
from mien.recognition.pipeline import in_order, newest
from mien.recognition.probation import PROBATION_S, Probation
from mien.recognition.smoothing import Smoothing
from mien.recognition.source import Frame, VideoSource
from mien.recognition.tracks import Tracks
from mien.types import Box, Detection, Face, Image, WatchedFrame

__all__ = ["SEARCH_PX", "FaceReader", "search", "watch_frames"]

SEARCH_PX = 400
"""A video has time for no more: Haar takes 15 ms for a frame of 320 px on one core, and four times that at 640."""

_WINDOW = 8
"""Frames decoded and not yet classified: enough that no thread waits, few enough for 4K in memory."""
_LIVE_WINDOW = 2
_MOST_DETECTING = 4
_LAG = _MOST_DETECTING
"""While nobody is known, a look waits for that of so many frames before it: as few as keep all threads at work."""


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
    is_full: bool
    """Whether the whole frame was searched."""
    crops: Sequence[Image] = ()


@dataclass(frozen=True, slots=True)
class _Glance:
    """A frame, where to look in it, and later what was seen there."""

    frame: Frame
    plan: Plan
    seen: Future[_Seen] = field(default_factory=Future)


def watch_frames(  # noqa: PLR0913 - the options of mien watch
    recognizer: FaceReader,
    source: VideoSource,
    *,
    fps: float | None = None,
    max_faces: int | None = None,
    start: float | None = None,
    end: float | None = None,
    search_px: int = SEARCH_PX,
    full_look_s: float = FULL_LOOK_S,
    smoothing: Smoothing | None = None,
    probation_s: float = PROBATION_S,
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
        full_look_s: After so many seconds of the recording the whole frame is searched, and between only where known
            faces should be: a new face among known ones may wait so long for its first row. Whenever a known face is
            not there, or none is known, the whole frame is searched too. 0 searches all of every frame.
        smoothing: How slowly answers move.
        probation_s: A new face must be seen in two thirds of the frames of this time, seconds, or has no rows; 0 leaves
            none out.

    Raises:
        InputError: If a number is out of its range.
        VideoError: After the last frame, if the source breaks off.
    """
    _check(fps, max_faces, start, end)
    check_search_px(search_px)

    detector = recognizer.detector
    gaze = Gaze(full_look_s)
    probation = Probation(source.is_live, probation_s)
    is_following = can_follow(detector) and full_look_s > 0

    def see(glance: _Glance) -> _Seen:
        try:
            seen = _look(detector, glance, search_px, max_faces)
        except BaseException as error:
            glance.seen.set_exception(error)
            raise
        glance.seen.set_result(seen)
        return seen

    frames = _frames(source, start, end, fps)
    seen = in_order(
        see,
        _glances(
            newest(frames) if source.is_live else frames,
            gaze if is_following else None,
        ),
        workers=min(_MOST_DETECTING, usable_cores()),
        window=_LIVE_WINDOW if source.is_live else _WINDOW,
        group=1 if source.is_live else _WINDOW,
    )
    followed = _followed(recognizer, seen, Tracks(smoothing))
    return _settled(followed, probation)


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


def _glances(frames: Generator[Frame], gaze: Gaze | None) -> Generator[_Glance]:
    """Plan each frame's look; without a gaze all of every frame is searched.

    To look around known faces, one must know where they were in the frame before: then looks wait for each other. While
    nobody is known they do not, and a face is known after `_LAG` frames. What a look knows never depends on how the
    threads ran, so that the same recording gives the same rows.
    """
    waiting: deque[_Glance] = deque()

    def learn(gaze: Gaze) -> None:
        oldest = waiting.popleft()
        seen = oldest.seen.result()
        gaze.learn(oldest.frame.time_s, [face.box for face in seen.detections], seen.is_full)

    with closing(frames):
        for frame in frames:
            if gaze is None:
                yield _Glance(frame, Plan())
                continue
            if len(waiting) == _LAG:
                learn(gaze)
            if not gaze.is_full_due(frame.time_s):
                while waiting:
                    learn(gaze)
            waiting.append(_Glance(frame, gaze.plan(frame.time_s)))
            yield waiting[-1]


def _look(detector: Detector, glance: _Glance, search_px: int, max_faces: int | None) -> _Seen:
    image = glance.frame.image
    found = None
    if glance.plan.known and can_follow(detector):
        found = _look_near(detector, image, glance.plan, search_px)
    is_full = found is None
    if found is None:
        found = search(detector, image, search_px)
    found = found[:max_faces]
    return _Seen(found, is_full, [crop_detection(image, face, detector.frame) for face in found])


def _look_near(
    detector: FollowingDetector, image: Image, plan: Plan, search_px: int
) -> list[Detection] | None:
    """Find the known faces again, and with luck those that were missed; None if a known one is not there."""
    found = detector.detect_near(image, plan.known, search_px)
    if found is None:
        return None
    for box in plan.missed:
        found += detector.detect_near(image, [box], search_px) or []
    return sorted(distinct(found), key=lambda face: (-face.box.w * face.box.h, face.box.x))


def search(detector: Detector, image: Image, search_px: int) -> list[Detection]:
    """Detect in a smaller copy and bring what was found back to the frame's own pixels."""
    if can_follow(detector):
        return detector.detect_within(image, search_px)
    height, width = image.shape[:2]
    scale = search_px / max(height, width)
    if scale >= 1:
        return detector.detect(image)
    small = scaled(image, scale)
    across, down = width / small.shape[1], height / small.shape[0]
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
    recognizer: FaceReader, seen: Generator[list[tuple[_Glance, _Seen]]], tracks: Tracks
) -> Generator[WatchedFrame]:
    """Classify groups of frames at once, then go through them in order."""
    try:
        for group in seen:
            faces = iter(recognizer.predict_faces([crop for _, one in group for crop in one.crops]))
            for glance, one in group:
                frame = glance.frame
                answers = [next(faces) for _ in one.detections]
                rows = tracks.rows(frame.index, frame.time_s, one.detections, answers)
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
