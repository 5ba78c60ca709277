"""Who is who from frame to frame, and what each has shown so far: recordings and the webcam give their rows from here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mien.faces import yaw_deg
from mien.faces.track import Tracker
from mien.recognition.smoothing import Smoothed, Smoothing, smooth
from mien.types import Detection, Face, VideoRow

__all__ = ["Tracks"]


class Tracks:
    """The faces of one recording or one camera. It has state: frames come one by one, in order."""

    def __init__(self, smoothing: Smoothing | None = None) -> None:
        """Start without faces; ``smoothing`` says how slowly answers move."""
        self._smoothing = smoothing or Smoothing()
        self._tracker = Tracker()
        self._past: dict[int, Smoothed] = {}

    def rows(
        self, index: int, time_s: float, detections: Sequence[Detection], faces: Sequence[Face]
    ) -> tuple[VideoRow, ...]:
        """Take in the next frame.

        Args:
            index: Its number.
            time_s: When it was; not before the last one.
            detections: The faces that were found in it.
            faces: What each of them shows.

        Returns:
            A row a face, in the order of ``detections``; one without a face if there is none.
        """
        numbers = self._tracker.update([found.box for found in detections], time_s)
        empty = VideoRow(frame=index, time_s=time_s)
        rows = tuple(
            self._row(empty, number, found, face)
            for number, found, face in zip(numbers, detections, faces, strict=True)
        )
        alive = self._tracker.alive
        self._past = {number: past for number, past in self._past.items() if number in alive}
        return rows or (empty,)

    def _row(self, empty: VideoRow, number: int, found: Detection, face: Face) -> VideoRow:
        labels = list(face.probabilities)
        probs = np.array(list(face.probabilities.values()))
        now = smooth(self._past.get(number), probs, empty.time_s, self._smoothing)
        self._past[number] = now
        return replace(
            empty,
            track=number,
            box=found.box,
            score=found.score,
            yaw_deg=None if found.landmarks is None else yaw_deg(found.landmarks),
            expression=labels[now.label],
            confidence=float(now.probs[now.label]),
            probabilities=face.probabilities,
            smoothed=dict(zip(labels, now.probs.tolist(), strict=True)),
        )
