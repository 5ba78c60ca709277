"""Being asked by the system to end, heard as an exception: so that what was begun is brought to its end, or taken away."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["heeded", "interrupted_by_signals"]


def heeded(*names: str) -> list[int]:
    """Return the signals of these names that the system has (Windows has no SIGHUP) and that are not ignored, as nohup has SIGHUP."""
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]


@contextmanager
def interrupted_by_signals(
    ending: Callable[[int], BaseException] = lambda _number: KeyboardInterrupt(),
) -> Iterator[None]:
    """While it is entered, SIGTERM and the end of the terminal raise an exception.

    Only the first does: systems send several, and the second would break off the bringing to an end.

    Args:
        ending: Makes it of the signal's number; KeyboardInterrupt, as of Ctrl-C, unless told otherwise.
    """
    asked = False

    def interrupt(number: int, _frame: object) -> None:
        nonlocal asked
        if not asked:
            asked = True
            raise ending(number)

    before = {number: signal.signal(number, interrupt) for number in heeded("SIGTERM", "SIGHUP")}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
