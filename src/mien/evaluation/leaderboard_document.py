"""`docs/leaderboard.md`: the leaderboard as Markdown, made from result rows and published figures alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mien.evaluation.leaderboard_entries import (
    FLAGS,
    Entry,
    entries,
    grouped,
    protocol_title,
    seed_entries,
    sort_entries,
)
from mien.evaluation.leaderboard_studies import StudyLine, study_text
from mien.evaluation.published import Published, Seed

__all__ = ["leaderboard_document"]

_HEAD = """\
# Leaderboard

Made by `mien leaderboard --write docs/leaderboard.md` from the rows in `results/` and from
`src/mien/evaluation/published.toml`; change those, not this page. The same as a page to sort and filter, with a plot:
`mien leaderboard --html leaderboard.html`.

How to read it:

- **One table a protocol.** Other pictures, or another truth for the same pictures, make another number; the tables do not
  compare with each other. A table of an unknown split compares with nothing, itself included.
- **95 %** is the interval that chance in the choice of pictures leaves: by bootstrap for our rows, from the figure and n alone
  for published ones. Figures whose intervals overlap may have changed places on other pictures.
- **without copies**: the accuracy without those test pictures that Training holds too, to the pixel: about 8 % of each of
  FER2013's test splits. Published figures count them in.
- **chosen on it**: epochs, rates or runs were chosen by the score that is reported, which is then too good. That holds for all
  of ours on PublicTest.
- **extra data**: trained on more than FER2013, ImageNet weights among it. **ensemble**: several networks answer together.
  **leak reported**: somebody reports that copies of test pictures were trained on, and says where.
- **?** means that it is not known, not that it is not so. ° marks figures that were taken from others' tables because their own
  source was not at hand; ✓ those that were followed into the code that made them.
- **Bold** is ours. Nothing is ranked: order is by the figure, and the flags say what it is worth.
"""

_COLUMNS = (
    "%, with 95 %",
    "model",
    "year",
    "n",
    "views",
    "macro-F1",
    "without copies",
    *FLAGS.values(),
)


def leaderboard_document(
    rows: Sequence[Mapping[str, Any]],
    published: Sequence[Published],
    seeds: Sequence[Seed],
    studies: Sequence[StudyLine] = (),
) -> str:
    """Return the document.

    Args:
        rows: From `leaderboard.read_rows`.
        published: Figures of others.
        seeds: Figures of the projects that mien starts from.
        studies: From `leaderboard_studies.read_studies`; those whose names begin as a seed says repeat it.
    """
    found = entries(rows, [*published, *seeds])
    parts = [_HEAD]
    for protocol, group in grouped(found).items():
        parts += [f"## {protocol}", "", f"{protocol_title(protocol)}.", "", *_table(group), ""]
        parts += [*_notes(group), ""]
    parts += ["## The seeds: theirs, ours, how", "", *_seeds(seeds, found, studies), ""]
    parts += ["## How ours were made", "", *_commands(found)]
    return "\n".join(parts).rstrip() + "\n"


def _table(group: Sequence[Entry]) -> list[str]:
    marks = "|".join("--:" if name in ("year", "n") else "---" for name in _COLUMNS)
    return [f"| {' | '.join(_COLUMNS)} |", f"|{marks}|", *map(_line, sort_entries(group))]


def _line(one: Entry) -> str:
    name = f"**{one.name}**" if one.is_ours else _link(one.name, one.source)
    cells = [
        _accuracy(one),
        name + {"second hand": " °", "code": " ✓"}.get(one.checked or "", ""),
        "?" if one.year is None else str(one.year),
        "?" if one.n is None else f"{one.n:,}",
        one.views or "?",
        "" if one.macro_f1 is None else f"{100 * one.macro_f1:.2f}",
        "" if one.clean is None else f"{100 * one.clean:.2f}",
        *(_flag(one, name, value) for name, value in one.flags.items()),
    ]
    return f"| {' | '.join(cells)} |"


def _accuracy(one: Entry) -> str:
    if one.accuracy is None:
        return "–"
    shown = one.as_written or f"{100 * one.accuracy:.2f}"
    if one.spread is not None:
        shown += f" ± {100 * one.spread:.2f}"
    if one.low is None or one.high is None:
        return shown
    return f"{shown} ({100 * one.low:.1f}–{100 * one.high:.1f})"


def _flag(one: Entry, name: str, value: bool | None) -> str:
    if value is None:
        return "?" if name != "leak" else ""
    if name == "leak" and value and one.leak_source is not None:
        return f"[yes]({one.leak_source})"
    return "yes" if value else "no"


def _link(name: str, source: str | None) -> str:
    return name if source is None else f"[{name}]({source})"


def _notes(group: Sequence[Entry]) -> list[str]:
    notes = []
    for one in sort_entries(group):
        runs = f"mean of {one.runs} runs" if one.runs > 1 else ""
        said = "; ".join(part for part in (runs, one.note) if part)
        if said:
            notes.append(f"- {one.name}: {said}.")
    return notes


def _seeds(
    seeds: Sequence[Seed], found: Sequence[Entry], studies: Sequence[StudyLine]
) -> list[str]:
    lines = ["| seed | theirs | ours | how |", "|---|---|---|---|"]
    for seed in seeds:
        theirs = "no figure given" if seed.figure is None else (seed.as_written or f"{seed.figure}")
        theirs += f" on {seed.protocol}"
        ours = "<br>".join(
            [
                f"{_accuracy(one)} on {one.protocol}: {one.name}, views {one.views}{one.remark}"
                for one in sort_entries(seed_entries(seed, found))
            ]
            + [study_text(study) for study in studies if study.name.startswith(seed.ours)]
        )
        name = _link(seed.name, seed.source)
        lines.append(f"| {seed.number}. {name} | {theirs} | {ours or _NOT_YET} | {seed.how} |")
    return lines


_NOT_YET = "not run at full length yet"


def _commands(found: Sequence[Entry]) -> list[str]:
    ours = sort_entries([one for one in found if one.is_ours], "name")
    if not ours:
        return ["No result has been recorded yet."]
    return [
        f"- {one.name} on {one.protocol}, views {one.views}: `{one.source}`, commit {one.commit}"
        for one in ours
    ]
