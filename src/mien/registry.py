"""A table of named records. Models, data sets and detectors are entries of one; nothing is looked up by parsing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from mien.errors import UnknownNameError

__all__ = ["Registry"]


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Entry = TypeVar("Entry", bound=_Named)


class Registry(Generic[Entry]):
    """Records by name, in the order in which they were given."""

    def __init__(self, kind: str, where: str, entries: tuple[Entry, ...]) -> None:
        """Make a registry.

        Args:
            kind: What an entry is, for messages: ``"model"``.
            where: How a user lists the entries: ``"mien models"``.
            entries: The records; their names differ.
        """
        self._kind = kind
        self._where = where
        self._entries = {entry.name: entry for entry in entries}
        assert len(self._entries) == len(entries), f"two {kind}s share a name"

    def __getitem__(self, name: str) -> Entry:
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownNameError(self._kind, name, self._entries, self._where) from None

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in order."""
        return tuple(self._entries)
