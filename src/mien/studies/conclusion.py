"""In words: what a study shows, and what it cannot show. Sentences from figures, so that none claims too much."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from mien.studies.design import SCORES
from mien.studies.differences import Difference
from mien.studies.summary import SCORED_OTHERWISE, PointSummary, Spread, Summary

__all__ = [
    "accuracies_beside",
    "can_be_concluded",
    "cannot_be_concluded",
    "p_text",
    "points_apart",
    "spread_text",
    "theirs_and_ours",
]


_HOPELESS = 0.5
"""Where only half of the whole scale would be seen as a difference, a number of points would say too little."""


def can_be_concluded(summary: Summary) -> list[str]:
    """Return sentences that the figures bear out."""
    name, ranked = SCORES[summary.score], summary.ranked
    sentences = []
    if ranked:
        best = ranked[0]
        sentences.append(
            f"The highest mean {name} has {best.label}: {spread_text(best, summary.score)} % over "
            f"{_count(len(best.runs), 'seed')}, on {summary.n:,} pictures ({summary.protocol})."
        )
        sentences += _beside_best(ranked)
    elif summary.points:
        sentences.append("No value has a rank.")
    compared = [p for p in summary.points if p.verdict in ("better", "worse", "not told apart")]
    for verdict, words in (
        ("better", "Better than what it is compared with"),
        ("worse", "Worse than what it is compared with"),
    ):
        found = [p for p in compared if p.verdict == verdict]
        if found:
            sentences.append(f"{words}: {'; '.join(map(_compared, found))}.")
    same = [p.label for p in compared if p.verdict == "not told apart"]
    if same:
        sentences.append(f"Not told apart from what it is compared with: {'; '.join(same)}.")
    sentences += _failures(summary.points)
    return sentences


def cannot_be_concluded(summary: Summary) -> list[str]:
    """Return sentences on what the figures leave open."""
    sentences = []
    if summary.missing:
        sentences.append(
            f"{_count(summary.missing, 'run')} of this study {'is' if summary.missing == 1 else 'are'} still to be "
            "done: everything above may change."
        )
    references = {point.reference for point in summary.points}
    for point in summary.points:
        if point.label in references and point.state not in ("finished", "incomplete"):
            sentences.append(
                f"{point.label} is what others are to be compared with, and it failed: nothing is better or worse than it."
            )
    otherwise = [point.label for point in summary.points if point.state == SCORED_OTHERWISE]
    if otherwise:
        sentences.append(
            f"Scored on other pictures or labels than {summary.protocol}, n = {summary.n:,}, so that no score of theirs compares with "
            f"those of the other values, and without a rank: {'; '.join(otherwise)}."
        )
    if summary.note:
        sentences.append(summary.note)
    if summary.changes:
        sentences.append(
            f"The base recipe was changed for this study: {', '.join(summary.changes)}."
        )
    sentences += _taken_over(summary)
    if len(summary.seeds) == 1:
        sentences.append(
            "One seed says nothing of other trainings: no value is called better or worse."
        )
    sentences += _resolution(summary)
    if len(summary.ranked) > 1:
        sentences.append(
            "The best value was picked on the same pictures that its score is from, so that score is flattering; and it "
            "is the best of these values with this base, on this data: other learning rates, networks or faces may rank "
            "them otherwise."
        )
    sentences += _disagreement(summary)
    if summary.pruning != "none":
        pruned = sum(run.state == "pruned" for point in summary.points for run in point.runs)
        sentences.append(
            f"Pruning was on ({summary.pruning}), and ended {_count(pruned, 'run')} early: what begins slowly has no rank, "
            "even if it would have come out first."
        )
    return sentences


def _taken_over(summary: Summary) -> list[str]:
    """Which runs this study did not do itself, or did in another folder."""
    by_study: dict[str, list[str]] = {}
    for point in summary.points:
        for run in point.runs:
            if run.taken_from:
                by_study.setdefault(run.taken_from, []).append(f"{point.label} (seed {run.seed})")
    return [
        f"Taken over from {'another folder of this study' if study == summary.name else f'the study {study}'}, whose recipe, "
        f"seed and faces were the same: {'; '.join(runs)}."
        for study, runs in by_study.items()
    ]


def _resolution(summary: Summary) -> list[str]:
    """How small a difference the study can see."""
    halves = [d.high - d.value for p in summary.points if (d := p.difference) is not None]
    if not halves or len(summary.seeds) == 1:
        return []
    half = statistics.median(halves)
    basis = f"With {_count(len(summary.seeds), 'seed')} and {summary.n:,} pictures"
    if half > _HOPELESS:
        return [f"{basis}, seeds differ too much for any difference to be seen: run more of them."]
    return [
        f"{basis}, a difference of less than about {100 * half:.1f} points of {SCORES[summary.score]} is not seen: that "
        "two values are not told apart does not make them equal."
    ]


def points_apart(difference: Difference | None) -> str:
    """Return a difference in points with its interval: ``+1.2 (+0.3 to +2.1)``; a dash where there is none."""
    if difference is None:
        return "–"
    parts = (difference.value, difference.low, difference.high)
    value, low, high = (round(100 * part, 1) + 0.0 for part in parts)  # + 0.0: no "-0.0"
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"


def p_text(value: float | None) -> str:
    """Return a p-value with its sign: ``= 0.012``, ``< 0.001``; a dash where there is none."""
    return "–" if value is None else "< 0.001" if value < 0.001 else f"= {value:.3f}"


def spread_text(point: PointSummary, score: str) -> str:
    """Return a mean in percent ± standard deviation over seeds; a dash where nothing was scored."""
    return _percent(point.scores.get(score))


def accuracies_beside(point: PointSummary | None, summary: Summary) -> list[str]:
    """Return a value's accuracy in percent on each of the protocols of `Summary.beside`."""
    return [_percent(None if point is None else point.accuracy_on(name)) for name in summary.beside]


def theirs_and_ours(summary: Summary) -> list[list[str]]:
    """Return what others reported beside ours, as a table with its heads in the first row.

    Their figure compares with ours at most where both are of one protocol, so ours stands there once a protocol.
    """
    ours = "ours %" if not summary.beside else f"ours %, {summary.protocol}"
    rows = [["theirs", "value", "accuracy %", ours, *(f"ours %, {b}" for b in summary.beside)]]
    for entry in summary.published:
        point = next((p for p in summary.points if p.label == entry["label"]), None)
        source = f" ({entry['source']})" if entry["source"] else ""
        rows.append(
            [
                f"{entry['said']}{source}",
                entry["label"] or "–",
                "–" if entry["accuracy"] is None else f"{100 * entry['accuracy']:.2f}",
                "–" if point is None else spread_text(point, "accuracy"),
                *accuracies_beside(point, summary),
            ]
        )
    return rows


def _percent(spread: Spread | None) -> str:
    if spread is None:
        return "–"
    sd = "" if spread.sd is None else f" ± {100 * spread.sd:.1f}"
    return f"{100 * spread.mean:.1f}{sd}"


def _beside_best(ranked: Sequence[PointSummary]) -> list[str]:
    others = [p for p in ranked[1:] if p.to_best is not None and p.to_best.p_value is not None]
    near = [p.label for p in others if p.to_best is not None and p.to_best.high >= 0]
    if not others:
        return []
    if not near:
        return ["Every other value is below it by more than the interval of the difference."]
    return [f"Not told apart from it: {'; '.join(near)}."]


def _compared(point: PointSummary) -> str:
    assert point.difference is not None
    seeds = f"{point.difference.seeds_above} of {point.difference.num_seeds} seeds above"
    return (
        f"{point.label} by {points_apart(point.difference)} points to {point.reference} "
        f"(p {p_text(point.p_adjusted)}, {seeds})"
    )


def _failures(points: Sequence[PointSummary]) -> list[str]:
    sentences = []
    for point in points:
        failed = [run for run in point.runs if run.state not in ("finished", "pruned")]
        if not failed:
            continue
        kinds: Mapping[str, list[str]] = {}
        for run in failed:
            detail = run.detail if run.state == "collapsed" else ""
            kinds = {**kinds, run.state: [*kinds.get(run.state, []), detail]}
        for state, details in kinds.items():
            to = " or ".join(sorted({d for d in details if d}))
            sentences.append(
                f"{point.label} {_VERBS.get(state, state)} {f'to {to} ' if to else ''}in {len(details)} of "
                f"{_count(len(point.runs), 'run')}; {_WHY.get(state, 'it')} has no rank."
            )
    return sentences


_VERBS = {"collapsed": "collapsed", "diverged": "diverged", "out of memory": "ran out of memory"}
_WHY = {"collapsed": "what it scores is the share of one class, not a recognition, so it"}


def _disagreement(summary: Summary) -> list[str]:
    """Seeds' own validation faces and the pictures that were scored may name another best value."""
    ranked = [p for p in summary.ranked if all(run.validation for run in p.runs)]
    if len(ranked) < 2 or summary.score == "balanced_accuracy":
        return []

    def watched(point: PointSummary) -> float:
        return statistics.mean(
            run.validation[summary.score] for run in point.runs if run.validation
        )

    favourite = max(ranked, key=watched)
    if favourite.label == ranked[0].label:
        return []
    return [
        f"The faces that the runs themselves validated on name another best value, {favourite.label}: one more sign that "
        "the first ranks are close."
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
