"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replacing"]


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
