"""Names of files as OpenCV and its FFmpeg can be told them: they take UTF-8 only, and end the program on anything else."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mien.errors import VideoError
from mien.utf8 import is_text

__all__ = ["ffmpeg_name"]


@contextmanager
def ffmpeg_name(path: Path) -> Iterator[str]:
    """Give a name by which FFmpeg opens a file, or makes one that is not there yet.

    Args:
        path: The file. Its name may hold any bytes.

    Yields:
        The whole path (FFmpeg would take ``a:b.mp4`` for a protocol), or a link to it; a link is gone after the block,
        so the file must be open by then.

    Raises:
        VideoError: If the name is no UTF-8 and no link can be made.
    """
    whole = os.path.realpath(path)
    if is_text(whole):
        yield whole
        return
    suffix = path.suffix if is_text(path.suffix) else ""
    with tempfile.TemporaryDirectory(prefix="mien-") as folder:
        link = Path(folder, f"film{suffix}")
        try:
            link.symlink_to(whole)
        except OSError as error:
            raise _refused(
                path, f"a link to it cannot be made: {error.strerror or error}"
            ) from None
        if not is_text(str(link)):
            raise _refused(path, "neither is the folder for temporary files")
        yield str(link)


def _refused(path: Path, why: str) -> VideoError:
    return VideoError(f"{path} has a name that is no UTF-8, and {why}. Rename it.")
