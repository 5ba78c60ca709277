"""Being asked by the system to end, heard as an exception: so that what was begun is brought to its end, or taken away."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["interrupted_by_signals"]


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

    before = {}
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores it
            before[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
