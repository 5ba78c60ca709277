"""Options that several commands share, each told once: which model, which labels, who finds the faces."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mien.errors import InputError

__all__ = [
    "DetectorFileOption",
    "DetectorOption",
    "DeviceOption",
    "LabelsOption",
    "Language",
    "ModelOption",
    "Prior",
    "PriorOption",
    "check_device",
    "check_not_read",
    "check_written_file",
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


def check_device(device: str, model: str) -> None:
    """Refuse a GPU for a model file."""
    if device not in ("auto", "cpu"):
        raise InputError(f"--device is for trained weights; {model} is a model file. Leave it out.")


def check_written_file(out: Path, suffix: str, sources: Iterable[Path], what: str = "") -> None:
    """Refuse to write a file of another kind, or in the place of what it is made from.

    Args:
        out: The file to write.
        suffix: What its name must end in.
        sources: Files that it is made from.
        what: Of what, as in "for trained weights "; for the message.

    Raises:
        InputError: If it is either.
    """
    if out.suffix != suffix or out.is_dir():
        raise InputError(f"--out is {out}; {what}expected a file name that ends in {suffix}.")
    if any(out.exists() and one.exists() and out.samefile(one) for one in sources):
        raise InputError(
            f"--out {out} is what it would be made from, and would be lost. Name another file."
        )


def check_not_read(out: Path, option: str, model: str, data: Path) -> None:
    """Refuse to write in the place of the model, or of a file of the data, that a command reads.

    Raises:
        InputError: If it is either.
    """
    if not out.exists():
        return
    place, source = out.resolve(), data.resolve()
    given = Path(model)
    of_model = [given, *given.glob("*.safetensors")] if given.exists() else []
    # Earlier results may lie among the data; what else lies there is the data.
    of_data = place == source or (source in place.parents and place.suffix not in (".json", ".npz"))
    if of_data or place in [one.resolve() for one in of_model]:
        raise InputError(f"{option} {out} is a file that is read. Name another one.")
