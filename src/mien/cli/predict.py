"""`mien predict`."""

from __future__ import annotations

__all__ = ["predict"]


def predict() -> None:
    """predict."""
    raise SystemExit(2)
