"""The last layer once more, on the labels that a network is scored by; the rest stays as it was trained.

A head that learned shares of votes answers what voters say on average, and the most voted expression of a face is not
always the one with the largest share in that average: a strict majority is a harder label. Teachers' answers are soft
too. So the last layer is fitted again on those labels, over the network's features of the training faces, and then each
class gets an offset from the validation faces, which the network has not seen.
"""

from __future__ import annotations

import dataclasses
import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien.data.dataset import SPLITS, Dataset
from mien.errors import ConfigError, DataError, ModelFileError
from mien.evaluation.protocols import Protocol, protocols
from mien.exporting.export import calibrated
from mien.exporting.fits import (
    accuracy,
    accuracy_on_others,
    both_views,
    class_offsets,
    new_weights,
)
from mien.exporting.last_layer import FileLayer, LastLayer, NetworkLayer
from mien.exporting.onnx import write_model
from mien.exporting.priors import with_priors
from mien.modelfile import Model, ModelInfo, load_model
from mien.models.weights import load_network, save_network
from mien.preprocess import fit
from mien.runtime import choose_device

__all__ = [
    "MOST_PENALTY",
    "PENALTY",
    "HeadRefit",
    "RefitOptions",
    "refit",
    "refit_model",
    "refit_weights",
]

logger = logging.getLogger(__name__)

PENALTY = 0.003
"""What a squared change of a weight costs, nats, where each feature has a standard deviation of 1."""

MOST_PENALTY = 1e6
"""No weight moves any more."""

BATCH_SIZE = 128

_OF_THE_OLD_LAYER = ("collapsed", "valid_accuracy")
"""What a run's record says about its answers."""


@dataclass(frozen=True, kw_only=True)
class RefitOptions:
    """What is fitted, how far it may move, and where."""

    heads: tuple[str, ...] = ()
    """Names; none for all that the data can score."""
    penalty: float = PENALTY
    """Above 0, at most `MOST_PENALTY`: more keeps the weights nearer to what they were."""
    device: str = "auto"
    """Where the features of trained weights are computed, ``"auto"``, ``"cpu"`` or ``"cuda"``; a model file's are on the CPU."""

    def __post_init__(self) -> None:
        if not 0 < self.penalty <= MOST_PENALTY:
            raise ConfigError(
                f"The penalty is {self.penalty:g}; expected more than 0 and at most {MOST_PENALTY:g}."
            )


@dataclass(frozen=True, kw_only=True)
class HeadRefit:
    """What one head gained, as the part of the validation faces that it names right, seen as they are and mirrored."""

    head: str
    protocol: str
    num_train: int
    num_valid: int
    before: float
    refitted: float
    """With the new weights, before offsets."""
    after: float
    """With offsets fitted on these same faces: too good by a little."""
    on_others: float | None
    """With offsets fitted on the other faces, in `fits.NUM_FOLDS` parts: what to expect of new faces. None for fewer faces than parts."""


def refit_model(
    model: Model,
    path: Path,
    data: Dataset,
    *,
    name: str = "",
    options: RefitOptions = RefitOptions(),
    on_batch: Callable[[int], None] | None = None,
) -> tuple[Model, tuple[HeadRefit, ...]]:
    """Write a model file whose last layer is fitted again, then calibrated and scored as `export.export_model` does it.

    An int8 file's features are int8's, so what rounding did to them is made good too.

    Args:
        model: A file of `export.export_model`; not an ensemble.
        path: The ``.onnx`` file to write, which may be the model's own; it appears whole or not at all.
        data: The faces that it was trained on, with a validation split.
        name: What the new file is called; the model's name by default.
        options: Which heads, and how near to what was there.
        on_batch: Called with the number of faces done after each batch.

    Returns:
        The file, opened, and what each head gained.

    Raises:
        ModelFileError: If there is no layer to fit, or the disk does not take the file.
        ConfigError, DataError: As `refit`.
    """
    layer = FileLayer(model)
    info, gains = refit(layer, model.info, data, options=options, on_batch=on_batch)
    # How alike int8 and fp32 answer was measured with the layer of before.
    precision = {
        key: note for key, note in info.provenance.get("export", {}).items() if key == "precision"
    }
    provenance = {**info.provenance, "export": precision}
    info = dataclasses.replace(info, name=name or info.name, provenance=provenance)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "refitted.onnx"
        write_model(layer.graph, info, whole)
        info = calibrated(load_model(whole), with_priors(info, data), data)
    write_model(layer.graph, info, path)
    return load_model(path), gains


def refit_weights(
    weights: Path,
    path: Path,
    data: Dataset,
    *,
    name: str = "",
    options: RefitOptions = RefitOptions(),
    half: bool = False,
    on_batch: Callable[[int], None] | None = None,
) -> tuple[ModelInfo, tuple[HeadRefit, ...]]:
    """Write trained weights whose last layer is fitted again; what is exported from them is calibrated there.

    Args:
        weights: A run folder or a safetensors file.
        path: The ``.safetensors`` file to write; its folder exists.
        data: The faces that they were trained on, with a validation split.
        name: What they are called; the run's name by default.
        options: Which heads, and how near to what was there.
        half: Store them at half precision, as `export.export_weights` does.
        on_batch: Called with the number of faces done after each batch.

    Returns:
        The record, and what each head gained.

    Raises:
        ModelFileError: If there is no layer to fit, or the disk does not take the file.
        ConfigError, DataError: As `refit`.
    """
    network, info = load_network(weights)
    layer = NetworkLayer(network, info, choose_device(options.device))
    info, gains = refit(layer, info, data, options=options, on_batch=on_batch)
    provenance = {key: note for key, note in info.provenance.items() if key != "export"}
    if half:
        provenance["export"] = {"precision": "fp16"}
    info = dataclasses.replace(info, name=name or info.name, provenance=provenance)
    save_network(path, network, info, half=half)
    return info, gains


def refit(
    layer: LastLayer,
    info: ModelInfo,
    data: Dataset,
    *,
    options: RefitOptions = RefitOptions(),
    on_batch: Callable[[int], None] | None = None,
) -> tuple[ModelInfo, tuple[HeadRefit, ...]]:
    """Fit a last layer again and put it in the place of the old one.

    The new weights minimise the cross-entropy of the training faces and their mirror images, plus the penalty on how far
    they moved; then a factor and offsets that of the validation faces, offsets under a normal prior of one nat. Both
    fits are convex: there is no seed and no schedule.

    Args:
        layer: Of a network or of a file.
        info: Its record.
        data: The faces that it was trained on, with a validation split.
        options: Which heads, and how near to what was there.
        on_batch: Called with the number of faces done after each batch.

    Returns:
        The record, which says what was done, without scores; and what each head gained.

    Raises:
        ConfigError: If the data cannot score a head that was asked for, or the run held out validation faces of its own.
        DataError: If it is not the data of the training, can score no head, or has no training or validation faces.
        InputError: If there is no such head.
        ModelFileError: If the features are no finite numbers.

    Source:
        The last layer alone: Kang et al. 2020, https://arxiv.org/abs/1910.09217, there for rare classes. Offsets beside the
        temperature: Alexandari et al. 2020, https://arxiv.org/abs/1901.06852, "bias-corrected temperature scaling".
    """
    _check_data(info, data)
    chosen = _chosen(info, data, options.heads)
    faces = {
        split: _Faces.seen_by(layer, info, data, found, on_batch) for split, found in chosen.items()
    }
    names = [head.name for head in info.heads]
    ends = np.cumsum([len(head.labels) for head in info.heads])
    weight, bias = layer.weight.copy(), layer.bias.copy()
    gains = []
    for training, validation in zip(chosen["train"], chosen["valid"], strict=True):
        place = names.index(training.head)
        _warn_of_absent(training, info.heads[place].labels)
        part = slice(ends[place] - len(info.heads[place].labels), ends[place])
        weight[part], bias[part], gain = _refit_head(
            weight[part], bias[part], faces, training, validation, options.penalty
        )
        gains.append(gain)
    layer.replace(weight, bias)
    noted = {
        gain.head: {
            "penalty": options.penalty,
            "num_train": gain.num_train,
            "num_valid": gain.num_valid,
        }
        for gain in gains
    }
    kept = {key: note for key, note in info.provenance.items() if key not in _OF_THE_OLD_LAYER}
    provenance = {**kept, "refit": {**info.provenance.get("refit", {}), **noted}}
    return dataclasses.replace(info, provenance=provenance, scores={}), tuple(gains)


def _check_data(info: ModelInfo, data: Dataset) -> None:
    """Refuse data that the record would then be wrong about."""
    trained_on = info.provenance.get("data_hash", data.content_hash)
    if trained_on != data.content_hash:
        raise DataError(
            f"{info.name} was trained on other data ({trained_on[:12]}) than this ({data.content_hash[:12]}). Give the data of "
            "its training; for labels or faces of your own: mien train recipes/finetune.toml"
        )
    if info.provenance.get("recipe", {}).get("data", {}).get("valid_fraction"):
        raise ConfigError(
            f"{info.name} held out its validation faces from the training split (data.valid_fraction), and would be fitted to "
            "them. Only runs on data with a validation split of its own can be fitted again."
        )
    if not (data.split == SPLITS.index("valid")).any():
        raise DataError(
            "This data has no validation split, on which offsets are fitted. Give data with one."
        )


def _chosen(info: ModelInfo, data: Dataset, heads: Sequence[str]) -> dict[str, list[Protocol]]:
    """Return for each split, head by head, what they are scored on."""
    found: dict[str, dict[str, Protocol]] = {"train": {}, "valid": {}}
    for split, by_head in found.items():
        for protocol in protocols(info.heads, data, split):
            # FER+'s strict majority goes before its ten columns.
            by_head.setdefault(protocol.head, protocol)
    known = [
        head.name for head in info.heads if all(head.name in by_head for by_head in found.values())
    ]
    if not known:
        raise DataError(
            f"No head of {info.name} has both training and validation labels in this data; give the data of its training."
        )
    for name in heads:
        info.head(name)
        if name not in known:
            raise ConfigError(
                f"This data does not say how good the head '{name}' is, only {', '.join(known)}."
            )
    wanted = [name for name in known if not heads or name in heads]
    return {split: [by_head[name] for name in wanted] for split, by_head in found.items()}


@dataclass(frozen=True, eq=False)
class _Faces:
    """What the last layer sees of a split's faces."""

    rows: NDArray[np.intp]
    """(n,) row numbers in the data set, rising."""
    plain: Tensor
    """(n, F)."""
    mirrored: Tensor
    """(n, F)."""

    @classmethod
    def seen_by(
        cls,
        layer: LastLayer,
        info: ModelInfo,
        data: Dataset,
        scored: Sequence[Protocol],
        on_batch: Callable[[int], None] | None,
    ) -> _Faces:
        rows = np.unique(np.concatenate([protocol.rows for protocol in scored]))
        plain, mirrored = [], []
        for start in range(0, len(rows), BATCH_SIZE):
            images = data.images[rows[start : start + BATCH_SIZE]]
            faces = np.stack([fit(image, info.input) for image in images])
            plain.append(layer.features(faces))
            mirrored.append(layer.features(np.ascontiguousarray(faces[:, :, ::-1])))
            if on_batch is not None:
                on_batch(len(faces))
        both = [np.concatenate(parts) for parts in (plain, mirrored)]
        if not all(np.isfinite(part).all() for part in both):
            raise ModelFileError(
                f"{info.name} gives NaN or infinity for some faces, so its last layer cannot be fitted again."
            )
        return cls(rows, *map(torch.from_numpy, both))

    def both(self, rows: NDArray[np.intp]) -> Tensor:
        """Return (2 n, F) features of some rows, and of their mirror images after them."""
        places = torch.from_numpy(np.searchsorted(self.rows, rows))
        return torch.cat([self.plain[places], self.mirrored[places]])


def _refit_head(
    weight: NDArray[np.float32],
    bias: NDArray[np.float32],
    faces: dict[str, _Faces],
    training: Protocol,
    validation: Protocol,
    penalty: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32], HeadRefit]:
    """Return one head's new (C, F) weights and (C,) offsets, and what they gain."""
    seen = faces["valid"].both(validation.rows)
    labels = torch.from_numpy(validation.targets)
    before = torch.from_numpy(weight), torch.from_numpy(bias)
    after = new_weights(
        faces["train"].both(training.rows),
        torch.from_numpy(training.targets).repeat(2),
        *before,
        penalty,
    )
    answers = {"before": seen @ before[0].T + before[1], "refitted": seen @ after[0].T + after[1]}
    factor, offsets = class_offsets(answers["refitted"], labels)
    answers["after"] = answers["refitted"] * factor + offsets
    gain = HeadRefit(
        head=training.head,
        protocol=validation.name,
        num_train=len(training.rows),
        num_valid=len(labels),
        on_others=accuracy_on_others(answers["refitted"], labels),
        **{name: accuracy(both_views(logits), labels) for name, logits in answers.items()},
    )
    return (after[0] * factor).numpy(), (after[1] * factor + offsets).numpy(), gain


def _warn_of_absent(training: Protocol, labels: Sequence[str]) -> None:
    absent = [label for place, label in enumerate(labels) if place not in training.targets]
    if absent:
        logger.warning(
            "No training face is labelled %s, so the head %s will hardly answer that any more.",
            " or ".join(absent),
            training.head,
        )
