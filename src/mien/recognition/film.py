"""Writing a recording: MPEG-4 in an MP4 file whose frames stand at their true times, evenly spaced or not."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby, pairwise
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from mien.errors import ConfigError
from mien.recognition.ffmpeg_names import ffmpeg_name
from mien.replacing import check_target, replacing
from mien.types import Image

__all__ = ["WriteFrame", "check_film_path", "open_film"]

# Free of patents by now, and OpenCV's wheels carry its encoder.
_CODEC = cv2.VideoWriter.fourcc(*"mp4v")
_PLAIN_FPS = 25.0
"""What the encoder is told: it knows no rate such as 239.874, and frames get their own times at the end."""
_HEAD_BYTES = 8
"""Length and kind of a box."""
_MOST_TICKS = 2**32 - 1
_FOLDERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"}
"""Boxes of an MP4 file that hold boxes (ISO/IEC 14496-12)."""


class WriteFrame(Protocol):
    """Takes the next frame and its time."""

    def __call__(self, image: Image, time_s: float) -> None:
        """Write uint8 (H, W, 3) RGB; times do not decrease."""
        ...


def check_film_path(path: Path) -> None:
    """Refuse, before any work, what could not be written at its end.

    Raises:
        ConfigError: If it is not named ``.mp4``, or nothing can be written there.
    """
    check_target(path, "The recording", (".mp4",))
    if path.exists() and not path.is_file():
        raise ConfigError(
            f"The recording {path} is no file, and MP4 cannot be written in one go. Name a file."
        )


@contextmanager
def open_film(path: Path) -> Iterator[WriteFrame]:
    """Write a recording frame by frame; it appears under its name when the block ends, early or not.

    Args:
        path: Ends in ``.mp4``.

    Yields:
        What takes the next frame. All are brought to the size of the first.

    Raises:
        ConfigError: If the file cannot be written, this OpenCV cannot write MPEG-4 of that size, or the film is not whole
            at its end, as on a disk that is full. Nothing is kept then.
    """
    check_film_path(path)
    writer: cv2.VideoWriter | None = None
    is_kept = False
    size = (0, 0)
    times: list[float] = []

    def write(image: Image, time_s: float) -> None:
        nonlocal writer, size
        if writer is None:
            size = (image.shape[1], image.shape[0])
            writer = _open_writer(partial, path, size)
        if (image.shape[1], image.shape[0]) != size:
            image = np.asarray(cv2.resize(image, size), np.uint8)
        frame = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        # Before the frame is encoded, which takes longest: after that, Ctrl-C is heard first.
        times.append(time_s)
        writer.write(frame)

    try:
        with replacing(path, keep=lambda: is_kept) as partial:
            try:
                yield write
            finally:
                if writer is not None:
                    writer.release()
                    if times and not _set_times(partial, times):
                        raise ConfigError(
                            f"{path} cannot be written: the film has no end. Is the disk full?"
                        )
                    is_kept = bool(times)
    except OSError as error:
        raise ConfigError(
            f"The recording {path} cannot be written: {error.strerror or error}."
        ) from None


def _open_writer(partial: Path, path: Path, size: tuple[int, int]) -> cv2.VideoWriter:
    with ffmpeg_name(partial) as name:
        writer = cv2.VideoWriter(name, cv2.CAP_FFMPEG, _CODEC, _PLAIN_FPS, size)
    if not writer.isOpened():
        raise ConfigError(
            f"{path} cannot be written: this OpenCV writes no MPEG-4 with frames of {size[0]} × {size[1]} px, or may "
            "not write there."
        )
    return writer


def _set_times(path: Path, times: Sequence[float]) -> bool:
    """Give the frames of an MP4 file with one track their times; OpenCV writes them evenly spaced.

    Its index ``moov`` comes after the pixels, so it may change its length. False if it is not there: OpenCV says nothing
    of bytes that the disk did not take.
    """
    with path.open("r+b") as file:
        place = 0
        while len(head := file.read(16)) >= _HEAD_BYTES:
            size, kind = struct.unpack_from(">I4s", head)
            if size == 1 and len(head) == 16:
                (size,) = struct.unpack_from(">Q", head, 8)
            if size < _HEAD_BYTES:  # its length is written when its end is known
                return False
            file.seek(place)
            if kind == b"moov":
                break
            place += size
            file.seek(place)
        index = file.read()
        if len(index) < _HEAD_BYTES or len(index) < size:
            return False
        file.seek(place)
        file.write(_retimed(index, times))
        file.truncate()
    return True


def _retimed(index: bytes, times: Sequence[float]) -> bytes:
    """Rewrite the index with other frame times. Fields are those of version 0, which FFmpeg writes below 2³² ticks."""
    clocks = {kind: struct.unpack_from(">I", body, 12)[0] for kind, body in _walk(index)}
    # The encoder's clock is fine enough for a thousand frames a second; days of a camera need a coarser one.
    span_s = max(times[-1] - times[0], 1.0)
    clock = max(1, min(clocks[b"mdhd"], int(_MOST_TICKS / 2 / span_s)))
    steps = _steps(times, clock)
    in_media = sum(steps)
    in_movie = min(_MOST_TICKS, round(in_media / clock * clocks[b"mvhd"]))
    fields = {  # kind of box -> where in its body, and what stands there
        b"mvhd": {16: in_movie},
        b"tkhd": {20: in_movie},
        b"elst": {8: in_movie},
        b"mdhd": {12: clock, 16: in_media},
    }
    return b"".join(_rebuilt(index, steps, fields))


def _rebuilt(
    folder: bytes, steps: Sequence[int], fields: dict[bytes, dict[int, int]]
) -> Iterator[bytes]:
    for kind, body in _boxes(folder):
        if kind in _FOLDERS:
            body = b"".join(_rebuilt(body, steps, fields))
        elif kind == b"stts":
            runs = [(len(list(same)), step) for step, same in groupby(steps)]
            body = struct.pack(">II", 0, len(runs)) + b"".join(
                struct.pack(">II", *run) for run in runs
            )
        for place, value in fields.get(kind, {}).items():
            body = body[:place] + struct.pack(">I", value) + body[place + 4 :]
        yield _box(kind, body)


def _steps(times: Sequence[float], clock: int) -> list[int]:
    """Return how many ticks each frame lasts; the last as long as the one before."""
    ticks = [round((time_s - times[0]) * clock) for time_s in times]
    steps = [max(1, after - before) for before, after in pairwise(ticks)]
    return [*steps, steps[-1] if steps else max(1, clock // 25)]


def _walk(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """All boxes that have a clock, wherever they stand."""
    for kind, body in _boxes(data):
        if kind in _FOLDERS:
            yield from _walk(body)
        elif kind in (b"mvhd", b"mdhd"):
            yield kind, body


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place < len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        yield kind, data[place + 8 : place + size]
        place += size


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body
