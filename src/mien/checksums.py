"""The SHA-256 of a file, by which two files are told apart to the last byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mien.errors import InputError

__all__ = ["sha256_of"]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal; the file is read in pieces, so it may be larger than the memory.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
