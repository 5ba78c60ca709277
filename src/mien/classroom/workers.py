"""Threads that recognise: each has a recogniser of its own, and one that a picture stops is replaced."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from mien.errors import MienError

__all__ = ["FrameRefusedError", "Workers"]

logger = logging.getLogger(__name__)

STOP_S = 1.0
"""How long frames that are being looked at are waited for when the server ends. A thread that comes back from native code
while Python goes down aborts the whole program."""
FRAME_TIMEOUT_S = 5.0
"""A picture that takes longer has stopped its thread; the slowest that we saw took a tenth of a second."""
REBUILD_AFTER_S = 5.0
"""After so long a recogniser that could not be built is tried again: files that are being exchanged, or memory, may be back."""

Answer = TypeVar("Answer")


class FrameRefusedError(MienError):
    """A frame gave no answer: it is no picture, or it stopped its worker."""


class Workers(Generic[Answer]):
    """A fixed number of threads; callers wait for a free one."""

    def __init__(
        self,
        build: Callable[[], Callable[[bytes], Answer]],
        count: int,
        timeout_s: float = FRAME_TIMEOUT_S,
    ) -> None:
        """Say what each thread runs.

        Args:
            build: Makes what turns a picture's bytes into an answer; called once a thread, and again for its successor.
            count: How many threads.
            timeout_s: After so long a thread is given up.
        """
        self._build = build
        self._timeout_s = timeout_s
        self.on_replaced: Callable[[], None] = lambda: None
        """Called when a thread was given up."""
        self._free: asyncio.Queue[_Thread[Answer]] = asyncio.Queue()
        self._threads: set[_Thread[Answer]] = set()
        self._replacing: set[asyncio.Task[None]] = set()
        self._count = count
        self._busy_s = 0.0
        self.replaced = 0

    async def start(self) -> None:
        """Start the threads; all recognisers are ready when it returns.

        Raises:
            MienError: If a recogniser cannot be built.
        """
        for _ in range(self._count):
            self._free.put_nowait(await self._new_thread())

    async def stop(self) -> None:
        """Let threads end with what they look at; one that hangs is a daemon and ends with the program."""
        for replacing in self._replacing:
            replacing.cancel()
        threads = list(self._threads)  # one that is given up meanwhile is replaced
        for thread in threads:
            thread.end()
        until_s = time.monotonic() + STOP_S
        for thread in threads:
            await asyncio.to_thread(thread.join, max(0.0, until_s - time.monotonic()))

    def busy_s(self) -> float:
        """Return how long threads have worked, all together."""
        return self._busy_s

    @property
    def count(self) -> int:
        """How many threads there are."""
        return self._count

    async def answer(self, thread: _Thread[Answer], data: bytes) -> Answer:
        """Look at a picture with a thread from `free`; it is free again afterwards, or another as soon as that is built.

        Raises:
            FrameRefusedError: If there is no answer.
        """
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await thread.ask(data)
        except MienError as error:  # no picture, too large: the thread is as good as before
            self._free.put_nowait(thread)
            raise FrameRefusedError(str(error)) from None
        except Exception as error:  # noqa: BLE001 - native libraries raise anything
            kind = type(error).__name__  # never the message: it may quote the picture's bytes
            logger.warning("A frame stopped its worker (%s); it is replaced.", kind)
            self._replace(thread)
            raise FrameRefusedError("The frame could not be looked at.") from None
        else:
            self._free.put_nowait(thread)
            return answer
        finally:
            self._busy_s += time.perf_counter() - began

    async def free(self) -> _Thread[Answer]:
        """Wait for a thread that has nothing to do."""
        return await self._free.get()

    def give_back(self, thread: _Thread[Answer]) -> None:
        """Take back a thread from `free` that was given nothing to do."""
        self._free.put_nowait(thread)

    def _replace(self, thread: _Thread[Answer]) -> None:
        thread.end()
        self._threads.discard(thread)
        self.replaced += 1
        self.on_replaced()
        # Beside the answer: whoever sent the picture does not wait for a recogniser that is not for them.
        replacing = asyncio.create_task(self._free_another())
        self._replacing.add(replacing)
        replacing.add_done_callback(self._replacing.discard)

    async def _free_another(self) -> None:
        """Build until it succeeds; if it were given up, there would be a recogniser less for the rest of the day."""
        while True:
            try:
                self._free.put_nowait(await self._new_thread())
                return
            except Exception as error:  # noqa: BLE001 - native libraries raise anything
                logger.warning(
                    "A recogniser could not be built (%s: %s); it is tried again in %g s.",
                    type(error).__name__,
                    error,
                    REBUILD_AFTER_S,
                )
            await asyncio.sleep(REBUILD_AFTER_S)

    async def _new_thread(self) -> _Thread[Answer]:
        thread = _Thread(self._build, asyncio.get_running_loop())
        self._threads.add(thread)  # at once: `stop` waits for one that is being built too
        try:
            await thread.ready
        except Exception:
            self._threads.discard(thread)
            raise
        return thread


class _Thread(Generic[Answer]):
    """One thread and the two ways of talking to it."""

    def __init__(
        self, build: Callable[[], Callable[[bytes], Answer]], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._loop = loop
        self._asked: queue.SimpleQueue[tuple[bytes, asyncio.Future[Answer]] | None] = (
            queue.SimpleQueue()
        )
        self.ready: asyncio.Future[None] = loop.create_future()
        self._thread = threading.Thread(
            target=self._run, args=(build,), name="recognise", daemon=True
        )
        self._thread.start()

    def ask(self, data: bytes) -> asyncio.Future[Answer]:
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._asked.put((data, answer))
        return answer

    def end(self) -> None:
        self._asked.put(None)

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self, build: Callable[[], Callable[[bytes], Answer]]) -> None:
        try:
            look = build()
        except BaseException as error:  # noqa: BLE001 - raised again where `ready` is awaited
            self._tell(_unless_given_up(self.ready, self.ready.set_exception), error)
            return
        self._tell(_unless_given_up(self.ready, self.ready.set_result), None)
        while (job := self._asked.get()) is not None:
            data, answer = job
            try:
                found = look(data)
            except Exception as error:  # noqa: BLE001 - raised again where the answer is awaited
                self._tell(_unless_given_up(answer, answer.set_exception), error)
            else:
                self._tell(_unless_given_up(answer, answer.set_result), found)
            del job, data  # until the next job comes, the picture would stay in memory

    def _tell(self, call: Callable[..., object], value: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
            self._loop.call_soon_threadsafe(call, value)


def _unless_given_up(
    answer: asyncio.Future[Answer], call: Callable[..., object]
) -> Callable[[object], None]:
    def tell(value: object) -> None:
        if not answer.done():
            call(value)

    return tell
