"""Doing the runs of a study: train, score, and take a failure for the result that it is."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from mien.data.dataset import SPLITS, Dataset
from mien.errors import (
    CheckpointError,
    DivergedError,
    MienError,
    ModelFileError,
    TrainingError,
)
from mien.evaluation.evaluate import predict_logits
from mien.evaluation.metrics import RATES, collapsed_class, confusion_matrix
from mien.evaluation.protocols import protocols
from mien.models.macs import count_parameters
from mien.models.predict import network_predictor
from mien.models.weights import load_network
from mien.recipe import Recipe
from mien.runtime import choose_device, commit, is_out_of_memory, machine
from mien.studies.checks import check_weights, outline
from mien.studies.design import Design
from mien.studies.ledger import Ledger, Run
from mien.studies.packing import pack
from mien.studies.taking_over import run_key
from mien.training.loop import Progress, Trainer
from mien.training.run import prepare, train
from mien.training.run_folder import RunFolder
from mien.training.start import weights_behind

__all__ = ["Watcher", "execute", "where_trained", "work"]

logger = logging.getLogger(__name__)

MOST_MEMORY_DEATHS = 2
"""A run whose process went so often when memory ran out is not tried again: it would take the next process with it."""

POLL_S = 1.0
"""How often a process that has nothing to do looks whether another one has died."""

_CURVE = (
    *("epoch", "train_loss", "train_accuracy", "valid_loss", "valid_accuracy"),
    *("valid_macro_f1", "lr", "collapsed"),
)


class Watcher(Protocol):
    """Who is told how a study goes; the command line draws a table."""

    def begin(self, run: Run) -> None:
        """Hear that a run starts or goes on."""

    def teacher(self, run: Run, num_answered: int, num_faces: int) -> None:
        """Hear how far a run's teacher is that answers all faces first; raising `StopRequested` ends the work."""

    def batch(self, run: Run, progress: Progress) -> None:
        """Hear of every batch; raising `StopRequested` saves the run and ends the work."""

    def end(self, run: Run, result: Mapping[str, Any]) -> None:
        """Hear how a run ended."""

    def idle(self) -> None:
        """Hear that all runs that are left are in other hands; raising `StopRequested` ends the work."""


class _Pruned(Exception):  # noqa: N818 - no error: the run did as well as it could
    """The pruner ends a run."""


def where_trained(folder: Path, runs: Sequence[Run]) -> dict[str, Any]:
    """Return the ``commit`` and the ``machine`` of most of the runs that were trained in the study's folder.

    A study is often summed up elsewhere. Where no run says it, as when all were taken over, they are those of now.
    """
    trained = [run for run in runs if run.result and not run.result.get("taken_from")]
    notes = []
    for run in trained:
        with contextlib.suppress(TrainingError, KeyError, TypeError):
            facts = RunFolder(folder / "runs" / run.name).facts()
            notes.append({"commit": facts["commit"], "machine": facts["machine"]})
    if not notes:
        return {"commit": commit(), "machine": machine()}
    return max(notes, key=notes.count)


def work(  # noqa: PLR0913 - the study, its faces, and what of it is to be done
    ledger: Ledger,
    design: Design,
    data: Dataset,
    folder: Path,
    watcher: Watcher,
    *,
    device: str = "auto",
    wanted: Callable[[Run], bool] = lambda _: True,
    known: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Do runs until none is left to do, here or in another process.

    Args:
        ledger: The runs.
        design: What is asked.
        data: All splits; images of the base recipe's size.
        folder: The study's folder; each run has one of its own in ``runs/``.
        watcher: Who is told.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        wanted: Which runs to do.
        known: Results by `taking_over.run_key` that are taken over instead of doing their runs again.

    Raises:
        MienError: What a user can mend, such as a full disk; the runs so far are kept.
        StopRequested: If the watcher raised it; the present run is saved.
    """
    while True:
        run = ledger.claim(wanted)
        if run is None:
            if all(one.state == "ended" for one in ledger.runs() if wanted(one)):
                return
            watcher.idle()
            time.sleep(POLL_S)
            continue
        try:
            result = _known(_recipe(run, design), data.content_hash, known or {})
            if result is None:
                if not _goes_on(run, design, folder, data.content_hash):
                    check_weights(_recipe(run, design), design, ledger.runs())
                    run = replace(run, epochs=0)
                watcher.begin(run)
                reporter = _Reporter(run, ledger, design, watcher)
                result = execute(run, design, data, folder, reporter, device)
        except BaseException:
            ledger.give_back(run)
            raise
        ledger.finish(run, result)
        watcher.end(run, result)


def execute(
    run: Run, design: Design, data: Dataset, folder: Path, reporter: Any, device: str = "auto"
) -> dict[str, Any]:
    """Train and score one run, from where it was cut off if it was.

    Returns:
        ``state``: ``"finished"``, ``"collapsed"``, ``"diverged"``, ``"out of memory"`` or ``"pruned"``; ``detail``: the one
        class, or the message; ``scores`` on the study's split, those of the other protocols ``beside`` it, ``validation`` of the
        kept epoch as the run saw it, ``curve``, packed ``predictions`` and ``targets``, ``seconds``, ``epochs``, ``parameters``.
        Scores are None where there are none.

    Raises:
        MienError: What is no result but a trouble of this machine or data.
    """
    recipe = _recipe(run, design)
    kept = RunFolder(folder / "runs" / run.name)
    resume = _goes_on(run, design, folder, data.content_hash)
    if not resume:  # cut off before there was anything to go on from, or another study's
        shutil.rmtree(kept.path, ignore_errors=True)
    begun = kept.recipe() if resume else recipe  # a run's own names the network of its weights
    result: dict[str, Any] = {"state": "finished", "detail": "", "scores": None}
    try:
        _refuse_what_kills(run)
        try:
            outcome = train(begun, data, kept, reporter, resume=resume, device=device)
        except CheckpointError:
            # All are damaged. What is gone is gone; the other runs are not to wait for it.
            logger.warning("%s has nothing left to go on from and begins anew", run.name)
            shutil.rmtree(kept.path)
            outcome = train(recipe, data, kept, reporter, device=device)
        result["validation"] = {
            name: outcome.last[f"valid_{name}"] for name in ("accuracy", "macro_f1", "loss")
        }
        result |= {"kept_epoch": outcome.last["epoch"], "stopped_early": outcome.stopped_early}
        scored = _score(kept, recipe, data, choose_device(device))
        one_class = scored.pop("one_class") or outcome.collapsed
        result |= scored
        if one_class:
            result |= {"state": "collapsed", "detail": one_class}
    except _Pruned:
        result["state"] = "pruned"
    except (MemoryError, RuntimeError, TrainingError) as error:
        state = _failure(error)
        if state is None:
            raise
        result |= {"state": state, "detail": str(error).splitlines()[0]}
    rows = kept.rows() if kept.metrics.exists() else []
    result["curve"] = [{key: row[key] for key in _CURVE if key in row} for row in rows]
    result |= {"epochs": len(rows), "seconds": round(sum(row["seconds"] for row in rows), 1)}
    result["behind"] = kept.facts().get("behind", {}) if kept.is_begun else {}
    network = outline(kept.recipe() if kept.is_begun else recipe)
    result.setdefault("parameters", count_parameters(network))
    for checkpoint in kept.path.glob("checkpoint*.pt"):
        checkpoint.unlink()  # the run is over, and three times the weights are a lot for many runs
    return result


def _goes_on(run: Run, design: Design, folder: Path, data_hash: str) -> bool:
    """Whether a run's folder, which another machine may have, holds its state; that of another recipe or data would pass for it."""
    kept = RunFolder(folder / "runs" / run.name)
    try:
        if not any(kept.path.glob("checkpoint*.pt")) or kept.changes(_recipe(run, design)):
            return False
        kept.rows()
        return bool(kept.facts().get("data_hash") == data_hash)
    except MienError:  # damaged, or from a mien that knew other settings
        return False


def _recipe(run: Run, design: Design) -> Recipe:
    return design.recipe(run.point.settings, run.seed, f"{design.name}-{run.name}")


def _known(
    recipe: Recipe, data_hash: str, known: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """A result to take over; None where there is none, or the weights behind the run are gone, which training will say."""
    try:
        return known.get(run_key(recipe, data_hash, weights_behind(recipe))) if known else None
    except ModelFileError:
        return None


def _refuse_what_kills(run: Run) -> None:
    if run.memory_deaths >= MOST_MEMORY_DEATHS:
        raise MemoryError(
            f"Memory ran out, and the system ended its process, {run.memory_deaths} times."
        )


def scored_rows(recipe: Recipe, data: Dataset) -> Dataset:
    """Return the faces that runs are scored on.

    The data's own validation split where it has one, for all seeds the same, also when a run held out a part of training to
    stop by; else the part that the run held out.
    """
    rows = np.flatnonzero(data.split == SPLITS.index("valid"))
    if len(rows):
        return data.take(rows)
    return prepare(recipe.data, recipe.seed, data)[1]


def _score(kept: RunFolder, recipe: Recipe, data: Dataset, device: torch.device) -> dict[str, Any]:
    network, info = load_network(kept.path)
    faces = scored_rows(recipe, data)
    # A run that held out its own part has its faces in "valid" too: the same name for both.
    found = protocols(info.heads, faces, "valid")
    rows = np.unique(np.concatenate([protocol.rows for protocol in found]))
    predictor = network_predictor(network, info, device)
    logits = predict_logits(predictor, faces.images[rows], info.input)
    answers = [
        logits[protocol.head][np.searchsorted(rows, protocol.rows)].argmax(axis=1)
        for protocol in found
    ]
    if not all(np.isfinite(logits[protocol.head]).all() for protocol in found):
        raise DivergedError("The network gives NaN or infinity: its training has diverged.")
    (protocol, predictions), *others = zip(found, answers, strict=True)
    labels = info.head(protocol.head).labels
    collapsed = collapsed_class(protocol.targets, predictions)
    return {
        "scores": _rates(protocol.targets, predictions, len(labels)),
        "one_class": None if collapsed is None else labels[collapsed],
        "parameters": info.provenance["parameters"],
        "protocol": protocol.name,
        "labels": list(labels),
        "n": len(predictions),
        "predictions": pack(predictions),
        "targets": pack(protocol.targets),
        "beside": {
            other.name: {
                "n": len(given),
                **_rates(other.targets, given, len(info.head(other.head).labels)),
            }
            for other, given in others
        },
    }


def _rates(
    targets: NDArray[np.int64], predictions: NDArray[np.int64], num_classes: int
) -> dict[str, float]:
    confusion = confusion_matrix(targets, predictions, num_classes)
    return {name: float(rate(confusion)) for name, rate in RATES.items()}


def _failure(error: Exception) -> str | None:
    """Name what an exception says about the value under study; None if it says nothing about that."""
    if is_out_of_memory(error):
        return "out of memory"
    if isinstance(error, DivergedError):
        return "diverged"
    return None


class _Reporter:
    """Passes on what a run says, to the watcher and to the ledger."""

    def __init__(self, run: Run, ledger: Ledger, design: Design, watcher: Watcher) -> None:
        self._run, self._ledger, self._watcher = run, ledger, watcher
        self._score = "valid_macro_f1" if design.score == "macro_f1" else "valid_accuracy"
        self._last_epoch = _recipe(run, design).train.epochs

    def teacher(self, num_answered: int, num_faces: int) -> None:
        self._watcher.teacher(self._run, num_answered, num_faces)

    def begin(self, run: RunFolder, trainer: Trainer) -> None: ...

    def batch(self, progress: Progress) -> None:
        self._watcher.batch(self._run, progress)

    def epoch(self, row: Mapping[str, Any]) -> None:
        self._run = replace(self._run, epochs=row["epoch"])
        is_hopeless = self._ledger.report(self._run, float(row[self._score]), row["epoch"])
        if is_hopeless and row["epoch"] < self._last_epoch:  # after it there is nothing to save
            raise _Pruned
