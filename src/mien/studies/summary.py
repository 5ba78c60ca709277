"""What came out of a study: a row for each value, with spread, difference and rank; runs that failed have no rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.evaluation.metrics import RATES
from mien.studies.design import SCORES, Design, Point
from mien.studies.differences import Difference, difference, holm, picture_draws
from mien.studies.ledger import Run
from mien.studies.packing import unpack

__all__ = [
    "LEVEL_OF_PROOF",
    "SCORED_OTHERWISE",
    "PointSummary",
    "RunSummary",
    "Spread",
    "Summary",
    "summarise",
    "summary_from_dict",
]

LEVEL_OF_PROOF = 0.05
"""A difference counts as found when its p-value, adjusted for all comparisons of the study, is below this."""

SCORED_OTHERWISE = "scored otherwise"
"""The state of a value whose scores are of other pictures or labels than the first value's, as with another first head."""


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """One run."""

    seed: int
    state: str
    """``"finished"``, or how it failed."""
    detail: str
    """The class that it collapsed to, or the message."""
    scores: Mapping[str, float] | None
    """None where the run left nothing to score."""
    validation: Mapping[str, float] | None
    """Loss, accuracy and macro-F1 of the kept epoch on the faces that the run itself watched."""
    epochs: int
    parameters: int
    seconds: float = field(compare=False)
    """Of training; the one thing that is another each time."""
    beside: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Protocol -> its scores and n, for what the run was scored on besides the study's own; no rank depends on it."""
    taken_from: str = ""
    """The study that did this run, which had the same recipe, seed and faces there; empty for this one."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A score over seeds."""

    mean: float
    sd: float | None
    """With n - 1; None with one seed."""
    lowest: float
    highest: float


@dataclass(frozen=True, kw_only=True)
class PointSummary:
    """One value."""

    label: str
    values: Mapping[str, str]
    reference: str
    """The value that it is compared with; empty for such a value."""
    runs: tuple[RunSummary, ...]
    scores: Mapping[str, Spread]
    """Over all runs that have scores; empty without any."""
    difference: Difference | None
    """To the reference, in the study's score; None without one, or without seeds in common."""
    p_adjusted: float | None
    """Its p-value after Holm's adjustment over all values of the study."""
    to_best: Difference | None
    """To the value of rank 1; None for that one, and for values without a rank."""
    rank: int | None
    """By the study's score; None if a run failed or is missing."""
    state: str
    """``"finished"``, ``"incomplete"``, `SCORED_OTHERWISE`, or how its runs failed: ``"collapsed"``, ``"diverged"``, …"""

    @property
    def parameters(self) -> int:
        """Of the network."""
        return self.runs[0].parameters

    @property
    def seconds(self) -> float:
        """Of training, mean over the runs."""
        return float(np.mean([run.seconds for run in self.runs]))

    def accuracy_on(self, protocol: str) -> Spread | None:
        """Return the accuracy on a protocol beside the study's own; None where not all scored runs have it."""
        scored = [run.beside.get(protocol) for run in self.runs if run.scores is not None]
        rates = [one["accuracy"] for one in scored if one is not None]
        return _spread(rates) if rates and len(rates) == len(scored) else None

    @property
    def num_failed(self) -> int:
        """Runs that did not finish well."""
        return sum(run.state != "finished" for run in self.runs)

    @property
    def verdict(self) -> str:
        """How it compares with its reference, in a word or two."""
        if self.state != "finished":
            return self.state
        if self.difference is None:
            return "base" if not self.reference else "not compared"
        if self.p_adjusted is None:
            return "one seed"
        if self.p_adjusted >= LEVEL_OF_PROOF:
            return "not told apart"
        return "better" if self.difference.value > 0 else "worse"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A study and what came out of it, without the pictures."""

    name: str
    question: str
    score: str
    design: str
    pruning: str
    note: str
    changes: tuple[str, ...]
    frozen: str
    """Hash of all that stayed the same."""
    data_hash: str
    protocol: str
    """On which pictures, against which truth."""
    n: int
    """Pictures scored, in each run."""
    seeds: tuple[int, ...]
    points: tuple[PointSummary, ...]
    published: tuple[Mapping[str, Any], ...]
    missing: int
    """Runs that have not ended."""

    @property
    def ranked(self) -> tuple[PointSummary, ...]:
        """The values with a rank, the best first."""
        with_rank = [point for point in self.points if point.rank is not None]
        return tuple(sorted(with_rank, key=lambda point: point.rank or 0))

    @property
    def in_order(self) -> tuple[PointSummary, ...]:
        """All values as they are shown: the best first, those without a rank last."""
        return (*self.ranked, *(point for point in self.points if point.rank is None))

    @property
    def seeds_text(self) -> str:
        """The seeds that runs were done with, and how many others the study asks for: ``"0 (2 more not run)"``."""
        done = sorted({run.seed for point in self.points for run in point.runs})
        text = ", ".join(map(str, done))
        missing = len(set(self.seeds) - set(done))
        return f"{text} ({missing} more not run)" if missing else text

    @property
    def beside(self) -> tuple[str, ...]:
        """Protocols that runs were scored on besides the study's own, in the order of their names."""
        runs = [run for point in self.points for run in point.runs]
        return tuple(sorted({protocol for run in runs for protocol in run.beside}))

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as JSON holds it."""
        plain = asdict(self)
        for entry, point in zip(plain["points"], self.points, strict=True):
            entry["verdict"] = point.verdict
        return plain


def summarise(design: Design, runs: Sequence[Run], data_hash: str, frozen: str) -> Summary:
    """Sum up the runs of a study that have ended.

    Args:
        design: What was asked.
        runs: All of its runs, from `Ledger.runs`.
        data_hash: Of the data set.
        frozen: From `design.frozen_hash`.
    """
    by_label: dict[str, list[Run]] = {}
    for run in runs:
        by_label.setdefault(run.point.label, []).append(run)
    given = [point.label for point in design.points()]
    labels = sorted(by_label, key=lambda label: given.index(label) if label in given else 0)
    ended = {
        label: sorted((r for r in by_label[label] if _result(r)), key=lambda run: run.seed)
        for label in labels
    }
    drawn = {r.number: _draws(r, design.score) for ends in ended.values() for r in ends}
    truths = _truths(ended)
    states = {label: _state(design, ended[label], truths) for label in labels}
    ranks = _ranks(design, ended, states)
    best = next((label for label, rank in ranks.items() if rank == 1), "")
    references = {label: by_label[label][0].point.reference for label in labels}
    differences = {
        label: _compare(ended[label], ended[references[label]], drawn, design)
        for label in labels
        # A failed base is no score to be better than.
        if states[label] == "finished"
        and states.get(references[label]) in ("finished", "incomplete")
    }
    adjusted = holm(
        {k: d.p_value for k, d in differences.items() if d is not None and d.p_value is not None}
    )
    points = tuple(
        _point(
            by_label[label][0].point,
            ended[label],
            difference=differences.get(label),
            p_adjusted=adjusted.get(label),
            to_best=_compare(ended[label], ended[best], drawn, design)
            if ranks.get(label, 1) > 1
            else None,
            rank=ranks.get(label),
            state=states[label],
        )
        for label in labels
        if ended[label]
    )
    results = [r.result for ends in ended.values() for r in ends if r.result and r.result["scores"]]
    return Summary(
        name=design.name,
        question=design.question,
        score=design.score,
        design=design.design,
        pruning=design.pruning,
        note=design.note,
        changes=design.changes,
        frozen=frozen,
        data_hash=data_hash,
        protocol=results[0]["protocol"] if results else "",
        n=results[0]["n"] if results else 0,
        seeds=design.seeds,
        points=points,
        published=tuple(asdict(entry) for entry in design.published),
        missing=sum(_result(run) is None for run in runs)
        + max(0, design.num_to_draw - len(by_label)) * len(design.seeds),
    )


def summary_from_dict(row: Mapping[str, Any]) -> Summary:
    """Read back what `Summary.as_dict` wrote; what else stands in the row is passed over.

    Raises:
        KeyError: If something is missing.
        TypeError: If something else is there in its place.
    """
    known = {entry.name: row[entry.name] for entry in fields(Summary)}
    for name in ("changes", "seeds", "published"):
        known[name] = tuple(known[name])
    known["points"] = tuple(_point_from_dict(point) for point in known["points"])
    return Summary(**known)


def _point_from_dict(row: Mapping[str, Any]) -> PointSummary:
    known = {entry.name: row[entry.name] for entry in fields(PointSummary)}
    known["runs"] = tuple(RunSummary(**run) for run in known["runs"])
    known["scores"] = {name: Spread(**spread) for name, spread in known["scores"].items()}
    for name in ("difference", "to_best"):
        known[name] = None if known[name] is None else Difference(**known[name])
    return PointSummary(**known)


def _result(run: Run) -> Mapping[str, Any] | None:
    return run.result if run.state == "ended" else None


def _truths(ended: Mapping[str, Sequence[Run]]) -> dict[int, tuple[str, str]]:
    """Return, for each seed, against what its first run in the order of the values was scored."""
    truths: dict[int, tuple[str, str]] = {}
    for runs in ended.values():
        for run in runs:
            if (truth := _truth(run)) is not None:
                truths.setdefault(run.seed, truth)
    return truths


def _truth(run: Run) -> tuple[str, str] | None:
    """On which pictures, against which labels; None where nothing was scored."""
    result = run.result
    return (result["protocol"], result["targets"]) if result and result["scores"] else None


def _state(design: Design, ended: Sequence[Run], truths: Mapping[int, tuple[str, str]]) -> str:
    failures = {run.result["state"] for run in ended if run.result} - {"finished"}
    if failures:
        return ", ".join(sorted(failures))
    if any(_truth(run) != truths[run.seed] for run in ended):
        return SCORED_OTHERWISE
    return "finished" if len(ended) == len(design.seeds) else "incomplete"


def _ranks(
    design: Design, ended: Mapping[str, Sequence[Run]], states: Mapping[str, str]
) -> dict[str, int]:
    means = {
        label: np.mean([run.result["scores"][design.score] for run in runs if run.result])
        for label, runs in ended.items()
        if states[label] == "finished"
    }
    ordered = sorted(means, key=lambda label: -means[label])
    return {label: place for place, label in enumerate(ordered, start=1)}


def _draws(run: Run, score: str) -> NDArray[np.float64] | None:
    result = run.result
    if not result or result["scores"] is None:
        return None
    targets, predictions = unpack(result["targets"]), unpack(result["predictions"])
    return picture_draws(targets, predictions, len(result["labels"]), RATES[score])


def _compare(
    ours: Sequence[Run],
    others: Sequence[Run],
    drawn: Mapping[int, NDArray[np.float64] | None],
    design: Design,
) -> Difference | None:
    """Compare on the seeds that both have; None if there are none, or if they were scored on other pictures."""
    scores, draws = [], []
    by_seed = {run.seed: run for run in others}
    for run in ours:
        other = by_seed.get(run.seed)
        if other is None or not run.result or not other.result:
            continue
        ours_drawn, others_drawn = drawn[run.number], drawn[other.number]
        if ours_drawn is None or others_drawn is None:
            continue
        if run.result["targets"] != other.result["targets"]:
            continue
        scores.append((run.result["scores"][design.score], other.result["scores"][design.score]))
        draws.append((ours_drawn, others_drawn))
    return difference(scores, draws) if scores else None


def _point(point: Point, ended: Sequence[Run], **comparison: Any) -> PointSummary:
    runs = tuple(_run(run) for run in ended)
    scored = [run.scores for run in runs if run.scores is not None]
    return PointSummary(
        label=point.label,
        values=dict(point.values),
        reference=point.reference,
        runs=runs,
        scores={name: _spread([one[name] for one in scored]) for name in SCORES} if scored else {},
        **comparison,
    )


def _spread(values: Sequence[float]) -> Spread:
    return Spread(
        mean=float(np.mean(values)),
        sd=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        lowest=min(values),
        highest=max(values),
    )


def _run(run: Run) -> RunSummary:
    result = run.result
    assert result is not None
    return RunSummary(
        seed=run.seed,
        state=result["state"],
        detail=result["detail"],
        scores=None if result["scores"] is None else dict(result["scores"]),
        validation=result.get("validation"),
        epochs=result["epochs"],
        parameters=result["parameters"],
        seconds=result["seconds"],
        beside=result.get("beside", {}),
        taken_from=result.get("taken_from", ""),
    )
