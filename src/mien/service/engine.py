"""From the bytes of pictures to answered faces: threads decode, search and classify, a cloud may be asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from mien import images
from mien.errors import ImageError, PictureSizeError
from mien.faces import Detector, crop_detection
from mien.recognition import Recognizer
from mien.recognition.pictures import FoundFace
from mien.service.batching import Batcher
from mien.service.fallback import Fallback, Reply, is_wanted, merge
from mien.service.problems import Problem
from mien.types import Box, Detection, Face, Image

__all__ = ["Answer", "Engine", "Looked"]

_MEET_S = 1.0
"""How long threads that get ready wait for each other."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is said of one picture."""

    width: int
    height: int
    faces: Sequence[tuple[Face, str]]
    """Each with who answered: ``mien`` or ``rekognition``; largest first."""
    num_left_out: int = 0
    """Smaller faces beyond the limit."""
    asked: bool = False
    """Whether the picture was sent to the fallback, in vain or not."""

    @property
    def source(self) -> str:
        """Who answered: ``mien`` unless a face's answer is somebody else's."""
        return next((source for _, source in self.faces if source != "mien"), "mien")


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """A picture that was searched, and the expressions of its faces."""

    width: int
    height: int
    found: Sequence[Detection]
    """Largest first."""
    faces: Sequence[Face]
    """One each, with its box."""
    num_left_out: int


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A picture that was searched."""

    width: int
    height: int
    found: Sequence[Detection]
    num_left_out: int


class Engine:
    """A recogniser for many requests at the same time."""

    def __init__(  # noqa: PLR0913 - the limits that the settings name
        self,
        recognizer: Recognizer,
        *,
        jobs: int = 1,
        max_pixels: int = images.MAX_PIXELS,
        max_faces: int = 64,
        batch_size: int = 8,
        batch_wait_s: float = 0.0,
        fallback: Fallback | None = None,
        fallback_wait_s: float = 4.0,
        fallback_until_s: float = 9.0,
        observe_batch: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Start the threads.

        Args:
            recognizer: Its detector and its network are used in several threads.
            jobs: Threads that decode, search and classify.
            max_pixels: Larger pictures are refused before they are decoded.
            max_faces: The so many largest faces of a picture are answered.
            batch_size: Pictures that a thread takes at once, and faces that go through the network at once.
            batch_wait_s: How long a thread waits for more pictures than wait already.
            fallback: Whom to ask where the recogniser finds no face or is unsure; None asks nobody.
            fallback_wait_s: How long it is waited for; then our own answer stands.
            fallback_until_s: After so long, counted from when the picture came, it is waited for no more: our own answer may
                have taken long already, and is to come in time.
            observe_batch: Is told the size of each batch.
        """
        # Pictures are searched side by side; OpenCV's own threads would be in the way.
        cv2.setNumThreads(1)
        self.recognizer = recognizer
        self._max_pixels = max_pixels
        self._max_faces = max_faces
        self._fallback = fallback
        self._fallback_wait_s = fallback_wait_s
        self._fallback_until_s = fallback_until_s
        self._num_threads = jobs
        self._batcher = Batcher(
            lambda found: recognizer.answers(found, batch_size),
            batch_size,
            batch_wait_s,
            observe_batch,
            self._num_threads,
        )

    async def answer(self, data: bytes) -> Answer:
        """Find the faces of a picture file and name their expressions.

        Raises:
            Problem: 413 if it has too many pixels, 422 if it cannot be read.
        """
        until = asyncio.get_running_loop().time() + self._fallback_until_s
        looked = await self.look(data)
        own = looked.faces
        faces, asked = [(face, "mien") for face in own], False
        if self._fallback and is_wanted(own) and self._fallback.is_open():
            reply = await self._ask(self._fallback, data, until)
            asked = reply.was_sent
            if reply.faces is not None:
                faces = merge(own, reply.faces)
        kept = faces[: self._max_faces]  # of ours there are no more
        return Answer(
            width=looked.width,
            height=looked.height,
            faces=kept,
            num_left_out=looked.num_left_out + len(faces) - len(kept),
            asked=asked,
        )

    async def look(
        self, data: bytes, detector: Detector | None = None, takes_whole: bool = False
    ) -> Looked:
        """Find the faces of a picture file and name their expressions; nobody else is asked.

        Args:
            data: The file's bytes.
            detector: Who looks for them; None for the recogniser's own.
            takes_whole: Whether a picture in which none is found is a face itself, with a score of 0.

        Raises:
            Problem: See `answer`.
        """
        search = partial(self._see, data, detector or self.recognizer.detector, takes_whole)
        seen, faces = await asyncio.wrap_future(self._batcher.submit(search))
        return Looked(
            width=seen.width,
            height=seen.height,
            found=seen.found,
            faces=faces,
            num_left_out=seen.num_left_out,
        )

    async def answer_crops(self, crops: Sequence[bytes]) -> list[Face]:
        """Name the expressions of faces that are cut out, one picture file each.

        Raises:
            Problem: 413 if one has too many pixels, 422 if one cannot be read; the message says which.
        """

        def decode() -> tuple[None, list[FoundFace]]:
            # Each is let go once it is small: all of a request together would be many times the largest picture.
            return None, [
                self.recognizer.fitted(self._decode(data, f"Crop {index}"))
                for index, data in enumerate(crops)
            ]

        _, faces = await asyncio.wrap_future(self._batcher.submit(decode))
        return faces

    def warm_up(self) -> None:
        """Let every thread make its detector ready, so that the first request waits for nothing."""
        blank = np.full((240, 320, 3), 128, np.uint8)
        together = threading.Barrier(self._num_threads)

        def look() -> tuple[None, list[FoundFace]]:
            # A thread that waits for more pictures may take two of these; then another one goes without.
            with suppress(threading.BrokenBarrierError):
                together.wait(_MEET_S)
            self.recognizer.detector.detect(blank)
            return None, [self.recognizer.fitted(blank)]

        for looked in [self._batcher.submit(look) for _ in range(self._num_threads)]:
            looked.result()

    def busy_s(self) -> float:
        """Return for how long a thread has been at one picture or one batch of faces, in seconds."""
        return self._batcher.busy_s()

    def close(self, within_s: float | None = None) -> bool:
        """Finish what was begun and end the threads.

        Args:
            within_s: They are waited for no longer. None waits for ever.

        Returns:
            Whether they have ended.
        """
        has_ended = self._batcher.close(within_s)
        if self._fallback:
            self._fallback.close()
        return has_ended

    def _decode(self, data: bytes, name: str) -> Image:
        try:
            return images.decode(data, name, self._max_pixels)
        except PictureSizeError as error:
            raise Problem(413, "picture_too_large", str(error)) from None
        except ImageError as error:
            raise Problem(422, "no_picture", str(error)) from None

    def _see(
        self, data: bytes, detector: Detector, takes_whole: bool
    ) -> tuple[_Seen, list[FoundFace]]:
        """Search a picture; return what is known of it, and its faces at the network's size, so that the picture is let go."""
        image = self._decode(data, "The picture")
        height, width = image.shape[:2]
        found, frame = detector.detect(image), detector.frame
        if not found and takes_whole:
            found, frame = [Detection(Box(0, 0, width, height), 0.0)], None
        kept = found[: self._max_faces]
        faces = [self.recognizer.fitted(crop_detection(image, one, frame), one) for one in kept]
        return _Seen(width, height, kept, len(found) - len(kept)), faces

    async def _ask(self, fallback: Fallback, data: bytes, until: float) -> Reply:
        """Ask about a picture; ``until`` is on the clock of the loop."""
        decode = partial(self._decode, data, "The picture")
        asking: Future[Reply] | None = None
        until = min(until, asyncio.get_running_loop().time() + self._fallback_wait_s)
        try:
            async with asyncio.timeout_at(until):
                # In the same threads, so that there are never more pictures in memory than `jobs`; others may wait for them.
                image, _ = await asyncio.wrap_future(self._batcher.submit(lambda: (decode(), [])))
                asking = fallback.submit(image)
                return await asyncio.wrap_future(asking)
        except TimeoutError:
            # Cancelled, it waited for a thread of theirs to the end.
            return Reply(None, was_sent=asking is not None and not asking.cancelled())
