"""`mien ensemble`: several trained networks become one file."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.outputs import check_written_file
from mien.errors import InputError, MissingExtraError
from mien.modelfile import ModelInfo

__all__ = ["ensemble"]


def ensemble(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or weights.safetensors files.")],
    out: Annotated[Path, typer.Option(help="The .safetensors file to write.")],
    name: Annotated[str, typer.Option(help="What it is called; default: as its file.")] = "",
) -> None:
    """Put trained networks side by side: their probabilities are averaged.

    The file holds all their weights. `mien evaluate` scores it, a recipe's distill.teacher names it.
    """
    if find_spec("torch") is None:
        raise MissingExtraError("train", "Making an ensemble")
    from mien.models.ensemble import Ensemble, ensemble_info
    from mien.models.weights import load_network, save_network, weights_file

    files = [weights_file(run).resolve() for run in runs]
    check_written_file(out, ".safetensors", files)
    for place, file in enumerate(files):
        if file in files[:place]:
            raise InputError(
                f"{file} is given twice; a network beside itself answers as it does alone."
            )
    opened = [load_network(run) for run in runs]
    infos = [info for _, info in opened]
    info = ensemble_info(name or out.stem, infos)
    sizes = [len(head.labels) for head in info.heads]
    whole = Ensemble([network for network, _ in opened], sizes, [one.input for one in infos])
    save_network(out, whole, info)
    names = "; ".join(_told(one) for one in infos)
    typer.echo(f"{out}: {len(runs)} networks ({names}), {out.stat().st_size / 1e6:.1f} MB")


def _told(info: ModelInfo) -> str:
    """A member's name, and its seed and accuracy where the record has them: a bad one is easily overlooked among several."""
    accuracy, seed = info.provenance.get("valid_accuracy"), info.provenance.get("seed")
    if accuracy is None:
        return info.name
    return f"{info.name}, seed {seed}, {accuracy:.1%} on validation"
