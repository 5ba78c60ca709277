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

from mien.errors import ConfigError, VideoError
from mien.replacing import check_target, replacing
from mien.types import Image

__all__ = ["WriteFrame", "check_film_path", "open_film"]

# Free of patents by now, and OpenCV's wheels carry its encoder.
_CODEC = cv2.VideoWriter.fourcc(*"mp4v")
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
def open_film(path: Path, fps: float) -> Iterator[WriteFrame]:
    """Write a recording frame by frame; it appears under its name when the block ends, early or not.

    Args:
        path: Ends in ``.mp4``.
        fps: Its mean rate; the times that come with the frames count.

    Yields:
        What takes the next frame. All are brought to the size of the first.

    Raises:
        ConfigError: If the file cannot be written.
        VideoError: If this OpenCV cannot write MPEG-4.
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
            writer = cv2.VideoWriter(str(partial), cv2.CAP_FFMPEG, _CODEC, fps, size)
            if not writer.isOpened():
                raise VideoError(
                    f"{path} cannot be written: no permission, or this OpenCV has no MPEG-4."
                )
        if (image.shape[1], image.shape[0]) != size:
            image = np.asarray(cv2.resize(image, size), np.uint8)
        writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        times.append(time_s)

    try:
        with replacing(path, keep=lambda: is_kept) as partial:
            try:
                yield write
            finally:
                if writer is not None:
                    writer.release()
                    _set_times(partial, times)
                    is_kept = True
    except OSError as error:
        raise ConfigError(
            f"The recording {path} cannot be written: {error.strerror or error}."
        ) from None


def _set_times(path: Path, times: Sequence[float]) -> None:
    """Give the frames of an MP4 file with one track their times; OpenCV writes them evenly spaced.

    Its index ``moov`` comes after the pixels, so it may change its length.
    """
    data_end = 0
    with path.open("r+b") as file:
        while (head := file.read(16))[4:8] not in (b"moov", b""):
            size, _, large = struct.unpack(">I4sQ", head)
            data_end += large if size == 1 else size
            file.seek(data_end)
        file.seek(data_end)
        index = file.read()
        file.seek(data_end)
        file.write(_retimed(index, times))
        file.truncate()


def _retimed(index: bytes, times: Sequence[float]) -> bytes:
    """Rewrite the index with other frame times. Fields are those of version 0, which FFmpeg writes below 2³² ticks."""
    clocks = {kind: struct.unpack_from(">I", body, 12)[0] for kind, body in _walk(index)}
    steps = _steps(times, clocks[b"mdhd"])
    length_s = sum(steps) / clocks[b"mdhd"]
    in_movie, in_media = round(length_s * clocks[b"mvhd"]), sum(steps)
    durations = {  # kind of box -> where in its body, and how long
        b"mvhd": (16, in_movie),
        b"tkhd": (20, in_movie),
        b"elst": (8, in_movie),
        b"mdhd": (16, in_media),
    }
    return b"".join(_rebuilt(index, steps, durations))


def _rebuilt(
    folder: bytes, steps: Sequence[int], durations: dict[bytes, tuple[int, int]]
) -> Iterator[bytes]:
    for kind, body in _boxes(folder):
        if kind in _FOLDERS:
            body = b"".join(_rebuilt(body, steps, durations))
        elif kind == b"stts":
            runs = [(len(list(same)), step) for step, same in groupby(steps)]
            body = struct.pack(">II", 0, len(runs)) + b"".join(
                struct.pack(">II", *run) for run in runs
            )
        elif kind in durations:
            place, duration = durations[kind]
            body = body[:place] + struct.pack(">I", duration) + body[place + 4 :]
        yield _box(kind, body)


def _steps(times: Sequence[float], clock: int) -> list[int]:
    """Return how many ticks each frame lasts; the last as long as the one before."""
    ticks = [round((time_s - times[0]) * clock) for time_s in times]
    steps = [max(1, after - before) for before, after in pairwise(ticks)]
    return [*steps, steps[-1] if steps else clock // 25]


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
