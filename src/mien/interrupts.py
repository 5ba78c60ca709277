"""Being asked by the system to end, heard as Ctrl-C is: so that what was begun is brought to its end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["answering_signals", "interrupted_by_signals"]


@contextmanager
def answering_signals(answer: Callable[[int], None]) -> Iterator[None]:
    """While it is entered, SIGTERM and the end of the terminal call ``answer`` with their number, unless they are ignored."""
    before = {}
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores it
            before[number] = signal.signal(number, lambda number, _: answer(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """While it is entered, SIGTERM and the end of the terminal raise KeyboardInterrupt, as Ctrl-C does.

    Only the first does: systems send several, and the second would break off the bringing to an end.
    """
    asked = False

    def interrupt(_: int) -> None:
        nonlocal asked
        if not asked:
            asked = True
            raise KeyboardInterrupt

    with answering_signals(interrupt):
        yield
