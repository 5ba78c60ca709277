"""Learning from a teacher: a trained network, or an ensemble, that sees the same faces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mien.checksums import sha256_of
from mien.data.dataset import Dataset
from mien.errors import ConfigError
from mien.evaluation.scored_model import open_scored_model
from mien.modelfile import ModelInfo, list_models, load_model
from mien.models.weights import find_weights, load_network, shipped_weights
from mien.preprocess import InputSpec
from mien.recipe import DistillOptions
from mien.training.seen_faces import check_sizes
from mien.training.teacher_answers import answers_on

__all__ = ["Teacher", "distance", "open_network", "teacher_file"]


class Teacher:
    """A trained network that answers and does not change."""

    def __init__(
        self,
        sha256: str,
        network: nn.Module | None = None,
        recorded: Tensor | None = None,
        rescaling: tuple[float, float] = (1.0, 0.0),
        from_imagenet: bool = False,
    ) -> None:
        """Take what `load` found, or `answers_file.load_answers`.

        Args:
            sha256: Of the teacher's file.
            network: What answers; None where its answers are there.
            recorded: (1 or epochs, rows, total) logits: one table for all epochs, or one each.
            rescaling: Factor and offset from the student's inputs to the teacher's.
            from_imagenet: Whether ImageNet's pictures are behind its weights.
        """
        self.sha256 = sha256
        self.from_imagenet = from_imagenet
        self._network = network
        self._recorded = recorded
        self._rescaling = rescaling

    @classmethod
    def load(
        cls,
        how: DistillOptions,
        labels: Sequence[Sequence[str]],
        spec: InputSpec,
        faces: Dataset,
        hear: Callable[[int, int], None] = lambda _answered, _of: None,
        device: str | torch.device = "cpu",
        *,
        sizes: Sequence[int] = (),
    ) -> Teacher:
        """Read a teacher and make sure that its answers mean what the student's are to mean.

        Args:
            how: Which teacher, and what it sees.
            labels: The student's label names, head by head.
            spec: The student's input.
            faces: The training faces, which a teacher that sees the originals answers here, once.
            hear: Is told how many of them are answered, and of how many; what it raises ends the asking.
            device: Where a network answers them.
            sizes: Sides, px, of what a teacher that sees the ``same`` will be shown.

        Raises:
            ModelFileError: If there is no such teacher.
            ConfigError: If heads or size differ, or the teacher cannot see what it is to see.
        """
        if how.sees == "original":
            model = open_scored_model(_named(how.teacher), device)
            _check_fit(how.teacher, model.info, labels, spec)
            sha256 = sha256_of(model.path)
            return cls(
                sha256,
                recorded=answers_on(model, sha256, faces, hear)[None],
                from_imagenet=model.info.from_imagenet,
            )
        file, network, info = open_network(how, labels, spec, sizes)
        theirs = info.input
        return cls(
            sha256_of(file),
            network.eval().requires_grad_(requires_grad=False),
            rescaling=(spec.std / theirs.std, (spec.mean - theirs.mean) / theirs.std),
            from_imagenet=info.from_imagenet,
        )

    def to(self, device: torch.device) -> Teacher:
        """Move to a device."""
        if self._network is not None:
            self._network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self._recorded is not None:
            self._recorded = self._recorded.to(device)
        return self

    def __call__(self, inputs: Tensor, rows: Tensor, epoch: int = 0) -> Tensor:
        """Answer a batch.

        Args:
            inputs: (N, C, S, S), the faces as the student sees them.
            rows: (N,), which training faces they are.
            epoch: The present one, counted from 0.

        Returns:
            (N, total) logits.
        """
        if self._recorded is not None:
            return self._recorded[epoch if len(self._recorded) > 1 else 0, rows].float()
        assert self._network is not None
        scale, offset = self._rescaling
        with torch.no_grad():
            answers: Tensor = self._network(inputs * scale + offset)
        return answers.float()


def open_network(
    how: DistillOptions, labels: Sequence[Sequence[str]], spec: InputSpec, sizes: Sequence[int]
) -> tuple[Path, nn.Module, ModelInfo]:
    """Read a teacher that sees the ``same`` as its student, and make sure that it can answer; see `Teacher.load`.

    Raises:
        ModelFileError: If there is no such teacher.
        ConfigError: If heads or size differ, or it cannot see what it is to see.
    """
    if _is_for_recognising(how.teacher) and not shipped_weights(how.teacher).is_file():
        raise ConfigError(
            f"distill.teacher: {how.teacher} is an ONNX file, which cannot answer on the changed faces that a student "
            'sees. Set distill.sees = "original", or give a run folder or a .safetensors file.'
        )
    file = find_weights(how.teacher)
    network, info = load_network(file)
    _check_fit(str(file), info, labels, spec)
    check_sizes(network, sizes, spec.channels, f"distill.teacher: {file}")
    return file, network, info


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


def teacher_file(how: DistillOptions) -> Path:
    """Return the file that a teacher is read from, or a file of its answers.

    Raises:
        ModelFileError: If there is no such file.
    """
    if how.sees == "original" and _is_for_recognising(how.teacher):
        return load_model(how.teacher).path
    return find_weights(how.teacher)


def _named(where: str) -> str:
    """A run folder or file of trainable weights where the name is one, else a model for recognising."""
    return where if _is_for_recognising(where) else str(find_weights(where))


def _is_for_recognising(where: str) -> bool:
    """Whether a teacher's name means an ONNX file."""
    return where in list_models() or Path(where).suffix == ".onnx"


def _check_fit(
    where: str, info: ModelInfo, labels: Sequence[Sequence[str]], spec: InputSpec
) -> None:
    theirs = [list(head.labels) for head in info.heads]
    if theirs != [list(names) for names in labels]:
        raise ConfigError(
            f"distill.teacher: {where} answers with {_shown(theirs)}, the recipe's heads with {_shown(labels)}. "
            "Give the recipe the teacher's heads, in its order."
        )
    if (info.input.size, info.input.channels) != (spec.size, spec.channels):
        raise ConfigError(
            f"distill.teacher: {where} takes {info.input.as_dict()}, the student {spec.as_dict()}; "
            "expected the same size and channels."
        )


def _shown(labels: Sequence[Sequence[str]]) -> str:
    return " and ".join(f"({', '.join(names)})" for names in labels)
