"""What a teacher has answered so far: a file an epoch, so that asking which was stopped goes on where it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor

from mien.errors import InputError
from mien.models.weights import read_tensors
from mien.replacing import whole_file

__all__ = ["KeptEpochs"]

_KEY = "mien_asked"
"""What stands in the header of each file: to whom and of what these are answers."""


class KeptEpochs:
    """The folder beside a file of answers that is not there yet."""

    def __init__(self, out: Path) -> None:
        """Name the folder; it is made with the first epoch.

        Args:
            out: The file that shall hold all answers.
        """
        self.folder = out.with_name(f"{out.name}.parts")

    def read(self, epoch: int, into: Tensor, asked: Mapping[str, Any]) -> bool:
        """Fill in the answers of an epoch if they are there and whole.

        Args:
            epoch: Counted from 0.
            into: (faces, total) float16.
            asked: What decides the answers, in JSON's kinds.

        Raises:
            InputError: If they answer something else.
        """
        try:
            header, tensors = read_tensors(self._file(epoch))
        except (OSError, SafetensorError):  # not there, or damaged
            return False
        if header.get(_KEY) != json.dumps(dict(asked)):
            raise InputError(
                f"{self.folder} is left of asking that was stopped: of another teacher, with other data or by another recipe. "
                "Go on with that, delete the folder, or give another --out."
            )
        into.copy_(tensors["logits"])
        return True

    def keep(self, epoch: int, answers: Tensor, asked: Mapping[str, Any]) -> None:
        """Write the answers of an epoch.

        Raises:
            InputError: If the disk does not take them.
        """
        with whole_file(self._file(epoch)) as partial:
            header = {_KEY: json.dumps(dict(asked))}
            partial.write_bytes(save({"logits": answers}, header))

    def size(self) -> int:
        """Bytes that are there."""
        return sum(file.stat().st_size for file in self.folder.glob("*.safetensors"))

    def drop(self) -> None:
        """Remove them, once all answers stand in their own file."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch + 1:04}.safetensors"
