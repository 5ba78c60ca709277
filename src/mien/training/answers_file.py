"""A teacher's answers to every face as a recipe changes it, epoch by epoch, in a file: who has it needs no teacher.

Four large networks answer some thousand faces a second on a plain CPU, where a small student learns from as many; a GPU is
asked once, and students are taught from the file wherever they are trained. Changes are functions of seed, epoch and row, so
an answer belongs to its face, and any network can learn from it.

Source:
    Shen & Xing 2022, https://arxiv.org/abs/2112.01528, keep a teacher's answer to each crop with the crop.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from mien.data.dataset import Dataset
from mien.errors import ConfigError, InputError
from mien.preprocess import InputSpec
from mien.recipe import Recipe
from mien.replacing import whole_file
from mien.training.distillation import Teacher
from mien.training.seen_faces import SeenFaces, size_in

__all__ = ["ask", "is_answers_file", "load_answers"]

_KEY, _VERSION = "mien_answers", "1"
_BATCH = 256


def ask(
    recipe: Recipe,
    teacher: Teacher,
    labels: Sequence[Sequence[str]],
    spec: InputSpec,
    faces: Dataset,
    out: Path,
    hear: Callable[[int, int], None] = lambda _answered, _of: None,
    device: torch.device | None = None,
    precision: str = "fp32",
) -> None:
    """Write what a teacher answers to each training face in each epoch of a recipe.

    Args:
        recipe: How faces are changed, and for how many epochs.
        teacher: A network; see `Teacher.load`.
        labels: Its label names, head by head.
        spec: Its input.
        faces: The training faces.
        out: The file, whole or not at all: float16 (epochs, faces, total) logits, two bytes each.
        hear: Is told how many answers are there, and of how many; what it raises ends the asking.
        device: Where the teacher answers; None for the CPU.
        precision: ``"bf16"`` or ``"fp32"``.

    Raises:
        ConfigError: If the recipe mixes faces, which are then none that can be told by their row.
        InputError: If the file cannot be written.
    """
    if recipe.augment.mixup:
        raise ConfigError(
            "augment.mixup mixes two faces into one that belongs to neither, so no answer can be kept for it. Set mixup to 0."
        )
    place = device or torch.device("cpu")
    seen = SeenFaces(recipe, spec, faces, place)
    teacher.to(place)
    epochs, num_labels = recipe.train.epochs, sum(len(names) for names in labels)
    answers = torch.empty(epochs, len(faces), num_labels, dtype=torch.float16)
    total = epochs * len(faces)
    hear(0, total)
    for epoch in range(epochs):
        seen.begin(epoch)
        for rows in torch.arange(len(faces), device=place).split(_BATCH):
            inputs = seen(rows).contiguous(memory_format=torch.channels_last)
            with torch.autocast(place.type, torch.bfloat16, enabled=precision == "bf16"):
                answers[epoch, rows.cpu()] = teacher(inputs, rows, epoch).cpu().half()
            hear(epoch * len(faces) + int(rows[-1]) + 1, total)
    record = {
        **_told(recipe, labels, spec, faces),
        "teacher_sha256": teacher.sha256,
        "imagenet": teacher.from_imagenet,
    }
    with whole_file(out) as partial:
        partial.write_bytes(
            save({"logits": answers}, {_KEY: _VERSION, "record": json.dumps(record)})
        )


def is_answers_file(path: Path) -> bool:
    """Tell whether a file is one that `ask` wrote, by its header."""
    try:
        with safe_open(path, framework="pt") as file:
            return _KEY in (file.metadata() or {})
    except (OSError, SafetensorError):
        return False


def load_answers(
    path: Path,
    recipe: Recipe,
    labels: Sequence[Sequence[str]],
    spec: InputSpec,
    faces: Dataset,
) -> Teacher:
    """Read answers that were given to these very faces.

    Args:
        path: A file that `ask` wrote.
        recipe: The student's; it may be shorter than the answers are, unless it grows its faces.
        labels: The student's label names, head by head.
        spec: Its input.
        faces: Its training faces.

    Raises:
        ConfigError: If they are answers to other faces, to faces changed otherwise or for fewer epochs.
        InputError: If the file cannot be read or is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            record: dict[str, Any] = json.loads(file.metadata()["record"])
            answers = file.get_tensor("logits")
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(
            f"{path} is no whole file of `mien ask`: {error}. Copy it again."
        ) from None
    _check(path, record, _told(recipe, labels, spec, faces))
    return Teacher(
        str(record["teacher_sha256"]),
        recorded=answers[: recipe.train.epochs],
        from_imagenet=bool(record["imagenet"]),
    )


def _told(
    recipe: Recipe, labels: Sequence[Sequence[str]], spec: InputSpec, faces: Dataset
) -> dict[str, Any]:
    """What decides how faces look and what an answer means, in JSON's own kinds."""
    augment = {name: value for name, value in asdict(recipe.augment).items() if name != "mixup"}
    told = {
        "seed": recipe.seed,
        "augment": augment,
        "sizes": [size_in(recipe, epoch) for epoch in range(recipe.train.epochs)],
        "labels": labels,
        "input": [spec.size, spec.channels],
        "faces": faces.content_hash,
    }
    return dict(json.loads(json.dumps(told)))


def _check(path: Path, record: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse answers to something else, and say what differs."""
    num_asked, num_wanted = len(record["sizes"]), len(wanted["sizes"])
    theirs = {**record, "sizes": record["sizes"][:num_wanted]}
    differences = {
        "seed": "drawn with another seed",
        "augment": "changed otherwise ([augment])",
        "sizes": "of other sizes (train.sizes)",
        "labels": "under other labels (heads)",
        "input": "at another size or with other channels",
        "faces": "of other training data",
    }
    if num_asked < num_wanted:
        differences["sizes"] = f"for {num_asked} epochs, not for {num_wanted}"
    differing = [words for name, words in differences.items() if theirs.get(name) != wanted[name]]
    if differing:
        raise ConfigError(
            f"distill.teacher: {path} answers to faces {', '.join(differing)}. "
            "Have `mien ask` write another for this recipe and this data."
        )
