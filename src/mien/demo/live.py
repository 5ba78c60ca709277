"""The webcam: frames come one by one from a browser, each face keeps its number and its slow-moving answer.

Frames are arrays in memory and go back as text; nothing here can write to a disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from mien.demo.cards import as_data_url, face_card, message
from mien.demo.charts import Moment, running_chart
from mien.demo.texts import say
from mien.faces import crop_detection
from mien.recognition import Recognizer, annotate
from mien.recognition.probation import Probation
from mien.recognition.tracks import Tracks
from mien.recognition.video import SEARCH_PX, search
from mien.types import Image, VideoRow, WatchedFrame

__all__ = ["CHART_S", "MOST_FACES", "LiveView"]

CHART_S = 20.0
"""So much of the past the running chart shows."""

MOST_FACES = 4
"""More cards than these do not fit on a screen."""


class LiveView:
    """What one browser's camera has shown so far. It has state: one viewer, one frame at a time."""

    def __init__(self) -> None:
        """Start without faces."""
        self._recognizer: Recognizer | None = None
        self._start_over()

    def look(self, recognizer: Recognizer, image: Image, time_s: float) -> tuple[VideoRow, ...]:
        """Take the next frame.

        Args:
            recognizer: Detects and classifies; another one than before starts anew.
            image: uint8 (H, W, 3) RGB.
            time_s: When it came, on a clock that never goes back.

        Returns:
            One row a face that has lasted, largest first; one without a face if there is none.
        """
        if recognizer is not self._recognizer:
            self._recognizer = recognizer
            self._start_over()
        found = search(recognizer.detector, image, SEARCH_PX)[:MOST_FACES]
        crops = [crop_detection(image, face, recognizer.detector.frame) for face in found]
        self._number += 1
        rows = self._tracks.rows(self._number, time_s, found, recognizer.predict_faces(crops))
        (settled,) = self._probation.add(WatchedFrame(self._number, time_s, image, rows))
        self._remember(settled.rows, time_s)
        return settled.rows

    def moments(self, track: int) -> Sequence[Moment]:
        """Return what is remembered of a face, the oldest first."""
        return self._moments[track]

    def html(self, image: Image, rows: Sequence[VideoRow], lang: str) -> str:
        """Return the frame with its faces framed, then for each face its bars and its running chart."""
        faces = [face for row in rows if (face := row.as_face()) is not None]
        alt = say("live.picture", lang)
        picture = f'<img class="mien-frame" src="{as_data_url(annotate(image, faces, lang))}" alt="{alt}">'
        cards = "".join(self._card(row, lang) for row in rows if row.track is not None)
        return picture + (cards or message(say("live.none", lang)))

    def _card(self, row: VideoRow, lang: str) -> str:
        assert row.track is not None
        assert row.expression is not None
        assert row.smoothed is not None
        title = say("face", lang, number=row.track)
        chart = running_chart(self._moments[row.track], row.time_s, CHART_S, lang)
        return face_card(title, row.expression, row.smoothed, lang) + chart

    def _start_over(self) -> None:
        self._tracks = Tracks()
        self._probation = Probation(is_live=True)
        self._moments: dict[int, deque[Moment]] = {}
        self._number = -1

    def _remember(self, rows: Sequence[VideoRow], time_s: float) -> None:
        for row in rows:
            if row.track is not None and row.smoothed is not None:
                self._moments.setdefault(row.track, deque()).append((time_s, row.smoothed))
        for track, moments in list(self._moments.items()):
            while moments and moments[0][0] < time_s - CHART_S:
                moments.popleft()
            if not moments:
                del self._moments[track]
