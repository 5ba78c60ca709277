"""One run from its recipe to its weights: prepare the faces, train, validate, keep, write down."""

from __future__ import annotations

import contextlib
import copy
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from mien.data.dataset import SPLITS, Dataset
from mien.data.ferplus import not_a_face
from mien.data.offline import merge
from mien.data.splits import with_validation
from mien.errors import DataError, DivergedError, MienError
from mien.evaluation.plots import curves
from mien.modelfile import Head, ModelInfo
from mien.models.macs import count_macs, count_parameters
from mien.models.weights import save_network
from mien.recipe import DataOptions, Recipe
from mien.runtime import choose_device, choose_precision, commit, machine
from mien.training.answers_file import open_teacher
from mien.training.checkpoint import load_checkpoint, save_checkpoint
from mien.training.loop import Progress, Trainer
from mien.training.run_folder import RECORDED_FACTS, RunFolder
from mien.training.seen_faces import check_sizes, sizes_shown
from mien.training.start import (
    input_spec,
    is_from_imagenet,
    network_options,
    start_network,
    weights_behind,
    with_model_of_init,
)
from mien.training.stop import StopRequested
from mien.training.targets import head_labels
from mien.training.validation import Validator

__all__ = ["Outcome", "Reporter", "prepare", "train"]

logger = logging.getLogger(__name__)


class Reporter(Protocol):
    """Who is told how a run goes; the command line draws a progress bar."""

    def teacher(self, num_answered: int, num_faces: int) -> None:
        """Hear how far a teacher is that answers all faces first; raising `StopRequested` ends the sitting."""

    def begin(self, run: RunFolder, trainer: Trainer) -> None:
        """Hear that training starts or goes on."""

    def batch(self, progress: Progress) -> None:
        """Hear of every batch; raising `StopRequested` saves the state and ends the sitting."""

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Hear of every epoch's figures."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    folder: Path
    last: Mapping[str, Any]
    """Figures of the epoch whose weights were kept."""
    collapsed: str | None
    """The one class that the network answers with, if it does."""
    stopped_early: bool


def train(
    recipe: Recipe,
    data: Dataset,
    folder: RunFolder,
    reporter: Reporter,
    *,
    resume: bool = False,
    device: str = "auto",
    command: str = "",
) -> Outcome:
    """Train a network as a recipe says.

    Args:
        recipe: What to do; a resumed run's own recipe counts, so pass that.
        data: All splits; images of ``recipe.data.size``.
        folder: Where the run is kept.
        reporter: Who is told.
        resume: Go on from the folder's checkpoint, mid-epoch too: bit-exactly on a CPU, up to rounding on a GPU.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        command: The command line, for the record.

    Raises:
        DataError: If the data has no training or validation rows, or lacks what a head learns from.
        ConfigError: If network, sizes or teacher do not fit together, or a run goes on with other data or another teacher.
        ModelFileError: If the weights to start from, or the teacher's, cannot be used.
        TrainingError: If the folder is taken, holds nothing to resume, or is in the hands of another process.
        DivergedError: If the run diverges.
        StopRequested: If the reporter raised it; the state is saved.
    """
    with contextlib.ExitStack() as held:
        if resume:
            held.enter_context(folder.held())
        run = _begin(recipe, data, folder, reporter, resume, device, command)
        if not resume:
            held.enter_context(folder.held())
        return run.to_the_end()


def _begin(
    recipe: Recipe,
    data: Dataset,
    folder: RunFolder,
    reporter: Reporter,
    resume: bool,
    device: str,
    command: str,
) -> _Run:
    """Make the folder of a run, or read what it goes on from; the arguments are those of `train`."""
    chosen = choose_device(device)
    # Before a teacher is asked, which may take minutes: whether there is anything to do at all.
    state = load_checkpoint(folder.path) if resume else None
    if state is None:
        folder.check_free()
        recipe = with_model_of_init(recipe)
    else:
        folder.check_begun("data_hash", data.content_hash)
    # A run ends in the precision that it began in, also where another would be chosen: its record says so.
    begun = recipe.train.precision if state is None else folder.facts()["precision"]
    precision = choose_precision(begun, chosen)
    training, validation = prepare(recipe.data, recipe.seed, data)
    validation = _some(validation, recipe.data.valid_limit, [recipe.seed, 6])
    spec = input_spec(recipe)
    labels = [head_labels(head, training) for head in recipe.heads]
    # A run that goes on has its weights in the checkpoint; those that it began with may be gone by now.
    network = start_network(recipe if state is None else replace(recipe, init=""), labels)
    check_sizes(network, sizes_shown(recipe), spec.channels, recipe.model.name)
    teacher = open_teacher(recipe, training, reporter.teacher, chosen)
    validator = Validator(validation, recipe.heads, spec, chosen, precision == "bf16")
    trainer = Trainer(recipe, network, spec, training, chosen, precision, teacher)
    facts = _facts(recipe, data, training, validation, (chosen, precision), command)
    facts["teacher_sha256"] = teacher and teacher.sha256
    if state is not None:
        folder.check_begun("teacher_sha256", facts["teacher_sha256"])
        trainer.restore(state)
        folder.forget_after(trainer.progress.epoch)
    else:
        taught = teacher is not None and teacher.from_imagenet
        facts["imagenet"] = taught or is_from_imagenet(recipe)
        facts["behind"] = weights_behind(recipe)
        folder.create(recipe, facts)
    return _Run(recipe, folder, trainer, validator, reporter)


def prepare(options: DataOptions, seed: int, data: Dataset) -> tuple[Dataset, Dataset]:
    """Return the training and the validation faces of a run.

    What a recipe leaves out is left out of training only: a score is over all of its split.

    Raises:
        DataError: If one of the two would be empty.
    """
    if options.valid_fraction:
        data = with_validation(data, options.valid_fraction, seed)
    if not (data.split == SPLITS.index("valid")).any():
        raise DataError(
            "This data has no validation split, and choosing anything on test would spoil it. "
            "Hold out a part of train: -o data.valid_fraction=0.2"
        )
    training, validation = data.take(data.rows("train")), data.take(data.rows("valid"))
    kept = np.ones(len(training), bool)
    if options.drop_not_face and training.votes is not None:
        kept &= ~not_a_face(training.votes, options.drop_not_face)
    if options.drop_blank:
        kept &= ~training.is_blank
    if not kept.any():
        raise DataError(
            f"Of {len(training):,} training faces none is left: data.drop_not_face and data.drop_blank leave them all out."
        )
    training = _some(training.take(np.flatnonzero(kept)), options.limit, [seed, 4])
    if options.merge_flip or options.merge_rotate_deg:
        # Last, so that no copy of a held-out face is trained on and a limit counts faces.
        training = merge(
            training,
            flip=options.merge_flip,
            rotate_deg=options.merge_rotate_deg,
            splits=["train"],
            generator=np.random.default_rng([seed, 7]),
        )
    return training, validation


def _some(faces: Dataset, limit: int, seed: list[int]) -> Dataset:
    """Return so many faces, drawn without putting back, in their old order; all if the limit is 0."""
    if not limit or limit >= len(faces):
        return faces
    chosen = np.random.default_rng(seed).permutation(len(faces))[:limit]
    return faces.take(np.sort(chosen))


class _Run:
    """The epochs of a run, and what is kept between them."""

    def __init__(
        self,
        recipe: Recipe,
        folder: RunFolder,
        trainer: Trainer,
        validator: Validator,
        reporter: Reporter,
    ) -> None:
        self._recipe, self._folder, self._reporter = recipe, folder, reporter
        self._trainer, self._validator = trainer, validator
        self._saved_at = time.monotonic()
        self._noted_at, self._noting_s = -math.inf, 0.0
        self._num_drawn = 0

    def to_the_end(self) -> Outcome:
        trainer = self._trainer
        self._reporter.begin(self._folder, trainer)
        writer = self._folder.open_tensorboard(trainer.progress.epoch)
        try:
            while not self._is_done:
                row = self._epoch()
                with self._folder.writing():
                    for name, value in row.items():
                        if not isinstance(value, str):
                            writer.add_scalar(name, value, row["epoch"])
                    writer.flush()
        except StopRequested:
            self._save()
            raise
        finally:
            # Whatever ended the run is the message, not what could not be written or drawn then.
            with contextlib.suppress(OSError):
                writer.close()
            with contextlib.suppress(OSError, MienError):
                self._draw()
        return self._finish()

    def _epoch(self) -> dict[str, Any]:
        trainer = self._trainer
        figures = trainer.run_epoch(self._after_batch)
        scores = self._validator.score(trainer.trained)
        row = {"epoch": trainer.progress.epoch + 1, **figures, **scores}
        trainer.schedule.after_epoch(float(scores["valid_accuracy"]))
        self._remember(row)
        trainer.progress.start_epoch()
        # The row first: if we are cut off between the two, resuming drops it and trains the epoch again.
        self._folder.append(row)
        self._note(is_last=self._is_done)
        self._reporter.epoch(row)
        return row

    @property
    def _is_done(self) -> bool:
        progress = self._trainer.progress
        return progress.epoch >= self._recipe.train.epochs or bool(progress.notes.get("stopped"))

    def _note(self, *, is_last: bool) -> None:
        """Write checkpoint and curves, unless that would take more than a tenth of the time: epochs can be short."""
        started = time.monotonic()
        if not is_last and started - self._noted_at < 10 * self._noting_s:
            return
        self._save()
        self._draw()
        self._noted_at = time.monotonic()
        self._noting_s = self._noted_at - started

    def _draw(self) -> None:
        """Draw the curves, where there are epochs that they do not show."""
        rows = self._folder.rows()
        if len(rows) > self._num_drawn:
            curves(rows, self._folder.curves, self._recipe.name)
            self._num_drawn = len(rows)

    def _after_batch(self, progress: Progress) -> None:
        self._reporter.batch(progress)
        minutes = (time.monotonic() - self._saved_at) / 60
        if (
            self._recipe.train.checkpoint_minutes
            and minutes >= self._recipe.train.checkpoint_minutes
        ):
            self._save()

    def _remember(self, row: Mapping[str, Any]) -> None:
        """Keep the best weights where the recipe asks for them, and count epochs without gain."""
        notes, options = self._trainer.progress.notes, self._recipe.train
        if row["valid_loss"] < notes.get("stop_best", math.inf) - options.stop_min_delta:
            notes["stop_best"], notes["stop_waited"] = row["valid_loss"], 0
        else:
            notes["stop_waited"] = notes.get("stop_waited", 0) + 1
        notes["stopped"] = bool(
            options.stop_patience and notes["stop_waited"] >= options.stop_patience
        )
        if options.keep == "last":
            notes["kept"] = dict(row)
            return
        value = -row["valid_loss"] if options.keep == "best_loss" else row["valid_accuracy"]
        if value > notes.get("keep_best", -math.inf):
            notes["keep_best"], notes["kept"] = value, dict(row)
            notes["weights"] = copy.deepcopy(self._trainer.trained.state_dict())

    def _save(self) -> None:
        save_checkpoint(self._folder.path, self._trainer.state())
        self._saved_at = time.monotonic()

    def _finish(self) -> Outcome:
        trainer = self._trainer
        notes = trainer.progress.notes
        network = trainer.trained
        if "weights" in notes:
            network.load_state_dict(notes["weights"])
        # Each batch's loss is looked at before its step: what the last step did shows here alone.
        kept = notes.get("kept", {"valid_loss": math.nan})
        weights = network.state_dict().values()
        if not (math.isfinite(kept["valid_loss"]) and all(one.isfinite().all() for one in weights)):
            raise DivergedError(
                f"The network gives no finite numbers after epoch {trainer.progress.epoch}: the run has diverged. Lower "
                f"optimizer.lr (it is {self._recipe.optimizer.lr}) or set train.clip_norm."
            )
        save_network(self._folder.weights, network.cpu(), self._info(kept))
        stopped = bool(notes.get("stopped"))
        return Outcome(self._folder.path, kept, kept.get("collapsed"), stopped)

    def _info(self, kept: Mapping[str, Any]) -> ModelInfo:
        """Describe the weights, for whoever gets the file; ``kept`` are the figures of their epoch."""
        recipe, trainer = self._recipe, self._trainer
        facts = self._folder.facts()
        rows = self._folder.rows()
        return ModelInfo(
            name=recipe.name,
            heads=tuple(
                Head(name=head.labels, labels=head_labels(head, trainer.data))
                for head in recipe.heads
            ),
            input=trainer.spec,
            architecture=recipe.model.name,
            options=network_options(recipe),
            provenance={
                **{name: facts[name] for name in RECORDED_FACTS},
                "teacher_sha256": facts.get("teacher_sha256"),
                "imagenet": facts.get("imagenet", False),
                "recipe": _told(recipe),
                "seed": recipe.seed,
                "epochs": len(rows),
                "valid_accuracy": kept["valid_accuracy"],
                "collapsed": kept.get("collapsed"),
                "train_seconds": round(sum(row["seconds"] for row in rows)),
                "parameters": count_parameters(trainer.network),
                "macs": count_macs(trainer.network, trainer.spec.size, trainer.spec.channels),
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
            },
        )


def _told(recipe: Recipe) -> dict[str, Any]:
    """The recipe for the record; where the user keeps things is left out, for model files are given away."""
    nameless = replace(
        recipe,
        init=Path(recipe.init).name,
        distill=replace(recipe.distill, teacher=Path(recipe.distill.teacher).name),
        data=replace(recipe.data, source=Path(recipe.data.source).name),
    )
    return nameless.as_dict()


def _facts(
    recipe: Recipe,
    data: Dataset,
    training: Dataset,
    validation: Dataset,
    computing: tuple[torch.device, str],
    command: str,
) -> dict[str, Any]:
    device, precision = computing
    return {
        "name": recipe.name,
        "command": command,
        "commit": commit(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(device),
        "torch_threads": torch.get_num_threads(),
        "precision": precision,
        "seed": recipe.seed,
        "data_hash": data.content_hash,
        "data_layout": data.layout,
        "num_train": len(training),
        "num_valid": len(validation),
    }
