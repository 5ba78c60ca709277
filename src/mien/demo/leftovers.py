"""The folder for uploads and results, which goes when the page ends; and those of pages that could not remove theirs."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mien.replacing import temporary_folder

__all__ = ["own_temporary_folder"]

_PREFIX = "mien-demo-"
_LOCK = ".in-use"
"""A file in the folder that is locked as long as its page lives: the system lets go of it however the page ends."""


@contextmanager
def own_temporary_folder() -> Iterator[None]:
    """Keep uploads where only this user can read them, and remove all of them at the end.

    Whatever is written to a temporary folder meanwhile, by Gradio or by us, is written there. Gradio reads its variables
    when it is imported, so this comes before.

    Raises:
        ConfigError: If there is no place for temporary files.
    """
    with temporary_folder(_PREFIX) as folder:
        _remove_abandoned(folder.parent)
        lock = _lock(folder)
        # One of Gradio's own: it does not copy what lies there already, and ours go when they have been shown.
        ours = {"GRADIO_TEMP_DIR": str(folder / "gradio"), "GRADIO_ANALYTICS_ENABLED": "False"}
        before = {name: os.environ.get(name) for name in ours}
        usual = tempfile.tempdir
        os.environ.update(ours)
        tempfile.tempdir = str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = usual
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            if lock is not None:
                os.close(lock)


def _lock(folder: Path) -> int | None:
    """Say that the folder is in use; return the open file that says so. None on Windows, which has no such locks."""
    if os.name != "posix":
        return None
    import fcntl

    # It gets its name when it is locked already, so that nobody meets it unlocked in between.
    unnamed = folder / f"{_LOCK}.new"
    file = os.open(unnamed, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(file, fcntl.LOCK_EX)
    unnamed.rename(folder / _LOCK)
    return file


def _remove_abandoned(place: Path) -> None:
    """Remove the folders of this user's pages that were killed: their pictures would stay for ever."""
    if os.name != "posix":
        return
    for folder in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another page was quicker
            found = folder.lstat()
            is_ours = found.st_uid == os.getuid() and stat.S_ISDIR(found.st_mode)
            if is_ours and _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    import fcntl

    file = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True
