"""What is odd about a data set: copies, leaks between splits, labels that disagree, pictures without a face.

Each oddity is a `Finding` with its count; `audit_page` shows them with pictures, `clean` keeps the row numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data.clean import CleanLists
from mien.data.dataset import SPLITS, Dataset
from mien.data.duplicates import Duplicates, find_duplicates
from mien.data.ferplus import NOT_A_FACE_VOTES, majority, not_a_face
from mien.data.published import class_counts
from mien.labels import FERPLUS, canonical

__all__ = ["Audit", "Finding", "audit", "clean_lists", "label_agreement"]

_SUSPICIOUS = 0.01
"""Part of the held-out pictures. FER2013, which nobody augmented, has a thousandth; a set that was augmented before it
was split has most of them."""

_IMBALANCED = 10.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Finding:
    """One oddity, its count, and the rows that show it."""

    key: str
    title: str
    count: int
    says: str
    """What was counted, and what follows from it; one or two sentences."""
    is_notable: bool
    """Whether something should be done about it."""
    groups: tuple[tuple[int, ...], ...] = ()
    """Rows that belong together, for showing them."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Audit:
    """All that was found in one data set."""

    duplicates: Duplicates
    findings: tuple[Finding, ...]
    agreement: NDArray[np.int64] | None
    """(labels, 8) from `label_agreement`; None without both kinds of label."""

    def as_dict(self) -> dict[str, Any]:
        """Return the counts and sentences, as JSON takes them."""
        return {
            one.key: {"count": one.count, "notable": one.is_notable, "says": one.says}
            for one in self.findings
        }


def audit(dataset: Dataset) -> Audit:
    """Look for all that is odd."""
    duplicates = find_duplicates(dataset)
    agreement = label_agreement(dataset)
    findings = [
        *_identical(dataset, duplicates),
        *_near(dataset, duplicates),
        _altered(dataset, duplicates),
        *_conflicts(dataset, duplicates),
        _blank(dataset),
        *_about_votes(dataset),
        *_about_labels(dataset),
    ]
    if agreement is not None:
        findings.append(_about_agreement(dataset, agreement))
    return Audit(duplicates=duplicates, findings=tuple(findings), agreement=agreement)


def clean_lists(dataset: Dataset, found: Audit) -> CleanLists:
    """Return which rows stand under each reason to leave a row out."""
    duplicates = found.duplicates
    identical, near = duplicates.copies_of_train(dataset.split)
    conflicts = np.array(
        [
            row
            for group in duplicates.identical_groups()
            if _differ(dataset.labels[group])
            for row in group
        ],
        np.intp,
    )
    left_out = {
        "copy": identical,
        "near_copy": near,
        "altered_copy": duplicates.altered.rows,
        "repeat": _repeats(dataset, duplicates),
        "conflict": np.sort(conflicts),
        "blank": np.flatnonzero(dataset.is_blank),
        "not_a_face": _not_a_face_rows(dataset),
    }
    return CleanLists(content_hash=dataset.content_hash, num_rows=len(dataset), left_out=left_out)


def label_agreement(dataset: Dataset) -> NDArray[np.int64] | None:
    """Count how often each label meets each expression that a strict majority voted for.

    Returns:
        (number of labels, 8) counts, columns in the order of `labels.FERPLUS`; None if the data has no votes or no
        labels. Pictures without a label or a majority do not count.
    """
    if dataset.votes is None:
        return None
    winners = majority(dataset.votes)
    both = (dataset.labels >= 0) & (winners >= 0)
    if not both.any():
        return None
    counts = np.zeros((len(dataset.label_names), len(FERPLUS)), np.int64)
    np.add.at(counts, (dataset.labels[both], winners[both]), 1)
    return counts


def _identical(dataset: Dataset, duplicates: Duplicates) -> Iterator[Finding]:
    groups = duplicates.identical_groups()
    across = [group for group in groups if _differ(dataset.split[group])]
    pictures = sum(len(group) for group in groups)
    yield Finding(
        key="identical",
        title="identical pictures",
        count=len(groups),
        says=f"groups of pictures identical to the pixel, {pictures:,} pictures in all; "
        f"{len(groups) - len(across):,} groups lie within one split.",
        is_notable=bool(groups),
        groups=_as_tuples(groups),
    )
    copies, _ = duplicates.copies_of_train(dataset.split)
    yield Finding(
        key="identical_across_splits",
        title="identical across splits",
        count=len(across),
        says=f"groups stand in more than one split. {_shares(dataset, copies, 'an identical copy')}"
        + (" Report a clean score without them." if across else ""),
        is_notable=bool(across),
        groups=_as_tuples(across),
    )


def _near(dataset: Dataset, duplicates: Duplicates) -> Iterator[Finding]:
    groups = duplicates.near_groups()
    across = [group for group in groups if _differ(dataset.split[group])]
    yield Finding(
        key="near",
        title="nearly the same",
        count=len(groups),
        says=f"groups of pictures that look and correlate alike without being identical, "
        f"{sum(len(group) for group in groups):,} pictures in {len(duplicates.near):,} pairs: as a rule "
        "one photograph, cropped or compressed anew.",
        is_notable=bool(groups),
        groups=_as_tuples(groups),
    )
    _, copies = duplicates.copies_of_train(dataset.split)
    yield Finding(
        key="near_across_splits",
        title="nearly the same across splits",
        count=len(across),
        says=f"of these groups lie in more than one split. {_shares(dataset, copies, 'no identical but a near copy')}",
        is_notable=bool(across),
        groups=_as_tuples(across),
    )


def _altered(dataset: Dataset, duplicates: Duplicates) -> Finding:
    altered = duplicates.altered
    held_out = int((dataset.split != SPLITS.index("train")).sum())
    is_suspicious = len(altered.rows) > _SUSPICIOUS * held_out
    if not held_out:
        verdict = "There is nothing beside train."
    elif is_suspicious:
        verdict = "So many come about when data is augmented first and split afterwards: scores on it measure memory."
    else:
        verdict = "So few give no sign that the data was augmented before it was split."
    return Finding(
        key="altered_across_splits",
        title="mirrored or turned across splits",
        count=len(altered.rows),
        says=f"of {held_out:,} held-out pictures are a training picture, mirrored or turned. {verdict}",
        is_notable=is_suspicious,
        groups=tuple(zip(altered.originals.tolist(), altered.rows.tolist(), strict=True)),
    )


def _conflicts(dataset: Dataset, duplicates: Duplicates) -> Iterator[Finding]:
    groups = duplicates.identical_groups()
    clash = [group for group in groups if _differ(dataset.labels[group])]
    across = sum(_differ(dataset.split[group]) for group in clash)
    yield Finding(
        key="conflicting_labels",
        title="identical, yet labelled differently",
        count=len(clash),
        says=f"of {len(groups):,} groups of identical pictures have several labels, {sum(map(len, clash)):,} pictures in "
        f"all; {across:,} of these groups cross splits."
        + (" No network can be right about all of them." if clash else ""),
        is_notable=bool(clash),
        groups=_as_tuples(clash),
    )
    if dataset.votes is None:
        return
    winners = majority(dataset.votes)
    clash = [group for group in groups if _differ(winners[group])]
    yield Finding(
        key="conflicting_votes",
        title="identical, yet voted differently",
        count=len(clash),
        says=f"of {len(groups):,} groups of identical pictures have several strict majorities of FER+ votes.",
        is_notable=bool(clash),
        groups=_as_tuples(clash),
    )


def _blank(dataset: Dataset) -> Finding:
    rows = np.flatnonzero(dataset.is_blank)
    return Finding(
        key="blank",
        title="blank pictures",
        count=len(rows),
        says=f"pictures are of one colour{_where(dataset, rows)}.",
        is_notable=bool(len(rows)),
        groups=_one_by_one(rows),
    )


def _about_votes(dataset: Dataset) -> Iterator[Finding]:
    if dataset.votes is None:
        return
    rows = _not_a_face_rows(dataset)
    yield Finding(
        key="not_a_face",
        title="not a face",
        count=len(rows),
        says=f"pictures have {NOT_A_FACE_VOTES} or more votes for NF{_where(dataset, rows)}.",
        is_notable=bool(len(rows)),
        groups=_one_by_one(rows),
    )
    top = dataset.votes.max(axis=1, initial=0)
    ties = np.flatnonzero(((dataset.votes == top[:, None]).sum(axis=1) > 1) & (top > 0))
    yield Finding(
        key="ties",
        title="ties in the votes",
        count=len(ties),
        says=f"pictures have several leaders among the ten vote columns{_where(dataset, ties)}. Taking the largest "
        "settles them by the order of the columns.",
        is_notable=bool(len(ties)),
        groups=_one_by_one(ties),
    )
    undecided = np.flatnonzero((majority(dataset.votes) < 0) & (top > 0))
    yield Finding(
        key="no_majority",
        title="no strict majority",
        count=len(undecided),
        says=f"pictures have no expression with more than half of the votes{_where(dataset, undecided)}.",
        is_notable=False,
        groups=_one_by_one(undecided),
    )


def _about_labels(dataset: Dataset) -> Iterator[Finding]:
    unlabelled = int((dataset.labels < 0).sum())
    if unlabelled:
        yield Finding(
            key="unlabelled",
            title="without a label",
            count=unlabelled,
            says="pictures have no label of their own.",
            is_notable=unlabelled < len(dataset),  # FER+'s own layout has none at all
        )
    for split in SPLITS:
        counts = class_counts(dataset, split)
        if not counts.any():
            continue
        few, many = int(counts.argmin()), int(counts.argmax())
        ratio = counts[many] / counts[few] if counts[few] else np.inf
        times = f", {ratio:.1f} times as many" if counts[few] else ""
        if counts[few] == counts[many]:
            against = "pictures in each class"
        else:
            against = (
                f"pictures in the smallest class, {dataset.label_names[few]}, against {counts[many]:,} of "
                f"{dataset.label_names[many]}{times}"
            )
        yield Finding(
            key=f"imbalance_{split}",
            title=f"imbalance of {split}",
            count=int(counts[few]),
            says=f"{against}. Calling all of them "
            f"{dataset.label_names[many]} scores {_percent(counts[many], counts.sum())}.",
            is_notable=bool(ratio >= _IMBALANCED),
        )


def _about_agreement(dataset: Dataset, agreement: NDArray[np.int64]) -> Finding:
    expressions = [canonical(name) for name in FERPLUS.labels]
    same = sum(
        int(agreement[row, expressions.index(canonical(name))])
        for row, name in enumerate(dataset.label_names)
        if canonical(name) in expressions
    )
    total = int(agreement.sum())
    return Finding(
        key="agreement",
        title="label agrees with FER+",
        count=same,
        says=f"of {total:,} pictures with a label and a strict majority have the same expression in both "
        f"({_percent(same, total)}). Neither is a substitute for the other.",
        is_notable=False,
    )


def _repeats(dataset: Dataset, duplicates: Duplicates) -> NDArray[np.intp]:
    """Rows whose picture stands earlier in their own split."""
    keys = np.stack([dataset.split.astype(np.intp), duplicates.first], axis=1)
    _, earliest = np.unique(keys, axis=0, return_index=True)
    repeated = np.ones(len(dataset), bool)
    repeated[earliest] = False
    return np.flatnonzero(repeated)


def _not_a_face_rows(dataset: Dataset) -> NDArray[np.intp]:
    if dataset.votes is None:
        return np.zeros(0, np.intp)
    return np.flatnonzero(not_a_face(dataset.votes))


def _differ(values: NDArray[np.integer]) -> bool:
    """Whether known values, those that are not negative, are several."""
    known = values[values >= 0]
    return bool(len(known) and (known != known[0]).any())


def _where(dataset: Dataset, rows: NDArray[np.intp]) -> str:
    counts = _by_split(dataset, rows)
    return (
        f" ({', '.join(f'{count:,} in {name}' for name, count in counts.items())})"
        if counts
        else ""
    )


def _by_split(dataset: Dataset, rows: NDArray[np.intp]) -> Mapping[str, int]:
    counts = np.bincount(dataset.split[rows], minlength=len(SPLITS)).tolist()
    return {name: count for name, count in zip(SPLITS, counts, strict=True) if count}


def _shares(dataset: Dataset, rows: NDArray[np.intp], what: str) -> str:
    """Which part of each held-out split the rows are."""
    parts = []
    for name in SPLITS[1:]:
        size = int((dataset.split == SPLITS.index(name)).sum())
        if size:
            count = _by_split(dataset, rows).get(name, 0)
            parts.append(f"{count:,} of {size:,} {name} pictures ({_percent(count, size)})")
    return (
        f"{' and '.join(parts)} have {what} in train."
        if parts
        else "There is nothing beside train."
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"


def _as_tuples(groups: Sequence[NDArray[np.intp]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(group.tolist()) for group in groups)


def _one_by_one(rows: NDArray[np.intp]) -> tuple[tuple[int, ...], ...]:
    return tuple((row,) for row in rows.tolist())
