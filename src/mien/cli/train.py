"""`mien train`: one run from a recipe."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.options import ChangesOption, RecipeDataOption
from mien.errors import ConfigError, MissingExtraError
from mien.paths import RUNS

if TYPE_CHECKING:
    from rich.progress import TaskID

    from mien.recipe import Recipe
    from mien.training.loop import Progress, Trainer
    from mien.training.run import Outcome
    from mien.training.run_folder import RunFolder
    from mien.training.stop import SignalStop

__all__ = ["train"]


def train(
    recipe: Annotated[Path, typer.Argument(help="A recipe (TOML); see recipes/.")],
    option: ChangesOption = None,
    data: RecipeDataOption = "",
    out: Annotated[Path | None, typer.Option(help="The run's folder; default runs/NAME.")] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with a run that was cut off, as if it had not been."),
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train a network as a recipe says, into a folder that holds all that happened."""
    from mien.recipe import load_recipe
    from mien.training.stop import StopRequested

    wanted = load_recipe(recipe, option or [])
    folder_path = out or Path(RUNS) / wanted.name
    try:
        command = _command(recipe, option or [])
        outcome = _train(wanted, data, folder_path, resume=resume, device=device, command=command)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in (
            "torch",
            "safetensors",
            "tomli_w",
            "matplotlib",
            "tensorboard",
        ):
            raise
        raise MissingExtraError("train", "Training") from None
    except StopRequested:
        changes = [word for one in option or [] for word in ("-o", one)]
        source = ["--data", data] if data else []
        place = [] if device == "auto" else ["--device", device]
        again = [str(recipe), *changes, *source, *place, "--out", str(folder_path), "--resume"]
        typer.echo(_farewell(folder_path, again), err=True)
        raise typer.Exit(130) from None
    _conclude(outcome)


def _farewell(folder: Path, again: list[str]) -> str:
    """Say how to go on after a stop; ``again`` are the words of the command that does."""
    from mien.training.run_folder import RunFolder

    if not RunFolder(folder).is_begun:
        return "Stopped before the first batch; nothing was written. Start it again with the same command."
    return f"Stopped; the state is saved. Go on with: mien train {shlex.join(again)}"


def _command(recipe: Path, options: list[str]) -> str:
    """The command for the record; where the user keeps things is left out, for model files are given away."""
    from mien.recipe import nameless

    changes = [part for option in options for part in ("-o", nameless(option))]
    shown = recipe.name if recipe.is_absolute() else str(recipe)
    return f"mien train {shlex.join([shown, *changes])} --data PATH"


def _train(
    recipe: Recipe, data: str, folder_path: Path, *, resume: bool, device: str, command: str
) -> Outcome:
    from mien.cli.given_data import open_training_data
    from mien.runtime import keep_freed_memory
    from mien.training.run import train as run
    from mien.training.run_folder import RunFolder
    from mien.training.start import with_model_of_init
    from mien.training.stop import SignalStop

    folder = RunFolder(folder_path)
    if resume:
        _refuse_changes(recipe, folder)
        recipe = folder.recipe()
    else:
        recipe = with_model_of_init(recipe)
    keep_freed_memory()
    dataset = open_training_data(data, recipe)
    with SignalStop() as stop, _Bar(recipe, stop) as reporter:
        return run(recipe, dataset, folder, reporter, resume=resume, device=device, command=command)


def _refuse_changes(recipe: Recipe, folder: RunFolder) -> None:
    """A resumed run goes on as it began; another recipe would be another run."""
    changed = folder.changes(recipe)
    if changed:
        raise ConfigError(
            f"{folder.path} was begun with other settings ({', '.join(changed)}). "
            "Resume it with its own recipe, or choose another --out."
        )


def _conclude(outcome: Outcome) -> None:
    last = outcome.last
    early = " (stopped early)" if outcome.stopped_early else ""
    scores = f"accuracy {last['valid_accuracy']:.2%}, macro-F1 {last['valid_macro_f1']:.3f}"
    typer.echo(f"Epoch {last['epoch']}{early}: validation {scores}. The run is in {outcome.folder}")
    if outcome.collapsed:
        typer.echo(
            f"COLLAPSED: the network answers '{outcome.collapsed}' to (nearly) every face, so its accuracy is only that "
            "class's share. Lower optimizer.lr, add a warm-up, or try another optimizer.",
            err=True,
        )


class _Bar:
    """A progress bar on a terminal; a line an epoch anywhere else."""

    def __init__(self, recipe: Recipe, stop: SignalStop) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._epochs, self._stop = recipe.train.epochs, stop
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.fields[step]}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._steps = 0
        self._asking: TaskID | None = None

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def teacher(self, num_answered: int, num_faces: int) -> None:
        if self._asking is None:
            self._asking = self._progress.add_task("", total=num_faces, step="teacher", figures="")
            self._console.print(
                f"The teacher answers {num_faces:,} faces first; its answers are kept for the next time.",
                highlight=False,
            )
        self._progress.update(
            self._asking, completed=num_answered, visible=num_answered < num_faces
        )
        self._stop.check()

    def begin(self, run: RunFolder, trainer: Trainer) -> None:
        self._steps = trainer.steps_per_epoch
        done = trainer.progress.epoch * self._steps + trainer.progress.batch
        self._task = self._progress.add_task(
            "",
            total=self._epochs * self._steps,
            completed=done,
            step=f"epoch 1/{self._epochs}",
            figures="",
        )
        from mien.models.macs import count_parameters

        num = count_parameters(trainer.network)
        epochs = f"{self._epochs} epoch{'' if self._epochs == 1 else 's'}"
        self._console.print(
            f"{run.path}: {len(trainer.data):,} faces, {num / 1e6:.2f} M parameters, {epochs}",
            highlight=False,
            markup=False,  # a path may hold [brackets]
        )

    def batch(self, progress: Progress) -> None:
        seen = max(1.0, progress.num_seen)
        self._progress.update(
            self._task,
            completed=progress.epoch * self._steps + progress.batch,
            step=f"epoch {progress.epoch + 1}/{self._epochs}",
            figures=f"loss {progress.loss_sum / seen:.3f}  accuracy {progress.num_right / seen:.1%}",
        )
        self._stop.check()

    def epoch(self, row: Mapping[str, Any]) -> None:
        others = "".join(
            f"  {name.split('/')[1]} {value:.2%}"
            for name, value in row.items()
            if name.startswith("valid_accuracy/")
        )
        warning = f"  [bold red]COLLAPSED to {row['collapsed']}[/]" if "collapsed" in row else ""
        self._console.print(
            f"epoch {row['epoch']:3d}/{self._epochs}  train {row['train_loss']:.3f} {row['train_accuracy']:.1%}  "
            f"valid {row['valid_loss']:.3f} {row['valid_accuracy']:.2%}{others}  "
            f"macro-F1 {row['valid_macro_f1']:.3f}  lr {row['lr']:.4f}  {row['seconds']:.0f} s{warning}",
            highlight=False,
            soft_wrap=True,  # one line an epoch, in a log too
        )
