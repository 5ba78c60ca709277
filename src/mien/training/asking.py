"""Asking a teacher beforehand: what it answers to every face as a recipe changes it, epoch by epoch."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mien.data.dataset import Dataset
from mien.errors import InputError
from mien.recipe import Recipe
from mien.runtime import choose_precision, is_out_of_memory
from mien.training.answers_file import faces_shown, refuse_mixing, save_answers
from mien.training.distillation import Teacher
from mien.training.kept_epochs import KeptEpochs
from mien.training.seen_faces import SeenFaces, sizes_shown
from mien.training.start import input_spec
from mien.training.targets import head_labels

__all__ = ["ask"]

_BATCH = 256


def ask(
    recipe: Recipe,
    faces: Dataset,
    out: Path,
    hear: Callable[[int, int], None],
    device: torch.device,
) -> None:
    """Write what a recipe's teacher answers to each training face in each of its epochs.

    Each epoch is kept as it comes, in a folder beside the file, until the file is there: asking that was stopped goes on from
    them.

    Args:
        recipe: With its ``[model]`` filled in. Its teacher is a network that sees the ``same``.
        faces: The training faces.
        out: The file, whole or not at all; `answers_file.save_answers` says what is in it.
        hear: Is told how many answers are there, and of how many; what it raises ends the asking.
        device: Where the teacher answers.

    Raises:
        ModelFileError: If there is no such teacher.
        ConfigError: If it does not fit the recipe, or the recipe mixes faces.
        InputError: If the teacher's answers are too large for half precision, there is no room for them, the file cannot be
            written, or the epochs beside it were asked of another teacher or by another recipe.
    """
    examination = _Examination(recipe, faces, device)
    kept = KeptEpochs(out)
    num_epochs, num_faces = recipe.train.epochs, len(faces)
    shape = (num_epochs, num_faces, examination.num_labels)
    answers = _room_for(out, shape, kept.size())
    asked, total = examination.told(), num_epochs * num_faces
    hear(0, total)
    for epoch in range(num_epochs):
        before = epoch * num_faces
        if not kept.read(epoch, answers[epoch], asked):
            for num in examination.answer(epoch, answers[epoch]):
                hear(before + num, total)
            kept.keep(epoch, answers[epoch], asked)
        hear(before + num_faces, total)
    save_answers(out, answers, asked)
    kept.drop()


class _Examination:
    """A teacher, and the faces as a recipe changes them."""

    def __init__(self, recipe: Recipe, faces: Dataset, device: torch.device) -> None:
        refuse_mixing(recipe)
        labels, spec = [head_labels(head, faces) for head in recipe.heads], input_spec(recipe)
        sizes = sizes_shown(recipe)
        self.num_labels = sum(map(len, labels))
        self._teacher = Teacher.load(recipe.distill, labels, spec, faces, sizes=sizes).to(device)
        self._seen = SeenFaces(recipe, spec, faces, device)
        self._recipe, self._faces, self._device = recipe, faces, device
        self._is_bf16 = choose_precision(recipe.train.precision, device) == "bf16"

    def told(self) -> dict[str, Any]:
        """Return what decides the answers."""
        return {
            **faces_shown(self._recipe, self._faces),
            "teacher_sha256": self._teacher.sha256,
            "imagenet": self._teacher.from_imagenet,
        }

    def answer(self, epoch: int, into: Tensor) -> Iterator[int]:
        """Fill in (faces, total) answers of an epoch, and yield how many are there, batch by batch."""
        self._seen.begin(epoch)
        for rows in torch.split(torch.arange(len(self._faces)), _BATCH):
            there = rows.to(self._device)
            inputs = self._seen(there).contiguous(memory_format=torch.channels_last)
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._is_bf16):
                into[rows] = self._teacher(inputs, there, epoch).half().cpu()
            if not into[rows].isfinite().all():
                raise InputError(
                    f"{self._recipe.distill.teacher} answers with numbers that half precision does not hold, or none at all. "
                    "Ask another teacher."
                )
            yield int(rows[-1]) + 1


def _room_for(out: Path, shape: tuple[int, int, int], kept: int) -> Tensor:
    """An empty table; a disk or a memory that is too small would else show when all has been answered.

    Until the file is written, the epochs beside it take as much again, of which ``kept`` bytes are there.
    """
    size = 2 * math.prod(shape)
    folder = Path(os.path.realpath(out)).parent
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    place = f"its disk has {free / 1e6:,.1f} MB left"
    try:
        if 2 * size - kept <= free:
            return torch.empty(shape, dtype=torch.float16)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        place = "memory has not so much left"
    raise InputError(
        f"{out} would take {size / 1e6:,.1f} MB for the answers to {shape[1]:,} faces in {shape[0]:,} epochs, twice that "
        f"while they come, and {place}. Ask for fewer epochs: -o train.epochs."
    )
