"""How a command ends when the system asks it to."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from mien.interrupts import interrupted_by_signals

__all__ = ["drop_lost_output", "removing_what_is_half_written"]


def removing_what_is_half_written() -> AbstractContextManager[None]:
    """While it is entered, SIGTERM and SIGHUP end the command as an exception does; by themselves, they would just drop it.

    Not for servers: who started them tells by the signal that they ended as asked.
    """
    return interrupted_by_signals(lambda number: SystemExit(128 + number))


def drop_lost_output() -> bool:
    """Whether the standard output takes no more, such as a file on a full disk; then nothing more is written to it."""
    if sys.stdout is None:
        return False
    try:
        # A line, since a write that failed may have emptied the buffer: then there is nothing to flush any more.
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError:
        # What is left in the buffer would be written again, and fail again, when Python ends.
        with suppress(OSError, ValueError), Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return True
    return False
