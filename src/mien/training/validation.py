"""What a network does on the validation faces after an epoch: loss, accuracy, macro-F1, collapse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from mien.data.dataset import Dataset
from mien.errors import DataError
from mien.evaluation.metrics import accuracy, collapsed_class, confusion_matrix, macro_f1
from mien.preprocess import InputSpec, to_inputs
from mien.recipe import HeadOptions
from mien.training.losses import head_loss
from mien.training.targets import head_labels, make_targets

__all__ = ["Validator"]

BATCH_SIZE = 256


def _as_scored(head: HeadOptions) -> HeadOptions:
    is_voted = head.labels == "ferplus" and head.mode != "argmax"
    return replace(head, mode="majority", min_votes=0) if is_voted else head


class Validator:
    """Scores a network on fixed faces, always in the same way: no augmentation, one view, fp32 figures."""

    def __init__(
        self,
        data: Dataset,
        heads: tuple[HeadOptions, ...],
        spec: InputSpec,
        device: torch.device,
        bf16: bool,
    ) -> None:
        """Prepare the faces.

        Args:
            data: The validation rows only.
            heads: As in the recipe; the first one's scores lead.
            spec: The network's input.
            device: Where the network is.
            bf16: Whether to compute as in training, in bf16.

        Raises:
            DataError: If none of the faces can be scored by the first head.
        """
        self._heads, self._device, self._bf16 = heads, device, bf16
        faces = data.images if spec.channels == 1 else np.repeat(data.images[..., None], 3, axis=3)
        self._inputs = torch.from_numpy(to_inputs(faces, spec))
        self._names = [head_labels(head, data) for head in heads]
        luck = np.full(len(data), 0.5)
        self._targets = [make_targets(head, data, luck) for head in heads]
        # However a FER+ head is trained, its accuracy is that of the protocol: on strict majorities.
        self._truths = [make_targets(_as_scored(head), data, luck) for head in heads]
        if not self._truths[0].counts.any():
            raise DataError(
                f"None of {len(data):,} validation faces has an answer that the head '{heads[0].labels}' can be scored by. Give "
                "data with labels or votes there, or put another head first."
            )

    def score(self, network: nn.Module) -> dict[str, float | str]:
        """Score a network.

        Returns:
            ``valid_loss`` without label smoothing; ``valid_accuracy`` and ``valid_macro_f1`` of the first head;
            ``valid_accuracy/NAME`` of each further one that a face can be scored by; ``collapsed``, the class, when nearly all answers are one.
        """
        logits = self._logits(network)
        row: dict[str, float | str] = {}
        loss, place = 0.0, 0
        for index, (head, names, targets, truth) in enumerate(
            zip(self._heads, self._names, self._targets, self._truths, strict=True)
        ):
            part = logits[:, place : place + len(names)]
            place += len(names)
            probs, counts = torch.from_numpy(targets.probs), torch.from_numpy(targets.counts)
            loss += head.weight * float(head_loss(part, probs, counts, 0.0, targets.any_of))
            kept = truth.counts > 0
            predicted = part.argmax(dim=1).numpy()[kept]
            labels = truth.probs.argmax(axis=1)[kept]
            if not len(labels):
                continue  # a further head, on few faces; the first was made sure of
            confusion = confusion_matrix(labels, predicted, len(names))
            if index:
                row[f"valid_accuracy/{head.labels}"] = float(accuracy(confusion))
                continue
            row["valid_accuracy"] = float(accuracy(confusion))
            row["valid_macro_f1"] = float(macro_f1(confusion))
            collapsed = collapsed_class(labels, predicted)
            if collapsed is not None:
                row["collapsed"] = names[collapsed]
        return {"valid_loss": loss, **row}

    @torch.inference_mode()
    def _logits(self, network: nn.Module) -> Tensor:
        was_training = network.training
        network.eval()
        parts = []
        for inputs in torch.split(self._inputs, BATCH_SIZE):
            batch = inputs.to(self._device).contiguous(memory_format=torch.channels_last)
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
                parts.append(network(batch).float().cpu())
        network.train(was_training)
        return torch.cat(parts)
