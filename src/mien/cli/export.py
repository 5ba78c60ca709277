"""`mien export`."""

from __future__ import annotations

__all__ = ["export"]


def export() -> None:
    """export."""
    raise SystemExit(2)
