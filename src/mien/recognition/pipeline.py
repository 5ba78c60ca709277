"""Work on a row of items in threads, with few of them in memory at any time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
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

    with ThreadPoolExecutor(workers, thread_name_prefix="mien") as pool:
        maker = threading.Thread(target=make, name="mien-items", daemon=True)
        maker.start()
        try:
            yield from _grouped(made, slots, group)
        finally:
            stopped.set()
            slots.release()
            maker.join()
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

    taker = threading.Thread(target=take, name="mien-newest", daemon=True)
    taker.start()
    try:
        while True:
            with changed:
                changed.wait_for(lambda: latest or ended)
                if not latest:
                    break
                item = latest.pop()
            yield item
    finally:
        with changed:
            stopped = True
        taker.join()
    if failures:
        raise failures[0]
