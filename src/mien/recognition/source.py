"""Where frames come from: recordings, cameras and streams, through OpenCV and its FFmpeg."""

from __future__ import annotations

import logging
import math
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from mien.errors import InputError, VideoError
from mien.images import MAX_PIXELS
from mien.recognition.clock import Clock
from mien.recognition.container import HEAD_BYTES, counts_frames, missing_bytes, shown_s
from mien.recognition.ffmpeg_names import ffmpeg_name
from mien.recognition.web import head_of_file
from mien.types import Image
from mien.utf8 import is_text

__all__ = ["Frame", "VideoSource", "open_source"]

logger = logging.getLogger(__name__)

_SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp", "srt")
_PATIENCE_MS = 10_000
_USUAL_FPS = 25.0
_SLOWEST_FPS, _FASTEST_FPS = 1 / 3600, 1000.0
"""A frame an hour, as of a plant that grows; slow motion."""
_MISSING_FRAMES = 3
"""So many fewer than announced are no damage: many containers only estimate how many they hold."""
_SOUND_ALONE_S = 1.0
"""By so much the sound of a whole recording may well be longer than its pictures."""
_CLOCK_S = 0.0005
"""Containers round times to their clock, often to milliseconds."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as it was decoded."""

    index: int
    """In the recording, from 0."""
    time_s: float
    """Since the first frame; never less than that of the frame before."""
    image: Image
    """uint8 (H, W, 3) RGB, upright, of the shape in which it is shown: where pixels are not square, as on DVDs, the frame
    is stretched."""


class VideoSource:
    """An open recording, camera or stream. One thread reads it, once, and closes it."""

    def __init__(
        self,
        capture: cv2.VideoCapture,
        name: str,
        is_live: bool,
        is_counted: bool = True,
        is_cut: bool = False,
        shown_s: float = math.inf,
    ) -> None:
        """Take over what `open_source` opened.

        Args:
            capture: Opened.
            name: What messages call it; without user names and passwords.
            is_live: A camera or a stream without end.
            is_counted: Whether its container counts its frames, so that fewer are a damage.
            is_cut: Whether its file is shorter than it says.
            shown_s: How much of it is shown, in seconds: a trimmed one may hold more.
        """
        self._capture = capture
        self._is_counted, self._is_cut, self._shown_s = is_counted, is_cut, shown_s
        self.name = name
        """What messages call it; without user names and passwords."""
        self.is_live = is_live
        """A camera or a stream without end: who is slow misses frames."""
        fps = capture.get(cv2.CAP_PROP_FPS)
        # Some cameras say 0, some containers their clock rate.
        self.fps = fps if _SLOWEST_FPS <= fps <= _FASTEST_FPS else _USUAL_FPS
        """Frames a second, the mean if they vary; 25 where nobody knows."""
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.num_frames = int(count) if not is_live and 0 < count < 2**40 else None
        """As the container announces, which may be a guess; None if it does not, or never ends."""
        self._announced_s = count / fps if self.num_frames is not None and fps > 0 else None
        self.frames_seen = 0
        """So far."""
        self.time_s = 0.0
        """Of the last frame seen."""
        self._began = 0.0
        self._clock = Clock(self.fps)
        self._aspect = _pixel_aspect(capture)

    def frames(
        self, start: float | None = None, end: float | None = None, fps: float | None = None
    ) -> Iterator[Frame]:
        """Decode frame after frame.

        That a container which does not count its frames announces more than was read is said in the log: it may be sound.

        Args:
            start: Leave out what is before, seconds.
            end: Stop before this time, seconds; None goes to the end.
            fps: At most so many frames a second, evenly; None takes all.

        Raises:
            VideoError: After the last frame, if the recording ends before the end that it announces.
            InputError: If it ends before ``start``.
        """
        due_s = start or 0.0
        while self._grab():
            if end is not None and self.time_s >= end:
                return
            if self.time_s < due_s - _CLOCK_S:
                continue
            if fps is not None:  # the next due time after this frame's
                due_s += (1 + math.floor((self.time_s + _CLOCK_S - due_s) * fps)) / fps
            image = self._retrieve()
            if image is not None:
                yield Frame(self.frames_seen - 1, self.time_s, image)
        if start is not None and self.time_s < start and not self.is_live:
            raise InputError(
                f"The part from {start:g} s was asked for; {self.name} ends at {self.time_s:.2f} s."
            )
        self._check_end(end)

    def _grab(self) -> bool:
        if not self._capture.grab():
            return False
        index = self.frames_seen
        self.frames_seen += 1
        if self.is_live:
            now = time.monotonic()
            if index == 0:
                self._began = now
            self.time_s = round(now - self._began, 6)
            return True
        # After a grab this is the time of that very frame (before 4.1.2 it was the next one's), counted from the first
        # frame on; see https://github.com/opencv/opencv/issues/15749 .
        self.time_s = self._clock.tick(self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
        return True

    def _retrieve(self) -> Image | None:
        """Return the grabbed frame in RGB, its pixels square; None if it is too damaged for pixels."""
        done, image = self._capture.retrieve()
        if not done or image is None or image.size == 0:
            return None
        if self._aspect != 1:
            height, width = image.shape[:2]
            image = cv2.resize(image, _stretched(width, height, self._aspect))
        if image.ndim == 2:
            return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), np.uint8)
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)

    def _check_end(self, end: float | None) -> None:
        """Tell a recording's end from a break.

        Both frames and seconds must be missing: with a varying rate one of the two is often a guess.
        """
        where = f"{self.name} stopped at {self.time_s:.2f} s, after {self.frames_seen} frames"
        if self.is_live:
            raise VideoError(f"{where}: the camera or stream gives no more. Is it still connected?")
        if self._is_cut:
            raise VideoError(f"{where}: the file is cut off there. All rows up to there are right.")
        if not self._is_counted:
            self._say_if_short(end)
            return
        if self.num_frames is None:
            return
        duration_s = self.num_frames / self.fps
        missing_s = min(duration_s, self._shown_s, end or duration_s) - self.time_s
        missing = self.num_frames - self.frames_seen
        # Where an AVI holds H.264, the announced rate may be that of its clock, and the number that of its ticks.
        step_s = max(1 / self.fps, self.time_s / max(1, self.frames_seen - 1))
        if missing > _MISSING_FRAMES and missing_s > (_MISSING_FRAMES + 1) * step_s:
            raise VideoError(
                f"{where} of {self.num_frames} ({duration_s:.2f} s): it is damaged or cut off there. "
                "All rows up to there are right."
            )

    def _say_if_short(self, end: float | None) -> None:
        """Compare what was read with what was announced, where nobody can tell a longer sound from damage."""
        if self._announced_s is None or self.num_frames is None:
            return
        if self.num_frames - self.frames_seen <= _MISSING_FRAMES:
            return  # the last one stands for long, as in many a GIF
        wanted_s = min(self._announced_s, self._shown_s, end or self._announced_s)
        if wanted_s - self.time_s > max(_SOUND_ALONE_S, (_MISSING_FRAMES + 1) / self.fps):
            logger.warning(
                "%s announces %.2f s, and its pictures end at %.2f s: the rest is sound alone, or it is damaged there.",
                self.name,
                self._announced_s,
                self.time_s,
            )

    def close(self) -> None:
        """Give the file or the camera back."""
        self._capture.release()

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_source(source: str | Path | int) -> VideoSource:
    """Open a recording, a camera or a stream.

    Args:
        source: Path of a recording, number of a camera (``0`` or ``"0"``), or a URL such as ``"rtsp://…"``.

    Raises:
        VideoError: If there is no such thing, or it cannot be decoded.
        InputError: If ``source`` is neither.
    """
    if isinstance(source, bool) or not isinstance(source, (str, Path, int)):
        raise InputError(
            f"A source is a path, a URL or a camera's number; got {type(source).__name__}."
        )
    text = str(source)
    if isinstance(source, int) or (isinstance(source, str) and re.fullmatch(r"\d{1,3}", text)):
        return _open_camera(int(text))
    if isinstance(source, str) and "://" in text:
        return _open_stream(text)
    return _open_recording(Path(source))


def _open_camera(index: int) -> VideoSource:
    if index < 0:
        raise InputError(f"Camera {index} was asked for; cameras are counted from 0.")
    capture = _capture(index, cv2.CAP_ANY)
    if not capture.isOpened():
        raise VideoError(
            f"Camera {index} cannot be opened. Is it connected, and does no other program use it?"
        )
    return VideoSource(capture, f"Camera {index}", is_live=True)


def _open_stream(url: str) -> VideoSource:
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in _SCHEMES:
        raise InputError(
            f"'{scheme}://' is not read here; expected {', '.join(_SCHEMES)}, a path or a camera's number."
        )
    if not is_text(url):
        raise InputError("The URL has bytes that are no UTF-8. Write them as %XX.")
    name = (
        f"{scheme}://{rest.rpartition('@')[2]}"  # who may see the message may not know the password
    )
    waits = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC)
    options = [number for wait in waits for number in (int(wait), _PATIENCE_MS)]
    capture = _capture(url, cv2.CAP_FFMPEG, options)
    if not capture.isOpened():
        raise VideoError(f"{name} cannot be opened. Check the address and the network.")
    head = head_of_file(url) if scheme.lower() in ("http", "https") else None
    # A file on a web server has an end, and so have most lists of pieces; WebM from a browser does not say which.
    is_live = head is None and not capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0
    return VideoSource(capture, name, is_live, is_counted=counts_frames(head or b""))


def _open_recording(path: Path) -> VideoSource:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise VideoError(f"{path} does not exist.") from None
    except (OSError, ValueError) as error:
        raise VideoError(f"{path} cannot be read: {error}.") from None
    if not path.is_file():
        raise VideoError(f"{path} is no file. Give a recording, such as an MP4.")
    if not size:
        raise VideoError(f"{path} is empty (0 bytes).")
    if not os.access(path, os.R_OK):
        raise VideoError(f"{path} cannot be read: no permission.")
    with ffmpeg_name(path) as name:
        capture = _capture(name, cv2.CAP_FFMPEG)
    width, height = (
        capture.get(side) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    )
    if not capture.isOpened() or width < 1 or height < 1:
        raise VideoError(
            f"{path} is not a recording that can be decoded: damaged, cut off before its index was written, or "
            "of another kind. Expected MP4, MOV, AVI, MKV, WebM or the like."
        )
    width, height = _stretched(width, height, _pixel_aspect(capture))
    if width * height > MAX_PIXELS:
        raise VideoError(
            f"{path} has frames of {width} × {height} px; at most {MAX_PIXELS // 10**6} megapixels are "
            "decoded. Make it smaller."
        )
    with path.open("rb") as file:
        is_counted = counts_frames(file.read(HEAD_BYTES))
    return VideoSource(
        capture,
        str(path),
        is_live=False,
        is_counted=is_counted,
        is_cut=not is_counted and missing_bytes(path) > 0,
        shown_s=shown_s(path),
    )


def _pixel_aspect(capture: cv2.VideoCapture) -> float:
    """Return how much wider than high a pixel is shown, upright; 1 where it is square, or nearly, or unknown."""
    across, down = capture.get(cv2.CAP_PROP_SAR_NUM), capture.get(cv2.CAP_PROP_SAR_DEN)
    if not (across > 0 and down > 0):
        return 1.0
    aspect = across / down
    if capture.get(cv2.CAP_PROP_ORIENTATION_META) % 180 == 90:  # OpenCV has turned the frame
        aspect = 1 / aspect
    # Closer to square than 2 % is a rounding of some encoder; beyond four, a damaged head.
    is_meant = 0.25 <= aspect <= 4 and abs(aspect - 1) > 0.02
    return aspect if is_meant else 1.0


def _stretched(width: float, height: float, aspect: float) -> tuple[int, int]:
    """Return the size that shows pixels of this aspect as square ones, with none lost."""
    return round(width * max(aspect, 1.0)), round(height * max(1 / aspect, 1.0))


def _capture(source: str | int, backend: int, options: list[int] | None = None) -> cv2.VideoCapture:
    try:
        return cv2.VideoCapture(source, backend, options or [])
    except cv2.error as error:
        raise VideoError(
            f"OpenCV cannot open '{source}': {' '.join(str(error).split())[:200]}"
        ) from None
