"""A progress bar over faces, on the error stream and only where somebody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["faces_progress"]


@contextmanager
def faces_progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show how many of ``total`` faces are done; yields what takes the number done since the last call."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("faces"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("faces", total=total)
        yield lambda done: progress.advance(task, done)
