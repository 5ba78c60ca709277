"""What a run leaves behind: its recipe, the machine, the figures of every epoch, the weights, the curves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomli_w

from mien.errors import ConfigError, TrainingError
from mien.locking import try_lock
from mien.models.weights import WEIGHTS_NAME
from mien.recipe import ModelOptions, Recipe, recipe_from_dict
from mien.replacing import replacing
from mien.tables import parse_json, read_json, read_toml
from mien.utf8 import is_text, write_text

__all__ = ["RECORDED_FACTS", "RunFolder"]

RECORDED_FACTS = ("command", "commit", "data_hash", "precision", "machine")
"""What the weights' record takes over at the end of a run."""

_BEGUN_WITH_OTHER = {
    "data_hash": "was begun on other data (hash {begun}…, this has {now}…). Give --data as it was",
    "teacher_sha256": "learned from a teacher with other weights (SHA-256 {begun}…). Put that file back",
}


class RunFolder:
    """A folder with one run in it."""

    def __init__(self, path: Path) -> None:
        """Name the folder; nothing is made yet."""
        self.path = path
        self.weights = path / WEIGHTS_NAME
        self.metrics = path / "metrics.jsonl"
        self.curves = path / "curves.png"
        self.tensorboard = path / "tensorboard"
        self._recipe = path / "recipe.toml"
        self._facts = path / "run.json"

    @property
    def is_begun(self) -> bool:
        """Whether a run is in it."""
        return self._recipe.exists()

    def check_free(self) -> None:
        """Make sure that no run is in it, and that one can be.

        Raises:
            TrainingError: If one is, or its name is no text.
        """
        if not is_text(str(self.path)):
            raise TrainingError(
                f"{self.path} has a name that is no UTF-8, under which TensorBoard writes nothing. Choose another --out."
            )
        if self.is_begun:
            raise TrainingError(
                f"{self.path} already holds a run. Go on with it by --resume, or choose another --out."
            )

    def create(self, recipe: Recipe, facts: Mapping[str, Any]) -> None:
        """Make the folder for a new run.

        Raises:
            TrainingError: If another run is in it, or the disk does not take it.
        """
        self.check_free()
        with self.writing():
            self.path.mkdir(parents=True, exist_ok=True)
            _replace_text(self._facts, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
            # Written last: a folder with a recipe is a run that was really begun.
            _replace_text(self._recipe, tomli_w.dumps(recipe.as_dict()))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the run in this process while the block lasts; where there is none, nothing is kept.

        Raises:
            TrainingError: If it is in another one.
        """
        if not self.is_begun:
            yield
            return
        # It is written once and then stays, so that all processes mean the same file.
        with self._recipe.open("r+b") as file:
            if not try_lock(file):
                raise TrainingError(
                    f"{self.path} is being trained by another process. Wait until that ends, or choose another --out."
                )
            yield

    def recipe(self) -> Recipe:
        """Read back what the run was told.

        Raises:
            TrainingError: If there is no run here.
            ConfigError: If its recipe cannot be read.
        """
        if not self.is_begun:
            raise TrainingError(f"{self.path} holds no run; start it without --resume.")
        return recipe_from_dict(read_toml(self._recipe, "recipe"), str(self._recipe))

    def changes(self, recipe: Recipe) -> list[str]:
        """Return which settings of a recipe are others than the run's: none if the run can go on with it.

        Raises:
            TrainingError: If there is no run here.
        """
        begun = self.recipe()
        if recipe.init and recipe.model == ModelOptions():
            # Its network is the one of those weights, which may be gone by now.
            recipe = replace(recipe, model=begun.model)
        ours, theirs = recipe.as_dict(), begun.as_dict()
        return [key for key in ours if ours[key] != theirs[key]]

    def facts(self) -> dict[str, Any]:
        """Return what was written down at the start: commit, machine, data hash, command.

        Raises:
            TrainingError: If that is missing or damaged.
        """
        try:
            facts = read_json(self._facts)
            if not isinstance(facts, dict):
                raise ValueError("it is no table")
            missing = [name for name in RECORDED_FACTS if name not in facts]
            if missing:  # found now, not when the run has been trained to its end
                raise ValueError(f"it lacks {', '.join(missing)}")
        except (OSError, ValueError) as error:
            raise _damaged(self._facts, error) from None
        return facts

    def check_begun(self, fact: str, now: str | None) -> None:
        """Make sure that what a run goes on with is what it began with.

        Args:
            fact: ``"data_hash"`` or ``"teacher_sha256"``.
            now: What it is now; None is no teacher.

        Raises:
            ConfigError: If it is not.
        """
        begun = self.facts().get(fact)
        if begun != now:
            what = _BEGUN_WITH_OTHER[fact].format(begun=str(begun)[:12], now=str(now)[:12])
            raise ConfigError(f"{self.path} {what}, or begin anew in another --out.")

    def rows(self) -> list[dict[str, Any]]:
        """Return the figures of the complete epochs, in order.

        Raises:
            TrainingError: If the file is damaged other than in its last line, which a sudden end may have cut.
        """
        if not self.metrics.exists():
            return []
        try:
            lines = self.metrics.read_text(encoding="utf-8").splitlines()
            return [_figures(line) for line in lines if line.endswith("}")]
        except (OSError, ValueError) as error:
            raise _damaged(self.metrics, error) from None

    def append(self, row: Mapping[str, Any]) -> None:
        """Add an epoch's figures.

        Raises:
            TrainingError: If the disk does not take them.
        """
        with self.writing(), self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def open_tensorboard(self, epoch: int) -> Any:
        """Return TensorBoard's writer for a run that has so many complete epochs.

        Raises:
            TrainingError: If the disk does not take its file.
        """
        # Seconds to import: only when a run starts.
        from torch.utils.tensorboard import SummaryWriter

        with self.writing():
            return SummaryWriter(str(self.tensorboard), purge_step=epoch + 1)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Say in one line that the disk does not take what is written in this block.

        Raises:
            TrainingError: If it does not.
        """
        try:
            yield
        except OSError as error:
            raise TrainingError(f"The run folder {self.path} cannot be written: {error}.") from None

    def forget_after(self, epoch: int) -> None:
        """Drop the figures of epochs that are to be trained again: those beyond ``epoch`` complete ones.

        Raises:
            TrainingError: If they are damaged, or the disk does not take those that are kept.
        """
        kept = [row for row in self.rows() if row["epoch"] <= epoch]
        with self.writing():
            _replace_text(self.metrics, "".join(json.dumps(row) + "\n" for row in kept))
        if not kept:
            shutil.rmtree(self.tensorboard, ignore_errors=True)


def _figures(line: str) -> dict[str, Any]:
    row: dict[str, Any] = parse_json(line)
    numbers = {name: value for name, value in row.items() if name != "collapsed"}
    if not {"epoch", "seconds"} <= numbers.keys() or not all(
        isinstance(value, (int, float)) for value in numbers.values()
    ):
        raise ValueError(f"{line[:60]}… is no epoch")
    return row


def _damaged(path: Path, error: Exception) -> TrainingError:
    return TrainingError(
        f"{path} is missing or damaged ({error}). Put a copy of it back, or begin anew in another folder."
    )


def _replace_text(path: Path, text: str) -> None:
    """Write a small file whole or not at all."""
    with replacing(path, flush=True) as partial:
        write_text(partial, text)
