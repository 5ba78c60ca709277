"""Trained weights on disk: safetensors, with the model's record in the header. Nothing in them can run code."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor, nn

from mien.errors import MienError, ModelFileError
from mien.modelfile import ENSEMBLE, METADATA_KEY, ModelInfo
from mien.models.ensemble import rebuild
from mien.models.shapes import shapes_only
from mien.models.zoo import build_network
from mien.paths import weights_dir
from mien.replacing import replacing
from mien.tables import parse_json
from mien.utf8 import is_text

__all__ = [
    "ANSWERS_KEY",
    "HUB_WEIGHTS",
    "WEIGHTS_NAME",
    "build_recorded",
    "find_weights",
    "load_network",
    "read_tensors",
    "save_network",
    "shipped_weights",
    "weights_file",
]

WEIGHTS_NAME = "weights.safetensors"
"""What the file is called inside a run folder."""

HUB_WEIGHTS = "model.safetensors"
"""What it is called inside a folder for the Hub."""

ANSWERS_KEY = "mien_answers"
"""What stands in the header of a file of answers, which `mien.training.answers_file` writes, with its layout's version."""


def shipped_weights(name: str) -> Path:
    """Return where the trainable weights of a model that ships lie, if it ships with them."""
    return weights_dir() / f"{name}.safetensors"


def find_weights(name_or_path: str) -> Path:
    """Return the file with the trainable weights of a shipped model, a run folder, or a file itself.

    Raises:
        ModelFileError: If there is none.
    """
    shipped = shipped_weights(name_or_path)
    path = shipped if shipped.is_file() else Path(name_or_path)
    file = weights_file(path)
    if not file.is_file() or file.suffix != ".safetensors":
        known = ", ".join(sorted(path.stem for path in weights_dir().glob("*.safetensors")))
        raise ModelFileError(
            f"There are no trainable weights at {name_or_path}. Expected a run folder, a .safetensors file that mien "
            f"train wrote, or a model that ships with weights: {known or 'none does'}."
        )
    return file


def weights_file(path: Path) -> Path:
    """Return the file with the weights of a run folder, or of a folder for the Hub; any other path as it is."""
    if not path.is_dir():
        return path
    run, hub = path / WEIGHTS_NAME, path / HUB_WEIGHTS
    return hub if hub.is_file() and not run.is_file() else run


def save_network(path: Path, network: nn.Module, info: ModelInfo, *, half: bool = False) -> None:
    """Write a network's weights and its record; the old file stays whole until the new one is.

    Args:
        path: The file to write; folders on the way are made.
        network: Built by `zoo.build_network` as ``info`` says; on any device, in any memory format.
        info: The record; ``architecture`` and ``options`` rebuild the network.
        half: Store kernels and matrices as float16, half the size. Vectors stay float32: they are
            small, and batch normalisation's variances may be too large for float16.

    Raises:
        ModelFileError: If the file cannot be written.
    """
    tensors = {name: _stored(tensor, half=half) for name, tensor in network.state_dict().items()}
    try:
        with replacing(path, flush=True) as partial:
            # Not safetensors' own save_file: its files can be read by their owner only.
            partial.write_bytes(save(tensors, metadata={METADATA_KEY: info.to_json()}))
    except OSError as error:
        raise ModelFileError(
            f"Cannot write {path}: {error.strerror or error}. Is its folder writable and the disk not full?"
        ) from None


def load_network(path: Path) -> tuple[nn.Module, ModelInfo]:
    """Read a network and its record.

    Args:
        path: A file that `save_network` wrote, or a run folder that holds one.

    Returns:
        The network as float32 on the CPU in evaluation mode, and its record.

    Raises:
        ModelFileError: If the file is missing, damaged, not ours, or does not fit its record.
    """
    file = weights_file(path)
    if not file.is_file():
        raise ModelFileError(
            f"There are no weights at {file}. Expected a run folder or a .safetensors file that mien train wrote."
        )
    try:
        metadata, mapped = read_tensors(file)
        # Copied out of the memory map, so that the file may be replaced while the network lives.
        tensors = {name: _restored(tensor) for name, tensor in mapped.items()}
    except (OSError, SafetensorError) as error:
        advice = "It may have been cut short; copy it again."
        if file.suffix != ".safetensors":
            advice = "Expected a run folder or a .safetensors file that mien train wrote."
        raise ModelFileError(f"{file} is no whole safetensors file: {error}. {advice}") from None
    if ANSWERS_KEY in metadata:
        raise ModelFileError(
            f"{file} holds what a teacher answered to `mien ask`, and no network. It goes where a recipe is trained: "
            f"-o distill.teacher={file}. Expected weights that mien train wrote."
        )
    if METADATA_KEY not in metadata:
        raise ModelFileError(
            f"{file} holds weights without mien's record ('{METADATA_KEY}' metadata), so nobody knows which network "
            "they belong to. Use a file that mien train wrote."
        )
    info = ModelInfo.from_json(metadata[METADATA_KEY], str(file))
    return _network(info, tensors, file), info


def read_tensors(file: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return the metadata and the tensors of a safetensors file; the tensors may show what is later written over it.

    Raises:
        OSError: If it cannot be read.
        SafetensorError: If it is none, or not whole.
    """
    if not is_text(str(file)):  # safetensors opens names in UTF-8 only
        content = file.read_bytes()
        tensors = load(content)  # first, since it checks the header
        header = parse_json(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return header.get("__metadata__", {}), tensors
    with safe_open(file, framework="pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        return opened.metadata() or {}, tensors


def build_recorded(info: ModelInfo, file: Path) -> nn.Module:
    """Build the network, or ensemble, that a record names, with weights as its builder draws them.

    Raises:
        ModelFileError: If this mien cannot build it; the message names the file.
    """
    try:
        if info.architecture == ENSEMBLE:
            return rebuild(info)
        return build_network(
            info.architecture,
            num_classes=sum(len(head.labels) for head in info.heads),
            in_channels=info.input.channels,
            **info.options,
        )
    except MienError as error:
        raise ModelFileError(
            f"{file} names a network that this mien cannot build: {error}"
        ) from None


def _network(info: ModelInfo, tensors: dict[str, Tensor], file: Path) -> nn.Module:
    """Build the network without drawing weights, then give it those of the file."""
    with shapes_only():
        network = build_recorded(info, file)
    expected = {name: _kind(tensor) for name, tensor in network.state_dict().items()}
    found = {name: _kind(tensor) for name, tensor in tensors.items()}
    for name in [*expected, *found]:
        if expected.get(name) != found.get(name):
            raise ModelFileError(
                f"{file} does not fit its record ({info.architecture}): '{name}' is "
                f"{found.get(name, 'missing')}, expected {expected.get(name, 'no such tensor')}. "
                "Was the network changed since? Train it again, or use the mien that wrote the file."
            )
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise ModelFileError(
                f"{file}: '{name}' holds values that are no finite numbers, so nothing can be answered or learnt with it. "
                "The run had diverged, or its numbers were too large for half precision. Train it again."
            )
    network.load_state_dict(tensors, strict=True, assign=True)
    return network.eval()


def _kind(tensor: Tensor) -> str:
    shape, dtype = str(tuple(tensor.shape)), str(tensor.dtype).removeprefix("torch.")
    return shape if dtype == "float32" else f"{shape} of {dtype}"


def _stored(tensor: Tensor, *, half: bool) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if half and tensor.is_floating_point() and tensor.ndim > 1 else tensor


def _restored(tensor: Tensor) -> Tensor:
    return tensor.to(torch.float32 if tensor.is_floating_point() else tensor.dtype, copy=True)
