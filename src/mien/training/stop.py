"""Ending a sitting between two batches, so that the run can be resumed bit-exactly."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType

from mien.interrupts import heeded

__all__ = ["SignalStop", "StopRequested"]


class StopRequested(Exception):  # noqa: N818 - a wish, not an error
    """A reporter asks to end the sitting after this batch; the state is saved and the run can go on later.

    Not KeyboardInterrupt: that can strike in the middle of a step, and half a step cannot be resumed.
    """


class SignalStop:
    """While it is entered, Ctrl-C, SIGTERM and the end of the terminal wait for the end of a batch.

    A second Ctrl-C or SIGTERM does not wait.
    """

    def __init__(self) -> None:
        """Nothing has been signalled yet."""
        self._signalled = False

    def check(self) -> None:
        """Raise `StopRequested` if a signal has come."""
        if self._signalled:
            raise StopRequested

    def __enter__(self) -> SignalStop:
        numbers = (signal.SIGINT, signal.SIGTERM, *heeded("SIGHUP"))
        self._previous = {number: signal.signal(number, self._note) for number in numbers}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        # A shell and the system both send SIGHUP where a terminal ends: it comes twice.
        if self._signalled and number in {signal.SIGINT, signal.SIGTERM}:
            raise KeyboardInterrupt
        self._signalled = True
