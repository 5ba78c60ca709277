"""Learning from a teacher: a trained network, or an ensemble, that sees the same faces."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mien.errors import ConfigError
from mien.models.weights import find_weights, load_network
from mien.preprocess import InputSpec

__all__ = ["Teacher", "distance"]


class Teacher:
    """A trained network that answers and does not change."""

    def __init__(self, network: nn.Module, file: Path) -> None:
        """Take a network as `load` found it."""
        self._network = network.eval().requires_grad_(requires_grad=False)
        self.sha256 = hashlib.sha256(file.read_bytes()).hexdigest()

    @classmethod
    def load(cls, where: str, labels: Sequence[Sequence[str]], spec: InputSpec) -> Teacher:
        """Read a teacher and make sure that its answers mean what the student's are to mean.

        Args:
            where: As `recipe.DistillOptions.teacher`.
            labels: The student's label names, head by head.
            spec: The student's input.

        Raises:
            ModelFileError: If there are no such weights.
            ConfigError: If heads or input differ.
        """
        file = find_weights(where)
        network, info = load_network(file)
        theirs = [list(head.labels) for head in info.heads]
        if theirs != [list(names) for names in labels]:
            raise ConfigError(
                f"distill.teacher: {file} answers with {_shown(theirs)}, the recipe's heads with {_shown(labels)}. "
                "Give the recipe the teacher's heads, in its order."
            )
        if info.input != spec:
            raise ConfigError(
                f"distill.teacher: {file} takes {info.input.as_dict()}, the student {spec.as_dict()}; "
                "expected the same input."
            )
        return cls(network, file)

    def to(self, device: torch.device) -> Teacher:
        """Move to a device."""
        self._network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self

    def __call__(self, inputs: Tensor) -> Tensor:
        """Map (N, C, S, S) to (N, total) logits."""
        with torch.no_grad():
            answers: Tensor = self._network(inputs)
        return answers.float()


def distance(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Mean KL divergence of the softened answers, in nats, times the temperature squared.

    The factor keeps gradients as large as those of the targets' loss, whatever the temperature.

    Args:
        student: (N, C) logits of one head.
        teacher: (N, C) logits of the same.
        temperature: Divides both.

    Source:
        Hinton et al. 2015, https://arxiv.org/abs/1503.02531, section 2.
    """
    ours = F.log_softmax(student.float() / temperature, dim=1)
    theirs = F.log_softmax(teacher.float() / temperature, dim=1)
    return F.kl_div(ours, theirs, reduction="batchmean", log_target=True) * temperature**2


def _shown(labels: Sequence[Sequence[str]]) -> str:
    return " and ".join(f"({', '.join(names)})" for names in labels)
