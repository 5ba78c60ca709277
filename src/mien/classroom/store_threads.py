"""Calls to the store, which block, from the one thread that moves lessons on and must not."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, TypeVar

from mien.classroom.store import StoreError

__all__ = ["ASK_S", "StoreThreads", "answer_in_time"]

ASK_S = 5.0
"""A store that takes longer to answer a request is away; what it was asked to do may still be done."""

P = ParamSpec("P")
T = TypeVar("T")


@asynccontextmanager
async def answer_in_time() -> AsyncIterator[None]:
    """Give up what somebody waits for.

    Raises:
        StoreError: If it takes longer than `ASK_S`.
    """
    try:
        async with asyncio.timeout(ASK_S):
            yield
    except TimeoutError:
        raise StoreError(f"The store has not answered within {ASK_S:g} s.") from None


class StoreThreads:
    """Threads of requests, and one that writes: requests must not stand in line behind a write that waits for a lock."""

    def __init__(self) -> None:
        """Start none; each comes when it is needed."""
        self._requests = ThreadPoolExecutor(4, "store-requests")
        self._writes = ThreadPoolExecutor(1, "store-writes")

    async def ask(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call of which somebody waits for the answer.

        Raises:
            StoreError: If it fails, or takes too long.
        """
        async with answer_in_time():
            return await self.ask_patiently(call, *args, **kwargs)

    async def ask_patiently(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call that may take as long as the store's own limits allow."""
        bound = functools.partial(call, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._requests, bound)

    async def write(self, call: Callable[..., Any], *args: Any) -> Any:
        """Run a call that writes what lessons leave behind; one after the other."""
        return await asyncio.get_running_loop().run_in_executor(self._writes, call, *args)

    def close(self) -> None:
        """Begin no more calls."""
        for pool in (self._requests, self._writes):
            pool.shutdown(wait=False, cancel_futures=True)
