"""Faces of many requests through the network together: one thread, one session, batches as they come."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

from mien.types import Face, Image

__all__ = ["Batcher"]

Faces = Sequence[Image]
Waiting = tuple[Faces, Future[list[Face]]]


class Batcher:
    """Collects faces and classifies them in its own thread.

    While a batch is being classified the next one fills up by itself. Only when there are fewer faces than fit, and
    other pictures are already being searched, does it wait for theirs, and never longer than it was told.
    """

    def __init__(
        self,
        classify: Callable[[Faces], list[Face]],
        most: int,
        wait_s: float,
        observe: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Start the thread.

        Args:
            classify: Names the expressions of faces that are cut out; called in one thread only.
            most: Faces in a batch; those of one request stay together, and a larger one goes alone.
            wait_s: How long a batch may wait for faces that are on their way.
            observe: Is told the size of each batch.
        """
        self._classify = classify
        self._most = most
        self._wait_s = wait_s
        self._observe = observe
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._coming = 0
        self._counting = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="mien-batches", daemon=True)
        self._thread.start()

    @contextmanager
    def coming(self) -> Generator[None]:
        """Say that faces will be submitted, by the end of the block at the latest."""
        with self._counting:
            self._coming += 1
        try:
            yield
        finally:
            with self._counting:
                self._coming -= 1

    def submit(self, faces: Faces) -> Future[list[Face]]:
        """Have faces classified.

        Args:
            faces: Crops, each uint8 (H, W, 3) RGB or (H, W) grey.

        Returns:
            A future with one answer a crop, in their order. One that is cancelled in time is never classified.
        """
        future: Future[list[Face]] = Future()
        if faces:
            self._waiting.put((faces, future))
        else:
            future.set_result([])
        return future

    def close(self) -> None:
        """Classify what was submitted, then end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        kept: Waiting | None = None
        while True:
            first = kept or self._waiting.get()
            if first is None:
                return
            batch, kept, is_last = self._fill(first)
            self._answer(batch)
            if is_last:
                return

    def _fill(self, first: Waiting) -> tuple[list[Waiting], Waiting | None, bool]:
        """Return a batch, the request that did not fit into it, and whether it is the last."""
        batch, size = [first], len(first[0])
        until = time.monotonic() + self._wait_s
        while size < self._most:
            try:
                left_s = until - time.monotonic() if self._coming else 0
                request = (
                    self._waiting.get(timeout=left_s) if left_s > 0 else self._waiting.get_nowait()
                )
            except queue.Empty:
                break
            if request is None:
                return batch, None, True
            if size + len(request[0]) > self._most:
                return batch, request, False
            batch.append(request)
            size += len(request[0])
        return batch, None, False

    def _answer(self, batch: list[Waiting]) -> None:
        wanted = [
            (faces, future) for faces, future in batch if future.set_running_or_notify_cancel()
        ]
        crops = [face for faces, _ in wanted for face in faces]
        if not crops:
            return
        try:
            self._observe(len(crops))
            answers = iter(self._classify(crops))
            for faces, future in wanted:
                future.set_result([next(answers) for _ in faces])
        except Exception as error:  # noqa: BLE001 - raised again where the request waits for it
            for _, future in wanted:
                if not future.done():
                    future.set_exception(error)
