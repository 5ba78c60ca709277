"""Work on a row of items in threads, with few of them in memory at any time."""

from __future__ import annotations

import atexit
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["in_order", "newest"]

Item = TypeVar("Item")
Result = TypeVar("Result")

Work = queue.SimpleQueue[tuple[Item, Future[Result]] | None]
"""Items whose results are being made; None is the end."""


def in_order(
    function: Callable[[Item], Result],
    items: Generator[Item],
    *,
    workers: int,
    window: int,
    group: int,
) -> Generator[list[tuple[Item, Result]]]:
    """Apply a function to items while the next are being made and the last are being used.

    One thread makes the items, ``workers`` threads apply the function, the caller's thread takes the results. When
    the caller stops, early or not, all of them have come to rest.

    Args:
        function: Is called in several threads at once.
        items: Is used and closed in that one thread.
        workers: How many threads apply the function.
        window: At most so many items are made and not yet handed on.
        group: At most so many are handed on at once.

    Yields:
        Items with their results in the order of the items, as many as there are and at least one.

    Raises:
        Exception: What ``items`` or ``function`` raises, once all results before it are handed on.
    """
    slots = threading.Semaphore(window)
    stopped = threading.Event()
    made: Work[Item, Result] = queue.SimpleQueue()
    failures: list[BaseException] = []

    def make() -> None:
        try:
            # The place first, then the item: what waited for its place would be old by then.
            while slots.acquire() and not stopped.is_set():
                item = next(items)
                made.put((item, pool.submit(function, item)))
        except StopIteration:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again where the caller can catch it
            failures.append(error)
        finally:
            items.close()
            made.put(None)

    def stop() -> None:
        stopped.set()
        slots.release()

    with ThreadPoolExecutor(workers, thread_name_prefix="mien") as pool:
        try:
            with _running(make, stop, "mien-items"):
                yield from _grouped(made, slots, group)
        finally:
            pool.shutdown(cancel_futures=True)
    if failures:
        raise failures[0]


def _grouped(
    made: Work[Item, Result], slots: threading.Semaphore, most: int
) -> Generator[list[tuple[Item, Result]]]:
    group: list[tuple[Item, Result]] = []
    while (work := made.get()) is not None:
        item, future = work
        try:
            group.append((item, future.result()))
        except Exception:
            if group:
                yield group
            raise
        slots.release()
        if len(group) >= most or made.empty():
            yield group
            group = []
    if group:
        yield group


def newest(items: Generator[Item]) -> Generator[Item]:
    """Take from items that come at their own pace the newest there is; those that nobody had time for are lost.

    Args:
        items: Is used and closed in a thread of its own.

    Yields:
        Each item at most once.

    Raises:
        Exception: What ``items`` raises.
    """
    changed = threading.Condition()
    latest: list[Item] = []
    failures: list[BaseException] = []
    stopped = ended = False

    def take() -> None:
        nonlocal ended
        try:
            for item in items:
                with changed:
                    if stopped:
                        return
                    latest[:] = [item]
                    changed.notify()
        except BaseException as error:  # noqa: BLE001 - raised again where the caller can catch it
            failures.append(error)
        finally:
            items.close()
            with changed:
                ended = True
                changed.notify()

    def stop() -> None:
        nonlocal stopped
        with changed:
            stopped = True

    with _running(take, stop, "mien-newest"):
        while True:
            with changed:
                changed.wait_for(lambda: latest or ended)
                if not latest:
                    break
                item = latest.pop()
            yield item
    if failures:
        raise failures[0]


@contextmanager
def _running(work: Callable[[], None], stop: Callable[[], None], name: str) -> Iterator[None]:
    """Run ``work`` in a thread; at the end of the block, or of the program, it is told to stop and waited for.

    A program may end while the block is suspended in a generator that nobody closed. Python does not wait for a daemon
    thread but kills it at its next step, which inside OpenCV aborts the program; for one that is none it waits before any
    hook could tell it to stop. So it is a daemon that is joined by a hook: without it, tests/recognition/test_pipeline.py
    sees the abort.
    """
    thread = threading.Thread(target=work, name=name, daemon=True)

    def end() -> None:
        stop()
        thread.join()

    thread.start()
    atexit.register(end)
    try:
        yield
    finally:
        atexit.unregister(end)
        end()
