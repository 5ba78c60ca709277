"""`mien data preview`: faces of a data set on one picture, and what a recipe's augmentation makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.outputs import check_not_read
from mien.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    import numpy as np

    from mien.data import Dataset
    from mien.data.contact_sheet import Strip
    from mien.recipe import Recipe

__all__ = ["preview"]

_NUM_AUGMENTED = 6
"""Faces of which augmented versions are shown."""


def preview(
    path: Annotated[
        Path, typer.Argument(help="Labelled faces, in any layout of `mien data info`.")
    ],
    out: Annotated[Path, typer.Option(help="The picture to write, .png or .jpg.")] = Path(
        "preview.png"
    ),
    recipe: Annotated[
        Path | None, typer.Option(help="Show what this recipe's augmentation does, too.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", help="Change the recipe: -o augment.rotate_deg=30."),
    ] = None,
    per_class: Annotated[int, typer.Option(min=1, max=50, help="Faces a class and split.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Which faces are drawn.")] = 0,
    size: Annotated[
        int, typer.Option(min=8, max=1024, help="Height and width of the images, px.")
    ] = 48,
) -> None:
    """Draw a contact sheet: faces of each class and split at random, and versions as training sees them."""
    import numpy as np

    from mien import images
    from mien.data import open_dataset
    from mien.data.contact_sheet import contact_sheet, sample_strips
    from mien.recipe import load_recipe

    if out.suffix.lower() not in images.WRITTEN_SUFFIXES:
        raise InputError(f"{out} has no ending of a picture; use .png or .jpg.")
    check_not_read(out, "--out", None, path)
    if option and recipe is None:
        raise InputError("--option changes a recipe; name one with --recipe.")
    wanted = None if recipe is None else load_recipe(recipe, option or [])
    generator = np.random.default_rng(seed)
    dataset = open_dataset(path, size=size)
    strips = sample_strips(dataset, per_class, generator)
    if wanted is not None:
        strips += _augmented(dataset, wanted, per_class, generator)
    images.write(out, contact_sheet(strips))
    typer.echo(f"written: {out}", err=True)


def _augmented(
    dataset: Dataset, recipe: Recipe, columns: int, generator: np.random.Generator
) -> list[Strip]:
    """Some faces of train, each followed by versions as training would see them."""
    from importlib.util import find_spec

    import numpy as np

    if find_spec("torch") is None:
        raise MissingExtraError("train", "Showing a recipe's augmentation")
    from dataclasses import asdict

    import torch

    from mien.data.augment import Augmentation, augment, draw
    from mien.data.contact_sheet import Strip

    how = Augmentation(**{k: v for k, v in asdict(recipe.augment).items() if k != "mixup"})
    size = dataset.images.shape[1]
    num_copies = max(1, columns - 1)
    strips: list[Strip] = []
    for row in generator.permutation(dataset.rows("train"))[:_NUM_AUGMENTED].tolist():
        face = dataset.images[row]
        copies = torch.from_numpy(np.repeat(face[None, None], num_copies, 0).astype(np.float32))
        chances = torch.from_numpy(draw(num_copies, recipe.seed, row))
        changed = augment(copies, chances, how, size)[:, 0].round().clamp(0, 255).byte().numpy()
        label = dataset.labels[row]
        strips.append(
            Strip(
                title="no label" if label < 0 else dataset.label_names[label],
                note="as it is, then as trained on",
                images=[face, *changed],
                heading="" if strips else f"augmentation of {recipe.name}",
            )
        )
    return strips
