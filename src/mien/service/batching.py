"""Faces of many requests through the network together: one session, batches as they come, a thread for each at work."""

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
    """Collects faces and classifies them in threads of its own.

    While batches are being classified the next one fills up by itself. Only when there are fewer faces than fit, and
    other pictures are already being searched, does it wait for theirs, and never longer than it was told.
    """

    def __init__(
        self,
        classify: Callable[[Faces], list[Face]],
        most: int,
        wait_s: float,
        observe: Callable[[int], None] = lambda _: None,
        num_threads: int = 1,
    ) -> None:
        """Start the threads.

        Args:
            classify: Names the expressions of faces that are cut out; called in all the threads.
            most: Faces in a batch; those of one request stay together, and a larger one goes alone.
            wait_s: How long a batch may wait for faces that are on their way.
            observe: Is told the size of each batch.
            num_threads: Batches that are classified at the same time. A network of one thread each keeps all processors at
                work with fewer of them idle at the end of a batch than one that shares out its layers.
        """
        self._classify = classify
        self._most = most
        self._wait_s = wait_s
        self._observe = observe
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._coming = 0
        self._counting = threading.Lock()
        self._turn = threading.Lock()  # of the thread that fills the next batch
        self._kept: Waiting | None = None
        self._is_closed = False
        self._threads = [
            threading.Thread(target=self._run, name="mien-batches", daemon=True)
            for _ in range(num_threads)
        ]
        for thread in self._threads:
            thread.start()

    @contextmanager
    def coming(self) -> Generator[Callable[[Faces], Future[list[Face]]]]:
        """Say that faces are on their way, until they are submitted or the block ends.

        Returns:
            `submit` for these faces. Batches do not wait for them any more once it is called, in whatever thread.
        """
        is_open = True

        def arrive() -> None:
            nonlocal is_open
            with self._counting:
                self._coming -= is_open
                is_open = False

        def hand_over(faces: Faces) -> Future[list[Face]]:
            arrive()  # first, or the batch would wait for what it has already
            return self.submit(faces)

        with self._counting:
            self._coming += 1
        try:
            yield hand_over
        finally:
            arrive()

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
        """Classify what was submitted, then end the threads."""
        self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._turn:
                batch = [] if self._is_closed else self._fill()
            if not batch:
                return
            self._answer(batch)

    def _fill(self) -> list[Waiting]:
        """Wait for a request and return it with those that fit beside it; nothing at the end of all."""
        first = self._kept or self._waiting.get()
        self._kept = None
        if first is None:
            self._is_closed = True
            return []
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
                self._is_closed = True
                break
            if size + len(request[0]) > self._most:
                self._kept = request
                break
            batch.append(request)
            size += len(request[0])
        return batch

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
