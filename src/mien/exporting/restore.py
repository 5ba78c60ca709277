"""Back from a model file to weights to train on from, for when the run that it came from is gone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from mien.errors import ModelFileError
from mien.exporting.layout import folded_weights, unfold_weight
from mien.modelfile import ENSEMBLE, Model, ModelInfo
from mien.models.predict import network_predictor
from mien.models.weights import build_recorded, save_network
from mien.preprocess import to_inputs

__all__ = ["restore_weights"]

BATCH_SIZE = 64

_PREFIX = "_network."
"""What the exporter puts before the name of each of the network's own tensors."""

_COUNTER = "num_batches_tracked"
"""A tensor of BN that no answer depends on and no file carries."""


def restore_weights(
    model: Model, path: Path, faces: NDArray[np.uint8], *, name: str = ""
) -> tuple[ModelInfo, float]:
    """Write the trainable weights that a model file was made from, as nearly as it tells them.

    Int8 weights are multiplied out; what rounding took is gone. BN that melted into the convolution before it is drawn
    apart again: its mean and variance are taken from the faces, its factor and offset are those that give the file's
    answers with them. Evaluated, the network answers as the file does; trained on, it begins where a run would have.

    Args:
        model: A file that `export.export_model` wrote.
        path: The ``.safetensors`` file to write, at half precision; its folder exists.
        faces: (N, S, S[, 3]) uint8, of the size and channels that the model reads; some hundred training faces.
        name: What the weights are called; the model's name by default.

    Returns:
        The record, without scores, and the part of the faces to which weights and file give the same answer for all heads.

    Raises:
        ModelFileError: If the file is an ensemble or holds another network than its record says, or the disk does not take the weights.
    """
    info = model.info
    stored = _tensors(onnx.load(model.path))
    if info.architecture == ENSEMBLE:
        raise ModelFileError(
            f"{model.path} is an ensemble; the weights of one network only can be told."
        )
    network = build_recorded(info, model.path).eval()
    inputs = torch.from_numpy(np.ascontiguousarray(to_inputs(faces, info.input)))
    melted = _melted_into(network, inputs[:1], stored)
    network.load_state_dict(_state(network, stored, melted, model.path))
    _draw_apart(network, inputs, melted.values())
    notes = {
        **info.provenance,
        "restored_from": {"file": model.path.name, "faces": len(faces)},
        "export": {"precision": "fp16"},
    }
    # The scores were measured on the file.
    info = dataclasses.replace(info, name=name or info.name, provenance=notes, scores={})
    ours, theirs = network_predictor(network, info)(faces), model.logits(faces)
    same = np.all([ours[h].argmax(axis=1) == theirs[h].argmax(axis=1) for h in ours], axis=0)
    save_network(path, network, info, half=True)
    return info, float(same.mean())


def _tensors(graph: onnx.ModelProto) -> dict[str, NDArray[np.float32]]:
    """Return the network's own tensors by their names in it, int8 ones multiplied out."""
    raw = {one.name: numpy_helper.to_array(one) for one in graph.graph.initializer}
    folded = folded_weights(graph)
    tensors = {}
    for name, values in raw.items():
        plain = name.removesuffix("_quantized")
        if plain != name:
            scale = raw.get(f"{plain}_scale", raw.get(f"{name}_scale"))
            zero = raw.get(f"{plain}_zero_point", raw.get(f"{name}_zero_point"))
            if scale is None or zero is None:
                continue
            # One scale a channel, which is the first axis.
            shape = (-1,) + (1,) * (values.ndim - 1)
            wide = values.astype(np.float64) - zero.astype(np.float64).reshape(shape)
            values = (wide * scale.reshape(shape)).astype(np.float32)
            values = unfold_weight(values) if name in folded else values
        if plain.startswith(_PREFIX):
            tensors[plain.removeprefix(_PREFIX)] = values
    return tensors


def _melted_into(
    network: nn.Module, inputs: Tensor, stored: dict[str, Any]
) -> dict[str, nn.BatchNorm2d]:
    """Return each convolution whose file has a BN's offset in it, and that BN: the one that reads its output."""
    names = {module: name for name, module in network.named_modules()}
    made: list[tuple[str, Tensor]] = []
    pairs: dict[str, nn.BatchNorm2d] = {}

    def after_convolution(module: nn.Module, _: Any, output: Tensor) -> None:
        made.append((names[module], output))

    def before_norm(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        for convolution, output in made:
            if output is args[0] and f"{names[module]}.running_mean" not in stored:
                assert isinstance(module, nn.BatchNorm2d)
                pairs[convolution] = module

    hooks = [
        module.register_forward_hook(after_convolution)
        if isinstance(module, nn.Conv2d)
        else module.register_forward_pre_hook(before_norm)
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d)
    ]
    with torch.no_grad():
        network(inputs)
    for hook in hooks:
        hook.remove()
    return pairs


def _state(
    network: nn.Module,
    stored: dict[str, NDArray[np.float32]],
    melted: dict[str, nn.BatchNorm2d],
    path: Path,
) -> dict[str, Tensor]:
    """Return every tensor of the network; a melted BN only adds the offset for now."""
    norms = {norm: convolution for convolution, norm in melted.items()}
    modules = dict(network.named_modules())
    state = {}
    for key, drawn in network.state_dict().items():
        owner, _, kind = key.rpartition(".")
        module = modules[owner]
        if key in stored:
            state[key] = torch.from_numpy(stored[key].copy())
        elif isinstance(module, nn.BatchNorm2d) and module in norms and kind != _COUNTER:
            offset = stored.get(f"{norms[module]}.weight_bias")
            if offset is None:
                raise _lacks(path, f"{norms[module]}.weight_bias")
            state[key] = {
                "weight": torch.full_like(drawn, (1 + module.eps) ** 0.5),
                "bias": torch.from_numpy(offset.copy()),
                "running_mean": torch.zeros_like(drawn),
                "running_var": torch.ones_like(drawn),
            }[kind]
        elif kind == _COUNTER:
            state[key] = drawn
        else:
            raise _lacks(path, key)
    return state


def _lacks(path: Path, key: str) -> ModelFileError:
    return ModelFileError(
        f"{path} lacks '{key}' of its network, so the weights cannot be told. Expected an ONNX file that mien export "
        "wrote from one network of convolutions without offsets."
    )


def _draw_apart(network: nn.Module, inputs: Tensor, norms: Iterable[nn.BatchNorm2d]) -> None:
    """Give each melted BN the mean and variance of what reaches it, without changing what leaves it."""
    sums = {norm: torch.zeros(3, norm.num_features, dtype=torch.float64) for norm in norms}

    def count(norm: nn.Module, args: tuple[Tensor, ...]) -> None:
        values = args[0].double()
        places = values.numel() // values.shape[1]
        total, squares = values.sum(dim=(0, 2, 3)), values.square().sum(dim=(0, 2, 3))
        sums[norm] += torch.stack([total, squares, torch.full_like(total, places)])  # type: ignore[index]

    hooks = [norm.register_forward_pre_hook(count) for norm in sums]
    with torch.no_grad():
        for start in range(0, len(inputs), BATCH_SIZE):
            network(inputs[start : start + BATCH_SIZE])
        for norm, (total, squares, places) in sums.items():
            mean = total / places
            variance = (squares / places - mean.square()).clamp(min=0)
            norm.running_mean.copy_(mean)  # type: ignore[union-attr]
            norm.running_var.copy_(variance)  # type: ignore[union-attr]
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.add_(mean)
    for hook in hooks:
        hook.remove()
