"""Figures that others have published, from `published.toml` beside this file: each with what one must know to read it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from mien.errors import DataError

__all__ = ["CHECKED", "PUBLISHED", "Published", "Seed", "read_published"]

PUBLISHED = Path(__file__).with_name("published.toml")

CHECKED = ("code", "text", "second hand")
"""How far a figure was followed to its source: into the code that made it, to the text that gives it, or not."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """One published figure. None means that it is not known."""

    name: str
    protocol: str
    """As mien's protocols are called; ``…-unknown`` where the split is not said."""
    checked: str
    """One of `CHECKED`."""
    figure: float | None = None
    """Percent correct, as reported."""
    as_written: str | None = None
    """How they wrote it, where that is no plain number."""
    year: int | None = None
    n: int | None = None
    """Pictures of the split."""
    runs: int = 1
    """Of how many runs the figure is the mean."""
    spread: float | None = None
    """Standard deviation over the runs, points."""
    chosen_on_split: bool | None = None
    """Whether epochs, rates or runs were chosen by the score that is reported."""
    external_data: bool | None = None
    ensemble: bool | None = None
    leak: str | None = None
    """Where it is reported that copies of test pictures were trained on; None if no such report is known."""
    views: str | None = None
    source: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        if self.checked not in CHECKED:
            raise DataError(
                f"'{self.name}' is checked '{self.checked}'; expected one of {', '.join(CHECKED)}."
            )
        if self.figure is not None and not 0 < self.figure < 100:
            raise DataError(f"'{self.name}' has a figure of {self.figure}; expected percent.")


@dataclass(frozen=True, kw_only=True)
class Seed(Published):
    """A figure of one of the four projects that mien starts from, and how mien repeats it."""

    number: int
    ours: tuple[str, ...]
    """How the names of the models begin that repeat it."""
    how: str
    """What is repeated."""


_Kind = TypeVar("_Kind", bound=Published)


def read_published(file: Path = PUBLISHED) -> tuple[tuple[Published, ...], tuple[Seed, ...]]:
    """Return the published figures and those of the seeds, in the order of the file.

    Raises:
        DataError: If the file cannot be read, lacks a field or has one that is not known.
    """
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read as TOML: {error}.") from None
    return (
        tuple(_record(Published, one, file) for one in tables.get("figure", ())),
        tuple(
            _record(Seed, {**one, "ours": tuple(one.get("ours", ()))}, file)
            for one in tables.get("seed", ())
        ),
    )


def _record(kind: type[_Kind], values: dict[str, Any], file: Path) -> _Kind:
    known = {field.name for field in fields(kind)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise DataError(
            f"{file}: '{values.get('name', '?')}' has {', '.join(unknown)}; expected some of {', '.join(sorted(known))}."
        )
    try:
        return kind(**values)
    except TypeError as error:
        raise DataError(f"{file}: '{values.get('name', '?')}' lacks a field: {error}.") from None
