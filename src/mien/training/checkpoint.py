"""The state that a run goes on from: written whole or not at all, with the one before it kept."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import torch

from mien.errors import CheckpointError, TrainingError
from mien.runtime import is_out_of_memory

__all__ = ["load_checkpoint", "save_checkpoint"]

logger = logging.getLogger(__name__)

NAME = "checkpoint.pt"
PREVIOUS = "checkpoint-previous.pt"


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint; the one before it stays beside it until the next.

    Raises:
        TrainingError: If the disk does not take it; the old checkpoint is then untouched.
    """
    # Not `replacing`: the one before it may only be set aside once this one is on the disk.
    temporary = folder / f".{NAME}.partial"
    try:
        with temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        if (folder / NAME).exists():
            (folder / NAME).replace(folder / PREVIOUS)
        temporary.replace(folder / NAME)
    except (OSError, RuntimeError) as error:  # torch's writer reports a full disk as RuntimeError
        temporary.unlink(missing_ok=True)
        raise TrainingError(f"The checkpoint in {folder} cannot be written: {error}.") from None


def load_checkpoint(folder: Path) -> dict[str, Any]:
    """Read the newest checkpoint that is whole.

    Raises:
        CheckpointError: If there is none.
        TrainingError: If the disk does not give it.
        MemoryError, RuntimeError: If it does not fit into memory; that says nothing against the file.
    """
    for name in (NAME, PREVIOUS):
        path = folder / name
        if not path.exists():
            continue
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            return state
        except OSError as error:
            raise TrainingError(f"{path} cannot be read: {error.strerror}.") from None
        except Exception as error:  # torch raises many kinds on a damaged file
            if is_out_of_memory(error):
                raise
            logger.warning("%s is damaged and passed over: %s", path, str(error).splitlines()[0])
    raise CheckpointError(
        f"{folder} holds no checkpoint to resume from. Delete the folder, if there is one, and start without --resume."
    )
