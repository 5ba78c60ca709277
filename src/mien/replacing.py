"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mien.errors import InputError

__all__ = ["check_new_folder", "check_writable", "replacing", "whole_file", "whole_folder"]


@contextmanager
def replacing(path: Path, *, flush: bool = False) -> Iterator[Path]:
    """Give a path to write to, and put what was written in the place of ``path`` at the end; after an error nothing is left.

    A link stays a link, and the file that it names is replaced. A device or a pipe cannot be replaced: it is written to
    itself.

    Args:
        path: Where the file shall stand; folders on the way are made. The path that is given has the same ending.
        flush: Wait until the disk has it before it takes the other's place.

    Raises:
        OSError: If the disk does not take it.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    target = path.resolve()
    partial = target.with_name(f".{secrets.token_hex(8)}{target.suffix}")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        if flush:
            with partial.open("rb") as written:
                os.fsync(written.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_file(file: Path) -> Iterator[Path]:
    """Give a path to write to as `replacing` does, with one line for users where that cannot be done.

    Args:
        file: Where it shall stand; folders on the way are made, an earlier file is replaced.

    Raises:
        InputError: If ``file`` is a folder, or the disk does not take it. Nothing is left behind then.
    """
    if file.is_dir():
        raise InputError(f"{file} is a folder; expected the name of a file to write.")
    try:
        with replacing(file) as partial:
            yield partial
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror or error}.") from None


def check_writable(file: Path) -> None:
    """Make the folders on the way to a file that is to be written later, before time is spent on what goes into it.

    Raises:
        InputError: If ``file`` is a folder, or nothing can be written there.
    """
    if file.is_dir():
        raise InputError(f"{file} is a folder; expected the name of a file to write.")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror or error}.") from None
    is_device = file.exists() and not file.is_file()  # written to where it is, not replaced
    if not is_device and not os.access(file.parent, os.W_OK):
        raise InputError(f"{file} cannot be written: {file.parent} is read-only for this user.")


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill, and rename it to ``folder`` at the end.

    Args:
        folder: Where it shall stand: a path that is free, or an empty folder.

    Raises:
        InputError: If something stands there already, or the disk does not take it. Nothing is left behind then.
    """
    check_new_folder(folder)
    partial: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        yield partial
        partial.chmod(0o777 & ~_umask())  # mkdtemp's folders are for their owner alone
        partial.rename(folder)  # also over an empty folder
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}.") from None
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def check_new_folder(folder: Path) -> None:
    """Refuse a folder that holds something, before minutes are spent on filling it.

    Raises:
        InputError: If ``folder`` is a file, or a folder that is not empty.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; expected a new folder to write to.")
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty; nothing is overwritten. Give a new folder.")


def _umask() -> int:
    """The mask can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
