"""From the bytes of pictures to answered faces: threads decode and search, one batch classifies, a cloud may be asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import cv2
import numpy as np

from mien import images
from mien.errors import ImageError, PictureSizeError
from mien.faces import crop_detection
from mien.recognition import Recognizer
from mien.service.batching import Batcher
from mien.service.fallback import Fallback, is_wanted, merge
from mien.service.problems import Problem
from mien.types import Detection, Face, Image

__all__ = ["Answer", "Engine"]

Result = TypeVar("Result")


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
    """Whether the fallback was asked, in vain or not."""

    @property
    def source(self) -> str:
        """Who answered: ``mien`` unless a face's answer is somebody else's."""
        return next((source for _, source in self.faces if source != "mien"), "mien")


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
        batch_wait_s: float = 0.002,
        fallback: Fallback | None = None,
        fallback_wait_s: float = 4.0,
        observe_batch: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Start the threads.

        Args:
            recognizer: Its detector and its network are used in several threads.
            jobs: Threads that decode and search, and as many that classify.
            max_pixels: Larger pictures are refused before they are decoded.
            max_faces: The so many largest faces of a picture are answered.
            batch_size: Faces in a batch.
            batch_wait_s: How long a batch may wait for faces on their way.
            fallback: Whom to ask where the recogniser finds no face or is unsure; None asks nobody.
            fallback_wait_s: How long it is waited for; then our own answer stands.
            observe_batch: Is told the size of each batch.
        """
        cv2.setNumThreads(
            1
        )  # pictures are searched side by side; OpenCV's own threads would be in the way
        self.recognizer = recognizer
        self._max_pixels = max_pixels
        self._max_faces = max_faces
        self._fallback = fallback
        self._fallback_wait_s = fallback_wait_s
        self._num_threads = jobs
        self._pool = ThreadPoolExecutor(self._num_threads, thread_name_prefix="mien-search")
        self._batcher = Batcher(
            lambda crops: recognizer.predict_faces(crops, batch_size),
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
        seen, own = await self._look(data)
        faces, asked = [(face, "mien") for face in own], False
        if self._fallback and is_wanted(own):
            asked = True
            theirs = await self._ask(self._fallback, data)
            if theirs is not None:
                faces = merge(own, theirs[: self._max_faces])
        return Answer(
            width=seen.width,
            height=seen.height,
            faces=faces,
            num_left_out=seen.num_left_out,
            asked=asked,
        )

    async def answer_crops(self, crops: Sequence[bytes]) -> list[Face]:
        """Name the expressions of faces that are cut out, one picture file each.

        Raises:
            Problem: 413 if one has too many pixels, 422 if one cannot be read; the message says which.
        """
        with self._batcher.coming() as hand_over:
            decoded = await asyncio.gather(
                *(self.run(self._decode, data, f"Crop {index}") for index, data in enumerate(crops))
            )
            future = hand_over(decoded)
        return await asyncio.wrap_future(future)

    async def decode(self, data: bytes) -> Image:
        """Decode a picture; see `answer` for what it raises."""
        return await self.run(self._decode, data, "The picture")

    async def run(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Run something in one of the threads that search."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    def warm_up(self) -> None:
        """Let every thread make its detector ready, so that the first request waits for nothing."""
        blank = np.full((240, 320, 3), 128, np.uint8)
        together = threading.Barrier(self._num_threads)

        def look() -> None:
            together.wait()
            self.recognizer.detector.detect(blank)

        for looked in [self._pool.submit(look) for _ in range(self._num_threads)]:
            looked.result()
        for classified in [self._batcher.submit([blank]) for _ in range(self._num_threads)]:
            classified.result()

    def close(self) -> None:
        """Finish what was begun and end the threads."""
        self._pool.shutdown(cancel_futures=True)
        self._batcher.close()
        if self._fallback:
            self._fallback.close()

    def _decode(self, data: bytes, name: str) -> Image:
        try:
            return images.decode(data, name, self._max_pixels)
        except PictureSizeError as error:
            raise Problem(413, "picture_too_large", str(error)) from None
        except ImageError as error:
            raise Problem(422, "no_picture", str(error)) from None

    async def _look(self, data: bytes) -> tuple[_Seen, list[Face]]:
        """Find the faces of a picture file and classify them."""
        with self._batcher.coming() as hand_over:
            seen, future = await self.run(self._see, data, hand_over)
        classified = await asyncio.wrap_future(future)
        return seen, [
            replace(face, box=found.box, score=found.score)
            for face, found in zip(classified, seen.found, strict=True)
        ]

    def _see(
        self, data: bytes, hand_over: Callable[[Sequence[Image]], Future[list[Face]]]
    ) -> tuple[_Seen, Future[list[Face]]]:
        """Search a picture and hand its faces on from the same thread: the event loop has enough to do."""
        image = self._decode(data, "The picture")
        found = self.recognizer.detector.detect(image)
        kept = found[: self._max_faces]
        # Copies, so that a picture is let go while its faces wait.
        crops = [
            np.array(crop_detection(image, one, self.recognizer.detector.frame)) for one in kept
        ]
        height, width = image.shape[:2]
        return _Seen(width, height, kept, len(found) - len(kept)), hand_over(crops)

    async def _ask(self, fallback: Fallback, data: bytes) -> list[Face] | None:
        image = await self.decode(data)
        try:
            async with asyncio.timeout(self._fallback_wait_s):
                return await asyncio.wrap_future(fallback.submit(image))
        except TimeoutError:
            return None
