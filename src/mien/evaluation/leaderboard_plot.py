"""The interval plot of the leaderboard's page: one small SVG a line, all of a table on one scale.

Places are given in percent of the width, so that the plot grows and shrinks with its column and its signs do not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from mien.evaluation.leaderboard_entries import Entry

__all__ = ["Scale", "axis", "interval", "sample"]


@dataclass(frozen=True)
class Scale:
    """What a table's plot shows of 0 to 100 %."""

    first: int
    last: int

    @classmethod
    def over(cls, group: Sequence[Entry]) -> Scale:
        """Return the scale that holds every interval of a group, with a little room."""
        ends = [
            100 * value
            for one in group
            for value in (one.low, one.high, one.accuracy)
            if value is not None
        ]
        return cls(2 * math.floor((min(ends) - 0.5) / 2), 2 * math.ceil((max(ends) + 0.5) / 2))

    @property
    def ticks(self) -> list[int]:
        """Round percentages, four to seven of them."""
        width = self.last - self.first
        step = 1 if width <= 6 else 2 if width <= 12 else 5 if width <= 30 else 10
        return [one for one in range(self.first, self.last + 1) if one % step == 0]

    def place(self, percent: float) -> float:
        """Return where a percentage lies, in percent of the width."""
        return 100 * (percent - self.first) / (self.last - self.first)


def axis(scale: Scale) -> str:
    """Return the numbers above a table's plot."""
    texts = "".join(
        f'<text x="{scale.place(tick):.2f}%" y="90%" text-anchor="middle">{tick}</text>'
        for tick in scale.ticks
    )
    return f'<svg role="presentation">{texts}</svg>'


def interval(one: Entry, kind: str, scale: Scale) -> str:
    """Return one entry's figure with its interval, before the lines of the scale.

    Args:
        one: The entry; without a figure nothing is drawn.
        kind: ``"ours"``, ``"theirs"`` or ``"doubt"``: class and shape of its sign.
        scale: That of its table.
    """
    if one.accuracy is None:
        return ""
    lines = "".join(
        f'<line class="tick" x1="{scale.place(tick):.2f}%" x2="{scale.place(tick):.2f}%" y1="0" y2="100%"/>'
        for tick in scale.ticks
    )
    low, high = (
        None if share is None else scale.place(100 * share) for share in (one.low, one.high)
    )
    shapes = _shapes(kind, scale.place(100 * one.accuracy), low, high)
    said = escape(f"{one.name}: {100 * one.accuracy:.2f} %")
    return f'<svg role="img" aria-label="{said}">{lines}{shapes}</svg>'


def sample(kind: str) -> str:
    """Return the sign of a kind, for the key."""
    return f'<svg role="presentation">{_shapes(kind, 50, 12, 88)}</svg>'


def _shapes(kind: str, value: float, low: float | None, high: float | None) -> str:
    """An interval with its middle: ours a square, published a disc, doubtful a ring, so that no colour is needed."""
    line = ""
    if low is not None and high is not None:
        dashes = ' stroke-dasharray="5 4"' if kind == "doubt" else ""
        line = f'<line class="{kind}" x1="{low:.2f}%" x2="{high:.2f}%" y1="50%" y2="50%" stroke-width="2.5"{dashes}/>'
    if kind == "ours":
        # A square of 10 px around a place in percent: an inner svg carries it there.
        return (
            f'{line}<svg x="{value:.2f}%" y="50%" overflow="visible">'
            f'<rect class="{kind}" x="-5" y="-5" width="10" height="10" rx="1.5"/></svg>'
        )
    return f'{line}<circle class="{kind}" cx="{value:.2f}%" cy="50%" r="5" stroke-width="2"/>'
