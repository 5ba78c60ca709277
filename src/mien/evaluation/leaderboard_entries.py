"""What stands in the leaderboard: our result rows and published figures as one kind of entry, grouped by protocol.

Entries of two protocols never meet in one table: other pictures or another truth make another number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mien.errors import UnknownNameError
from mien.evaluation.intervals import wilson
from mien.evaluation.leaderboard import UNIFORM, table_of_row
from mien.evaluation.protocols import is_chosen_on
from mien.evaluation.published import Published, Seed
from mien.modelfile import ENSEMBLE

__all__ = [
    "FLAGS",
    "SORTS",
    "Entry",
    "entries",
    "entry_of_row",
    "grouped",
    "is_sound",
    "protocol_title",
    "seed_entries",
    "sort_entries",
]

FLAGS: Mapping[str, str] = {
    "chosen_on_split": "chosen on it",
    "external_data": "extra data",
    "ensemble": "ensemble",
    "leak": "leak reported",
}
"""Field of an entry -> how it is called in tables."""

_TITLES = {
    "fer2013": "FER2013's label, seven classes",
    "ferplus-majority": "FER+, strict majority of the votes, eight classes",
    "ferplus-argmax10": "FER+, the most voted of ten columns, unknown and not-a-face among them",
    "ferplus": "FER+, how its votes were used is not said",
    "labels": "labels of other data",
}
_SPLITS = {
    "publictest": "PublicTest: what mien chooses on",
    "privatetest": "PrivateTest: the final test",
    "bothtests": "PublicTest and PrivateTest together",
    "unknown": "split not said: compares with nothing",
}
_ENDINGS = {
    UNIFORM: "answered as if all expressions were equally frequent",
    "-clean": "copies of training left out",
}
"""What stands behind a split, from the last to the first."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the leaderboard. None means that it is not known."""

    name: str
    protocol: str
    is_ours: bool
    accuracy: float | None
    """0 to 1."""
    low: float | None = None
    high: float | None = None
    """Ends of the 95 % interval: by bootstrap for our rows, by Wilson from figure and n for the others."""
    as_written: str | None = None
    macro_f1: float | None = None
    clean: float | None = None
    """Accuracy without the pictures that training holds too, 0 to 1."""
    n: int | None = None
    year: int | None = None
    views: str | None = None
    runs: int = 1
    spread: float | None = None
    """Standard deviation over the runs, 0 to 1."""
    parameters: int | None = None
    chosen_on_split: bool | None = None
    external_data: bool | None = None
    ensemble: bool | None = None
    leak: bool | None = None
    """True where one is reported; None where nobody is known to have looked."""
    leak_source: str | None = None
    source: str | None = None
    """Where it was published; for our rows the command that makes it."""
    commit: str | None = None
    checked: str | None = None
    note: str | None = None

    @property
    def remark(self) -> str:
        """The note as the end of a line; empty for none."""
        return f"; {self.note}" if self.note else ""

    @property
    def flags(self) -> dict[str, bool | None]:
        """Return each of `FLAGS` with whether it holds."""
        return {name: getattr(self, name) for name in FLAGS}


def entries(rows: Sequence[Mapping[str, Any]], published: Iterable[Published]) -> list[Entry]:
    """Return our rows and the published figures that have a number, in no order.

    Args:
        rows: From `leaderboard.read_rows`.
        published: From `published.read_published`, seeds among them.
    """
    seen = Counter(map(_key, rows))
    ours = [entry_of_row(row, with_seed=seen[_key(row)] > 1) for row in rows]
    return ours + [_entry_of_figure(one) for one in published if one.figure is not None]


def entry_of_row(row: Mapping[str, Any], *, with_seed: bool = False) -> Entry:
    """Return one of our result rows as an entry.

    Args:
        row: From `leaderboard.read_rows`.
        with_seed: Whether the name says the seed, because several rows are alike but for it.
    """
    model, scores = row["model"], row["scores"]
    accuracy, macro_f1 = scores["accuracy"], scores["macro_f1"]
    seed = f" (seed {model.get('seed')})" if with_seed else ""
    collapsed, clean = scores.get("collapsed"), scores.get("clean")
    notes = [f"collapsed to one class: {collapsed}"] if collapsed is not None else []
    if model.get("shortened"):
        notes.append(f"shortened to {model['shortened']}")
    return Entry(
        name=f"{model['name']}, {model['format']}{seed}",
        protocol=table_of_row(row),
        is_ours=True,
        accuracy=accuracy["value"],
        low=accuracy["low"],
        high=accuracy["high"],
        macro_f1=macro_f1["value"],
        clean=None if clean is None else clean["accuracy"]["value"],
        n=scores["n"],
        year=int(row["date"][:4]) if "date" in row else None,
        views=row["views"],
        parameters=model.get("parameters"),
        # We choose on PublicTest, so that its scores are slightly too good, and say so.
        chosen_on_split=is_chosen_on(row["protocol"]),
        external_data=model.get("external_data", False),
        ensemble=model.get("architecture") == ENSEMBLE,
        source=row.get("command"),
        commit=row.get("commit"),
        note="; ".join(notes) or None,
    )


def seed_entries(seed: Seed, ours: Iterable[Entry]) -> list[Entry]:
    """Return those of our entries that repeat a seed: by the beginnings of names that the seed gives."""
    return [one for one in ours if one.is_ours and one.name.startswith(seed.ours)]


def grouped(found: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Return the entries by protocol: FER2013 first, then FER+; known splits before unknown ones."""
    groups: dict[str, list[Entry]] = {}
    for one in found:
        groups.setdefault(one.protocol, []).append(one)
    return {name: groups[name] for name in sorted(groups, key=_place)}


SORTS: Mapping[str, Callable[[Entry], Any]] = {
    "accuracy": lambda one: -(one.accuracy or 0),
    "macro-f1": lambda one: -(one.macro_f1 or 0),
    "name": lambda one: one.name.casefold(),
    "year": lambda one: -(one.year or 0),
    "n": lambda one: -(one.n or 0),
}
"""By what a table can be sorted."""


def sort_entries(found: Iterable[Entry], by: str = "accuracy") -> list[Entry]:
    """Sort the entries of one protocol; equal ones stay in the order of their accuracy.

    Raises:
        UnknownNameError: If they cannot be sorted by that.
    """
    if by not in SORTS:
        raise UnknownNameError("order", by, SORTS, "mien leaderboard --help")
    return sorted(sorted(found, key=SORTS["accuracy"]), key=SORTS[by])


def is_sound(one: Entry) -> bool:
    """Whether nothing known speaks against the figure: not chosen on its own split, no leak reported."""
    return not one.chosen_on_split and not one.leak


def protocol_title(protocol: str) -> str:
    """Return what a protocol's name means, in words."""
    base, split, remarks = _taken_apart(protocol)
    title = _TITLES.get(base, base or protocol)
    return " · ".join(part for part in (title, _SPLITS.get(split, split), *remarks) if part)


def _key(row: Mapping[str, Any]) -> tuple[str, ...]:
    return table_of_row(row), row["model"]["name"], row["model"]["format"], row["views"]


def _entry_of_figure(one: Published) -> Entry:
    assert one.figure is not None
    share = one.figure / 100
    # A mean over runs has more than one network's chance in it, which n alone does not tell.
    low, high = (None, None) if one.n is None else wilson(round(share * one.n), one.n)
    return Entry(
        name=one.name,
        protocol=one.protocol,
        is_ours=False,
        accuracy=share,
        low=low,
        high=high,
        as_written=one.as_written,
        n=one.n,
        year=one.year,
        views=one.views,
        runs=one.runs,
        spread=None if one.spread is None else one.spread / 100,
        chosen_on_split=one.chosen_on_split,
        external_data=one.external_data,
        ensemble=one.ensemble,
        leak=None if one.leak is None else True,
        leak_source=one.leak,
        source=one.source,
        checked=one.checked,
        note=one.note,
    )


def _place(protocol: str) -> tuple[int, int, str]:
    families, splits = list(_TITLES), list(_SPLITS)
    base, split, _ = _taken_apart(protocol)
    family = families.index(base) if base in families else len(families)
    return family, splits.index(split) if split in splits else len(splits), protocol


def _taken_apart(protocol: str) -> tuple[str, str, list[str]]:
    """The truth, the split, and in words what stands behind it."""
    remarks: list[str] = []
    for ending, meaning in _ENDINGS.items():
        if protocol.endswith(ending):
            protocol = protocol.removesuffix(ending)
            remarks.insert(0, meaning)
    base, _, split = protocol.rpartition("-")
    return base, split, remarks
