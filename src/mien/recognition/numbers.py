"""Numbers that callers give: checked where they enter, so that a wrong one is no error of something far below."""

from __future__ import annotations

import numbers

from mien.errors import InputError

__all__ = ["check_number", "check_search_px", "check_whole"]

_LEAST_SEARCH_PX = 64


def check_whole(name: str, value: object, least: int, meaning: str = "") -> None:
    """Refuse what is no whole number, or too small.

    Args:
        name: Of the argument.
        value: What was given.
        least: The smallest that is taken.
        meaning: What the smallest stands for, as in " (one a processor)".

    Raises:
        InputError: If it is either.
    """
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_whole or value < least:  # type: ignore[operator]
        what = "" if is_whole else "a whole number, "
        raise InputError(f"{name} is {value!r}; expected {what}{least}{meaning} or more.")


def check_number(name: str, value: object) -> None:
    """Refuse what is no number; its range is its user's matter.

    Raises:
        InputError: If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InputError(f"{name} is {value!r}; expected a number.")


def check_search_px(value: object) -> None:
    """Refuse a side that pictures are not searched at.

    Raises:
        InputError: If it is no whole number, or too small.
    """
    check_whole("search_px", value, _LEAST_SEARCH_PX)
