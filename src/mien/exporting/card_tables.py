"""The tables of a model card, each from result rows as `mien evaluate` and `mien robustness` write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mien.evaluation.corruptions import MIDDLE
from mien.evaluation.intervals import Estimate, percent, with_interval
from mien.evaluation.slices import UNMEASURED

__all__ = [
    "balanced_table",
    "calibration_table",
    "classes_table",
    "confusion_table",
    "corruption_table",
    "recorded_scores_table",
    "scores_table",
    "slices_table",
    "unsure_table",
]

Row = Mapping[str, Any]


def scores_table(rows: Sequence[Row]) -> list[str]:
    """Return every score of every protocol and its views, with n and interval."""
    lines = [
        *_header(
            "protocol",
            "views",
            "n",
            "accuracy %",
            "macro-F1 %",
            "balanced accuracy %",
            "n without copies",
            "accuracy % without copies",
            "test runs",
        )
    ]
    for row in rows:
        scores, clean = row["scores"], row["scores"]["clean"]
        lines.append(
            _line(
                row["protocol"],
                row["views"],
                f"{scores['n']:,}",
                *(_shown(scores[name]) for name in ("accuracy", "macro_f1", "balanced_accuracy")),
                "–" if clean is None else f"{clean['n']:,}",
                "–" if clean is None else _shown(clean["accuracy"]),
                row["test_runs"] or "–",
            )
        )
    return [*lines, *_votes(rows)]


def recorded_scores_table(scores: Mapping[str, Any]) -> list[str]:
    """Return the scores that a model file's own record holds; for cards without result rows."""
    lines = [*_header("protocol", "views", "n", "accuracy %", "macro-F1 %", "ECE-15 %")]
    for protocol, one in scores.items():
        figures = (percent(one[name]) for name in ("accuracy", "macro_f1", "ece_15"))
        lines.append(_line(protocol, one["views"], f"{one['n']:,}", *figures))
    return lines


def calibration_table(rows: Sequence[Row]) -> list[str]:
    """Return how far probabilities can be believed, before and after temperature scaling."""
    lines = [
        *_header("protocol", "views", "probabilities", "T", "NLL", "Brier", "ECE-15 %", "AURC", "n")
    ]
    for row in rows:
        for title, key in (("as trained", "uncalibrated"), ("calibrated", "calibrated")):
            one = row["scores"][key]
            lines.append(
                _line(
                    row["protocol"],
                    row["views"],
                    title,
                    f"{one['temperature']:.2f}",
                    f"{one['nll']:.3f}",
                    f"{one['brier']:.3f}",
                    percent(one["ece"]),
                    f"{one['aurc']:.3f}",
                    f"{row['scores']['n']:,}",
                )
            )
    return lines


def unsure_table(scores: Mapping[str, Any]) -> list[str]:
    """Return what answering *unsure* costs and gives, from a model file's own record."""
    lines = [*_header("protocol", "n", "unsure below", "faces answered %", "of these right %")]
    for protocol, one in scores.items():
        unsure = one["unsure"]
        shares = (percent(unsure["coverage"]), percent(unsure["accuracy"]))
        lines.append(_line(protocol, f"{one['n']:,}", _thresholds(unsure["below"]), *shares))
    return lines


def _thresholds(below: Mapping[str, float] | float) -> str:
    if isinstance(below, Mapping):
        return ", ".join(f"{label} {value:.2f}" for label, value in below.items())
    return f"{below:.3f}"  # one for all labels, as in files of before


def classes_table(row: Row) -> list[str]:
    """Return n, recall with its interval, precision and F1 of each class."""
    lines = [*_header("class", "n", "recall %", "precision %", "F1 %")]
    for label, one in row["scores"]["classes"].items():
        lines.append(
            _line(
                label, f"{one['n']:,}", _recall(one), percent(one["precision"]), percent(one["f1"])
            )
        )
    return lines


def confusion_table(row: Row) -> list[str]:
    """Return the counts of the confusion matrix; rows are true classes."""
    labels = list(row["scores"]["classes"])
    lines = [*_header("true ↓ answered →", *labels, "n")]
    for label, counts in zip(labels, row["scores"]["confusion"], strict=True):
        lines.append(_line(label, *(f"{count:,}" for count in counts), f"{sum(counts):,}"))
    return lines


def slices_table(row: Row) -> list[str]:
    """Return the accuracy of every group of every slice."""
    lines = [*_header("by", "group", "n", "accuracy %", "gap", "by chance %")]
    for name, one in row["slices"].items():
        for place, (group, figures) in enumerate(one["groups"].items()):
            ends = ("", "") if place else (percent(one["gap"]), _chance(one.get("chance")))
            shown = f"{group} (worst)" if group == one["worst"] else group
            lines.append(
                _line(
                    "" if place else name,
                    shown,
                    f"{figures['n']:,}",
                    _shown(figures["accuracy"]),
                    *ends,
                )
            )
    return [
        *lines,
        "",
        "*By chance*: how often groups of these sizes, dealt at random, lie as far apart. "
        + UNMEASURED,
    ]


def balanced_table(plain: Row, balanced: Row) -> list[str]:
    """Return what the uniform prior gives and what it costs on one protocol, on the same faces."""
    ours, theirs = plain["scores"], balanced["scores"]
    lines = [*_header(plain["protocol"], "n", "as trained", "`--prior uniform`", "difference")]
    for name, title in (
        ("accuracy", "accuracy %"),
        ("macro_f1", "macro-F1 %"),
        ("balanced_accuracy", "balanced accuracy %"),
    ):
        change = _points(theirs[name]["value"] - ours[name]["value"])
        lines.append(
            _line(title, f"{ours['n']:,}", _shown(ours[name]), _shown(theirs[name]), change)
        )
    before, after = (one["calibrated"]["ece"] for one in (ours, theirs))
    shown = (percent(before), percent(after), _points(after - before))
    lines.append(_line("ECE-15 %", f"{ours['n']:,}", *shown))
    lines += ["", *_header("class", "n", "recall %", "balanced", "", "precision %", "balanced")]
    for label, one in ours["classes"].items():
        other = theirs["classes"][label]
        change = "–" if one["recall"] is None else _points(other["recall"] - one["recall"])
        precision = percent(one["precision"]), percent(other["precision"])
        lines.append(
            _line(label, f"{one['n']:,}", _recall(one), _recall(other), change, *precision)
        )
    return lines


def corruption_table(row: Row, before: Row | None) -> list[str]:
    """Return the accuracy on worse pictures and what was lost, the worst middle level first.

    Args:
        row: Of the model.
        before: Of an earlier model on the same protocol; None if there is none to compare with.
    """
    middle = _middle(row)
    earlier = None if before is None else _middle(before)
    names = sorted(middle, key=lambda name: -middle[name]["drop"]["value"])
    last = () if earlier is None else ("middle, model before",)
    lines = [*_header("change", "mild", "middle", "strong", *last)]
    for name in names:
        levels = [one for one in row["corruptions"] if one["name"] == name]
        levels += [earlier[name]] if earlier is not None and name in earlier else []
        lines.append(_line(name, *map(_corrupted, levels)))
    return [
        f"`{row['protocol']}`, n {row['data']['n']:,}, views {row['views']}, unchanged {percent(row['clean'])} %"
        + ("" if before is None else f", model before {percent(before['clean'])} %")
        + ":",
        "",
        *lines,
    ]


def _middle(row: Row) -> dict[str, Mapping[str, Any]]:
    return {one["name"]: one for one in row["corruptions"] if one["level"] == MIDDLE}


def _corrupted(one: Mapping[str, Any]) -> str:
    value, low, high = (100 * one["drop"][key] for key in ("value", "low", "high"))
    return f"{one['what']}: {_shown(one['accuracy'])}, drop {value:.1f} ({low:.1f} to {high:.1f})"


def _votes(rows: Iterable[Row]) -> list[str]:
    lines = [
        f"`{row['protocol']}`, views {row['views']}: KL to the votes {votes['kl_divergence']:.3f} nats; the answer had "
        f"{percent(votes['mean_vote_share'])} % of the vote on average (n {row['scores']['n']:,}).  "
        for row in rows
        if (votes := row["scores"]["votes"]) is not None
    ]
    return ["", *lines] if lines else []


def _recall(one: Mapping[str, Any]) -> str:
    if one["recall"] is None:
        return "–"
    low, high = one["recall_interval"]
    return with_interval(Estimate(one["recall"], low, high))


def _shown(estimate: Mapping[str, float]) -> str:
    return with_interval(Estimate(estimate["value"], estimate["low"], estimate["high"]))


def _chance(share: float | None) -> str:
    return "< 0.1" if share is not None and share < 0.001 else percent(share)


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f}"


def _header(*titles: str) -> tuple[str, str]:
    """The first column names; the others count."""
    return _line(*titles), _line("---", *["--:"] * (len(titles) - 1))


def _line(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"
