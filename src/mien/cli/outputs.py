"""Files that commands write: what they must not be written over, before anything is lost."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mien.errors import InputError
from mien.images import WRITTEN_SUFFIXES
from mien.replacing import check_target

__all__ = ["check_not_read", "check_written_file"]

_RESULTS = (".json", ".npz", ".html")
_OF_A_MODEL = (
    "*.safetensors",
    "*.onnx",
    "recipe.toml",
    "run.json",
    "metrics.jsonl",
    "*config.json",
)
"""What the folder of a run, or of the Hub, is made of; results may lie beside it."""


def check_written_file(out: Path, suffix: str, sources: Iterable[Path], what: str = "") -> None:
    """Refuse to write a file of another kind, or in the place of what it is made from.

    Args:
        out: The file to write.
        suffix: What its name must end in.
        sources: Files that it is made from.
        what: Of what, as in "for trained weights "; for the message.

    Raises:
        InputError: If it is either.
        ConfigError: If nothing can be written there.
    """
    if out.suffix != suffix:  # as it is: what reads such files goes by it to the letter
        raise InputError(f"--out is {out}; {what}expected a file name that ends in {suffix}.")
    check_target(out, "--out")
    if any(out.exists() and one.exists() and out.samefile(one) for one in sources):
        raise InputError(
            f"--out {out} is what it would be made from, and would be lost. Name another file."
        )


def check_not_read(
    out: Path, option: str, model: str | None, data: Path, lists: Iterable[Path | None] = ()
) -> None:
    """Refuse to write in the place of the model, of a file of the data, or of a list about it, that a command reads.

    Raises:
        InputError: If it is either.
    """
    if not out.exists():
        return
    place, source = out.resolve(), data.resolve()
    of_model = []
    if model is not None and (given := Path(model)).exists():
        of_model = [given, *(one for kind in _OF_A_MODEL for one in given.glob(kind))]
    # Earlier results may lie among the data, as may pictures that are in no folder of it; what else lies there is the data.
    suffix = place.suffix.lower()
    is_result = suffix in _RESULTS or (place.parent == source and suffix in WRITTEN_SUFFIXES)
    of_data = place == source or (source in place.parents and not is_result)
    given_lists = [one for one in lists if one is not None]
    if of_data or place in [one.resolve() for one in (*of_model, *given_lists)]:
        raise InputError(f"{option} {out} is a file that is read. Name another one.")
