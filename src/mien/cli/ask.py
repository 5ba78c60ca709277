"""`mien ask`: a teacher's answers to all that a recipe shows its student, for training where the teacher is too slow."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.options import ChangesOption, RecipeDataOption
from mien.cli.outputs import check_written_file
from mien.errors import ConfigError, MissingExtraError

__all__ = ["ask"]


def ask(
    recipe: Annotated[Path, typer.Argument(help="The student's recipe (TOML).")],
    out: Annotated[Path, typer.Option(help="The .safetensors file to write.")],
    teacher: Annotated[
        str,
        typer.Option(
            help="A run folder, a .safetensors file, or a model that ships with weights; default: the recipe's."
        ),
    ] = "",
    option: ChangesOption = None,
    data: RecipeDataOption = "",
    device: Annotated[
        str, typer.Option(help="Where the teacher answers: auto, cpu or cuda.")
    ] = "auto",
) -> None:
    """Write what a teacher answers to every face as a recipe changes it, epoch by epoch.

    A recipe whose distill.teacher is such a file is trained without the teacher: ask where there is a GPU, train anywhere.
    Where it was stopped, the same command goes on with the epoch that it was in.
    """
    if find_spec("torch") is None:
        raise MissingExtraError("train", "Asking a teacher")
    from mien.cli.given_data import open_training_data
    from mien.cli.progress import faces_progress
    from mien.models.weights import find_weights, weights_file
    from mien.recipe import load_recipe
    from mien.runtime import choose_device
    from mien.training.asking import ask as write
    from mien.training.run import prepare
    from mien.training.start import with_model_of_init

    wanted = load_recipe(recipe, option or [])
    how = replace(wanted.distill, teacher=teacher or wanted.distill.teacher, sees="same")
    if not how.teacher:
        raise ConfigError(
            "Which teacher? Name it with --teacher, or in the recipe as distill.teacher."
        )
    of_init = [weights_file(Path(wanted.init))] if wanted.init else []
    check_written_file(out, ".safetensors", [find_weights(how.teacher), *of_init])
    place = choose_device(device)
    wanted = with_model_of_init(replace(wanted, distill=how))
    faces, _ = prepare(wanted.data, wanted.seed, open_training_data(data, wanted))
    with faces_progress(wanted.train.epochs * len(faces)) as advance:
        before = 0

        def hear(answered: int, _of: int) -> None:
            nonlocal before
            advance(answered - before)
            before = answered

        try:
            write(wanted, faces, out, hear, place)
        except KeyboardInterrupt:
            typer.echo(
                "\nStopped. The same command goes on with the epoch that it was in.", err=True
            )
            raise typer.Exit(130) from None
    size = out.stat().st_size / 1e6
    typer.echo(f"{out}: {wanted.train.epochs} x {len(faces):,} answers, {size:.1f} MB")
