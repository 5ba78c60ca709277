"""How many of a class showed what: shares rounded, of k students or more, or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from mien.classroom.signals.mapping import SignalMapping
from mien.classroom.signals.reports import Aggregate, Withheld
from mien.classroom.signals.states import State

__all__ = ["count_states", "rounded_percent"]


def rounded_percent(count: int, total: int, step: int) -> int:
    """Return a share in percent, rounded to the nearest multiple of ``step``; halves go up.

    In whole numbers, so that 0.15 is never 0.1499….
    """
    return (200 * count + step * total) // (2 * step * total) * step


def count_states(
    states: Sequence[State],
    known: Iterable[State],
    mapping: SignalMapping,
    *,
    time_s: float,
    published_s: float,
    num_waiting: int,
) -> Aggregate:
    """Count one window of those who may be counted together.

    Args:
        states: One a counted student; in whatever order.
        known: All states that there are in this mode.
        mapping: k and the rounding.
        time_s: End of the window.
        published_s: When the aggregate is let out.
        num_waiting: How many others are there.

    Returns:
        Shares of everybody counted, with no data as a share of its own; without shares where fewer than k are counted
        or fewer than k gave data.
    """
    settings = mapping.aggregate
    counts = Counter(states)
    num_valid = len(states) - counts[State.NO_DATA]
    withheld = None
    if len(states) < settings.min_students:
        withheld = Withheld.FEW_MEMBERS
    elif num_valid < settings.min_students:
        withheld = Withheld.FEW_VALID
    return Aggregate(
        time_s=time_s,
        published_s=published_s,
        mapping_id=mapping.id,
        num_present=len(states),
        num_waiting=num_waiting,
        num_valid=None if withheld else num_valid,
        percent=None
        if withheld
        else {
            state: rounded_percent(counts[state], len(states), settings.round_percent)
            for state in known
        },
        withheld=withheld,
    )
