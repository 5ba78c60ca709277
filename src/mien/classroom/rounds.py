"""What the server does again and again for as long as it runs; who does what is said in `school`."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

__all__ = ["for_ever"]

logger = logging.getLogger(__name__)

PAUSE_S = 1.0
"""After a round that failed, so that one which fails each time fills neither the log nor the processor."""


async def for_ever(what: str, step: Callable[[], Awaitable[object]], every_s: float = 0.0) -> None:
    """Go round until cancelled. An error ends one round and not those after it: nobody would start them again.

    Args:
        what: What is done, as the log says it.
        step: One round.
        every_s: From one beginning to the next; the first comes after so long. A round that takes longer leaves a
            twentieth of it to everybody else.
    """
    began_s = time.monotonic()
    while True:
        await asyncio.sleep(max(every_s / 20, every_s - (time.monotonic() - began_s)))
        began_s = time.monotonic()
        try:
            await step()
        except Exception:
            logger.exception("%s went wrong; it goes on in a moment.", what)
            await asyncio.sleep(PAUSE_S)
