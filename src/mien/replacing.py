"""Files and folders that appear whole or not at all, and what is refused before that."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mien.errors import ConfigError, InputError
from mien.utf8 import write_text

__all__ = [
    "check_new_folder",
    "check_target",
    "replacing",
    "temporary_folder",
    "whole_file",
    "whole_folder",
    "write_whole",
]


@contextmanager
def replacing(
    path: Path,
    *,
    flush: bool = False,
    mode: int | None = None,
    keep: Callable[[], bool] | None = None,
) -> Iterator[Path]:
    """Give a path to write to, and put what was written in the place of ``path`` at the end; after an error nothing is left.

    A link stays a link, and the file that it names is replaced. A device or a pipe cannot be replaced: it is written to
    itself.

    Args:
        path: Where the file shall stand; folders on the way are made. The path that is given has the same ending.
        flush: Wait until the disk has it before it takes the other's place, and then has its name.
        mode: Its permissions from the first byte on, for what others may not read; None as of any new file. With it, owner and
            group of an earlier file stay where the system lets us, so that who reads it now still can: root may write it.
        keep: Asked at the end of the block, after an error too, whether what was written takes the place; for what is of
            use when it was interrupted, and for what may turn out to be nothing. Without it, all is taken that ended well.

    Raises:
        OSError: If the disk does not take it.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    target = Path(os.path.realpath(path))  # Path.resolve raises on a link to itself
    # Beside the target, so that the rename stays within one file system.
    partial = target.with_name(f".{secrets.token_hex(8)}{path.suffix}")
    _make_folder(target.parent)
    ended_well = False
    try:
        if mode is not None:
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
            _keep_owner(target, partial)
        try:
            yield partial
            ended_well = True
        finally:
            if ended_well if keep is None else keep():
                if flush:
                    _flush(partial)
                partial.replace(target)
                if flush:
                    _flush(target.parent)
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


def write_whole(file: Path, text: str) -> None:
    """Write a text as `whole_file` has a file written.

    Raises:
        InputError: If ``file`` is a folder, or the disk does not take it.
    """
    with whole_file(file) as partial:
        write_text(partial, text)


def check_target(path: Path, what: str, suffixes: Sequence[str] = ()) -> None:
    """Refuse a file that could not be written, before time is spent on what goes into it.

    Nothing is made yet: folders on the way come with the file, so that a refused command leaves none.

    Args:
        path: The file that is to be written later, by `replacing` or what stands on it.
        what: What names it, for the message: ``--json``, or ``The table``.
        suffixes: The endings that it may have, in small letters; without, any will do.

    Raises:
        ConfigError: If it ends otherwise, is a folder, or nothing can be written there.
    """
    if suffixes and path.suffix.lower() not in suffixes:
        found = f"ends in '{path.suffix}'" if path.suffix else "has no ending"
        *others, last = suffixes
        wanted = f"{', '.join(others)} or {last}" if others else last
        raise ConfigError(f"{what} {path} {found}; expected {wanted}.")
    try:
        if path.is_dir():
            raise ConfigError(f"{what} {path} is a folder. Name a file.")
        if path.exists() and not path.is_file():
            return  # a device or a pipe: it is written to where it is
        folder = Path(os.path.realpath(path)).parent
        while not folder.exists():
            folder = folder.parent
        problem = _obstacle(folder)
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        problem = error.strerror
    if problem is not None:
        raise ConfigError(f"{what} {path} cannot be written: {problem}.")


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """Give a folder among the system's temporary files that other users cannot read, and remove it with all it holds at the end.

    Args:
        prefix: How its name begins.

    Raises:
        ConfigError: If there is no place for one, as on a disk that is full or read-only.
    """
    try:
        folder = tempfile.mkdtemp(prefix=prefix)
    except OSError as error:
        raise ConfigError(
            f"No folder for temporary files can be made: {error.strerror or error}. Name a place with TMPDIR."
        ) from None
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
        _make_folder(folder.parent)
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


def _obstacle(folder: Path) -> str | None:
    if not folder.is_dir():
        return f"{folder} is no folder"
    return None if os.access(folder, os.W_OK) else f"{folder} is read-only for this user"


def _make_folder(folder: Path) -> None:
    # What writes next says that a file in its place is no folder; mkdir's words for it are "File exists".
    with suppress(FileExistsError):
        folder.mkdir(parents=True, exist_ok=True)


def _keep_owner(target: Path, partial: Path) -> None:
    with suppress(FileNotFoundError, PermissionError):
        status = target.stat()
        os.chown(partial, status.st_uid, status.st_gid)


def _umask() -> int:
    """The mask can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _flush(path: Path) -> None:
    """Make sure that a file's bytes, or a folder's names, have reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
