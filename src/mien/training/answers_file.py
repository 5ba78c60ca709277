"""A teacher's answers to every face as a recipe changes it, epoch by epoch, in a file: who has it needs no teacher.

Four large networks answer fewer faces a second on a plain CPU than a small student learns from there. So a GPU is asked
once, and students are taught from the file wherever they are trained. Changes are functions of seed, epoch and row: an
answer belongs to its face, and networks of any kind can learn from it.

Source:
    Shen & Xing 2022, https://arxiv.org/abs/2112.01528, keep a teacher's answer to each crop with the crop.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor

from mien.data.dataset import Dataset
from mien.errors import ConfigError, InputError, ModelFileError
from mien.models.weights import ANSWERS_KEY, read_tensors
from mien.recipe import Recipe
from mien.replacing import whole_file
from mien.tables import parse_json
from mien.training.distillation import Teacher
from mien.training.seen_faces import size_in, sizes_shown
from mien.training.start import input_spec
from mien.training.targets import head_labels

__all__ = [
    "faces_shown",
    "is_answers_file",
    "load_answers",
    "open_teacher",
    "refuse_mixing",
    "save_answers",
]

_VERSION = "1"

_DIFFERENCES = {
    "seed": "drawn with another seed",
    "augment": "changed otherwise ([augment])",
    "sizes": "of other sizes (train.sizes, shared out over train.epochs)",
    "labels": "under other labels ([[heads]])",
    "input": "at another size or with other channels",
    "faces": "of other training data",
}
"""What decides how faces look and what an answer means -> how answers differ where it does."""


def save_answers(path: Path, answers: Tensor, asked: Mapping[str, Any]) -> None:
    """Write a file of answers, whole or not at all.

    Args:
        path: The file.
        answers: float16 (epochs, faces, total) logits, two bytes each.
        asked: What `faces_shown` told of the recipe, and whose answers they are: ``teacher_sha256`` and ``imagenet``.

    Raises:
        InputError: If it cannot be written.
    """
    with whole_file(path) as partial:
        header = {ANSWERS_KEY: _VERSION, "record": json.dumps(dict(asked))}
        partial.write_bytes(save({"logits": answers}, header))


def open_teacher(
    recipe: Recipe, faces: Dataset, hear: Callable[[int, int], None], device: torch.device
) -> Teacher | None:
    """Return the teacher that a recipe names, a network or a file of answers; None where it names none.

    Args:
        recipe: The student's, with its ``[model]`` filled in.
        faces: Its training faces.
        hear: Is told how a teacher of the originals gets on; see `Teacher.load`.
        device: Where it answers them.

    Raises:
        ModelFileError: If there is no such teacher.
        ConfigError: If it does not fit the recipe or its faces.
        InputError: If a file of answers is damaged.
    """
    how = recipe.distill
    if not how.teacher:
        return None
    file = Path(how.teacher)
    if file.suffix == ".safetensors" and not file.exists():
        raise ModelFileError(
            f"distill.teacher: there is no file {file}. Expected weights of mien train or mien ensemble, or the answers that "
            "mien ask wrote for this recipe."
        )
    if is_answers_file(file):
        return load_answers(file, recipe, faces)
    labels = [head_labels(head, faces) for head in recipe.heads]
    spec, sizes = input_spec(recipe), sizes_shown(recipe)
    return Teacher.load(how, labels, spec, faces, hear, device, sizes=sizes)


def load_answers(path: Path, recipe: Recipe, faces: Dataset) -> Teacher:
    """Read answers that were given to these very faces.

    Args:
        path: A file that `asking.ask` wrote.
        recipe: The student's, with its ``[model]`` filled in; it may have fewer epochs than were asked for.
        faces: Its training faces.

    Raises:
        ConfigError: If they are answers to other faces, to faces changed otherwise or for fewer epochs, or the recipe mixes
            faces.
        InputError: If the file cannot be read or is damaged.
    """
    refuse_mixing(recipe)
    if recipe.distill.sees != "same":
        raise ConfigError(
            f"distill.teacher: {path} holds answers to faces as they are changed, and distill.sees is "
            f'"{recipe.distill.sees}". Leave distill.sees out.'
        )
    try:
        record, answers = _read(path)
        told = faces_shown(recipe, faces)
        _check(path, record, told)
        _check_answers(answers, (len(record["sizes"]), len(faces), sum(map(len, told["labels"]))))
        sha256, is_from_imagenet = str(record["teacher_sha256"]), bool(record["imagenet"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise InputError(
            f"{path} is no whole file of `mien ask`: {reason}. Copy or write it again."
        ) from None
    # Copied out of the memory map, so that the file may be replaced while the run lasts.
    kept = answers[: recipe.train.epochs].clone()
    return Teacher(sha256, recorded=kept, from_imagenet=is_from_imagenet)


def is_answers_file(path: Path) -> bool:
    """Tell whether a path is that of a file that `asking.ask` wrote; False where there is none that can be read."""
    try:
        return ANSWERS_KEY in read_tensors(path)[0]
    except (OSError, SafetensorError):
        return False


def _read(path: Path) -> tuple[dict[str, Any], Tensor]:
    header, tensors = read_tensors(path)
    answers = tensors["logits"]
    if header[ANSWERS_KEY] != _VERSION:
        raise ValueError(f"its layout is {header[ANSWERS_KEY]}, expected {_VERSION}")
    return dict(parse_json(header["record"])), answers


def _check_answers(answers: Tensor, shape: tuple[int, int, int]) -> None:
    if answers.shape != shape:
        raise ValueError(f"its answers are {tuple(answers.shape)}, expected {shape}")
    if not answers.isfinite().all():
        raise ValueError("some of its answers are no finite numbers")


def faces_shown(recipe: Recipe, faces: Dataset) -> dict[str, Any]:
    """Return what decides how a recipe's faces look and what an answer to them means, in JSON's own kinds."""
    spec = input_spec(recipe)
    told = {
        "seed": recipe.seed,
        "augment": {
            name: value for name, value in asdict(recipe.augment).items() if name != "mixup"
        },
        "sizes": [size_in(recipe, epoch) for epoch in range(recipe.train.epochs)],
        "labels": [head_labels(head, faces) for head in recipe.heads],
        "input": [spec.size, spec.channels],
        "faces": faces.content_hash,
    }
    return dict(json.loads(json.dumps(told)))


def _check(path: Path, record: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse answers to something else, and say all that differs."""
    num_asked, num_wanted = len(record["sizes"]), len(wanted["sizes"])
    num = min(num_asked, num_wanted)
    found = {**record, "sizes": record["sizes"][:num]}
    looked = {**wanted, "sizes": wanted["sizes"][:num]}
    differing = [words for name, words in _DIFFERENCES.items() if found[name] != looked[name]]
    if num_asked < num_wanted:
        differing.append(f"in {num_asked} epochs where the run has {num_wanted} (train.epochs)")
    if differing:
        raise ConfigError(
            f"distill.teacher: {path} holds answers to faces {', '.join(differing)}. "
            "Have `mien ask` write others for this recipe and this data."
        )


def refuse_mixing(recipe: Recipe) -> None:
    """Refuse a recipe that makes one face of two.

    Raises:
        ConfigError: If it does.
    """
    if recipe.augment.mixup:
        raise ConfigError(
            "augment.mixup makes one face of two, so no kept answer belongs to it. Set mixup to 0, or let the teacher answer "
            "during training."
        )
