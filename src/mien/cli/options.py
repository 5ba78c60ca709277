"""Options that several commands share, each told once: which model, which labels, who finds the faces."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mien.errors import InputError

__all__ = [
    "ChangesOption",
    "DetectorFileOption",
    "DetectorOption",
    "DeviceOption",
    "LabelsOption",
    "Language",
    "ModelOption",
    "Prior",
    "PriorOption",
    "RecipeDataOption",
    "check_device",
]


class Language(StrEnum):
    """Of what people see; files always hold the model's own labels."""

    EN = "en"
    KO = "ko"


class Prior(StrEnum):
    """How frequent expressions are taken to be; the same as `modelfile.PRIORS`, which `--help` must not import."""

    TRAINING = "training"
    UNIFORM = "uniform"


ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        help="A model of `mien models`, a model file, a folder of `mien export --to hub`, or owner/name on the Hub.",
    ),
]

LabelsOption = Annotated[
    str | None,
    typer.Option(
        "--labels", help="ferplus (eight expressions) or fer2013 (seven), as the model has."
    ),
]

PriorOption = Annotated[
    Prior,
    typer.Option(
        "--prior",
        help="How frequent expressions are: as in training, or uniform, which finds more of the rare ones.",
    ),
]

DeviceOption = Annotated[
    str,
    typer.Option(
        "--device", help="Of trained weights: auto, cpu or cuda. A model file runs on the CPU."
    ),
]

DetectorOption = Annotated[
    str,
    typer.Option(
        "--detector",
        help="haar, yunet (its file: mien fetch yunet), auto: yunet if its file is there; none: each picture is a face.",
    ),
]

DetectorFileOption = Annotated[
    Path | None, typer.Option("--detector-file", help="YuNet's file, if it lies elsewhere.")
]


ChangesOption = Annotated[
    list[str] | None,
    typer.Option("--option", "-o", help="Change a setting: -o train.epochs=3. Repeatable."),
]

RecipeDataOption = Annotated[
    str,
    typer.Option(
        "--data", help="The data set's folder or file, or synthetic:2000; default: the recipe's."
    ),
]


def check_device(device: str, model: str) -> None:
    """Refuse a GPU for a model file."""
    if device not in ("auto", "cpu"):
        raise InputError(f"--device is for trained weights; {model} is a model file. Leave it out.")
