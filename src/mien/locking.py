"""Whether somebody works on a file: a lock of the system, which ends with the process that holds it, however that ends."""

from __future__ import annotations

import os
import sys
from typing import IO, Any

__all__ = ["try_lock"]

_FAR_BEYOND = 1 << 30
"""The byte that Windows locks: what it locks nobody else can read."""


def try_lock(file: IO[Any]) -> bool:
    """Lock a file that is open for writing, until it is closed.

    Returns:
        False if it is locked already, by this process or another one. True without a lock where its file system has none.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(file.fileno(), _FAR_BEYOND, os.SEEK_SET)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True
