"""How a command ends when the system asks it to."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["removing_what_is_half_written"]


@contextmanager
def removing_what_is_half_written() -> Iterator[None]:
    """While it is entered, SIGTERM ends the command as an exception does; by itself, Python would just drop it.

    Not for servers: who started them tells by the signal that they ended as asked.
    """
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
