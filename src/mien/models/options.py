"""Range checks that the builders share: each names the architecture and the option."""

from __future__ import annotations

from mien.errors import InputError

__all__ = ["check_dropout", "check_positive"]


def check_positive(architecture: str, **numbers: int) -> None:
    """Check that every number is 1 or more.

    Raises:
        InputError: If one is not.
    """
    for option, number in numbers.items():
        if number < 1:
            raise InputError(f"{architecture}: {option} is {number}; expected 1 or more.")


def check_dropout(architecture: str, dropout: float) -> None:
    """Check that a share of units can be dropped.

    Raises:
        InputError: If it lies outside [0, 1).
    """
    if not 0 <= dropout < 1:
        raise InputError(
            f"{architecture}: dropout is {dropout}; expected 0 up to, but not including, 1."
        )
