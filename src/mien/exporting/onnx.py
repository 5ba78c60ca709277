"""From a PyTorch network to a model file for ONNX Runtime, checked against the network that it came from."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mien.errors import ModelFileError
from mien.exporting.sums import sums_fit
from mien.modelfile import METADATA_KEY, Model, ModelInfo, load_model
from mien.models.predict import network_predictor
from mien.models.zoo import for_export
from mien.replacing import replacing
from mien.session import SUMS_FIT_KEY

__all__ = ["export_onnx", "largest_difference", "write_model"]

TOLERANCE = 1e-3
"""Largest difference of a logit between torch and ONNX Runtime, both in fp32, that passes."""


class _Heads(nn.Module):
    """Gives each head as an output of its own, so that a file explains itself."""

    def __init__(self, network: nn.Module, sizes: list[int]) -> None:
        super().__init__()
        self._network, self._sizes = network, sizes

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        return self._network(inputs).split(self._sizes, dim=1)  # type: ignore[no-any-return]


def export_onnx(network: nn.Module, info: ModelInfo, path: Path) -> Model:
    """Write a network as an fp32 model file and make sure that both give the same logits.

    Args:
        network: Maps (N, C, S, S) float32 to the logits of all heads, side by side; left on the CPU.
        info: Its record.
        path: The file to write; it appears whole or not at all.

    Returns:
        The file, opened.

    Raises:
        ModelFileError: If the network cannot be exported, differs from its file, or the disk is full.
    """
    size, channels = info.input.size, info.input.channels
    network = for_export(network.cpu().eval(), size)
    example = torch.zeros(2, channels, size, size)
    heads = _Heads(network, [len(head.labels) for head in info.heads]).eval()
    with tempfile.TemporaryDirectory() as folder, _quiet():
        program = torch.onnx.export(
            heads,
            (example,),
            dynamo=True,
            verbose=False,
            input_names=["inputs"],
            output_names=[head.name for head in info.heads],
            dynamic_shapes=({0: torch.export.Dim("faces")},),
        )
        if program is None:
            raise ModelFileError(f"The network '{info.architecture}' cannot be exported to ONNX.")
        program.save(Path(folder) / "network.onnx")
        graph = onnx.load(Path(folder) / "network.onnx")
    write_model(graph, info, path)
    model = load_model(path)
    faces = _noise_faces(info, 8)
    difference = largest_difference(network_predictor(network, info)(faces), model.logits(faces))
    if not difference <= TOLERANCE:
        path.unlink()
        raise ModelFileError(
            f"The exported file's logits differ from the network's by {difference:.2g}; at most {TOLERANCE:g} passes. "
            "Nothing was written."
        )
    return model


def write_model(graph: onnx.ModelProto, info: ModelInfo, path: Path) -> None:
    """Put the record into a graph's metadata and write it, whole or not at all.

    Raises:
        ModelFileError: If the disk does not take it.
    """
    ours = {METADATA_KEY: info.to_json(), SUMS_FIT_KEY: "yes" if sums_fit(graph) else "no"}
    kept = [entry for entry in graph.metadata_props if entry.key not in ours]
    del graph.metadata_props[:]
    graph.metadata_props.extend(kept)
    for key, value in ours.items():
        graph.metadata_props.add(key=key, value=value)
    graph.producer_name = "mien"
    graph.doc_string = ""
    for node in graph.graph.node:  # the exporter notes source lines, with this machine's paths
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*graph.graph.value_info, *graph.graph.input, *graph.graph.output):
        del value.metadata_props[:]
    del graph.graph.metadata_props[:]
    try:
        with replacing(path) as partial:
            partial.write_bytes(graph.SerializeToString())
    except OSError as error:
        raise ModelFileError(
            f"The model file {path} cannot be written: {error.strerror or error}."
        ) from None


def largest_difference(
    ours: dict[str, NDArray[np.float32]], theirs: dict[str, NDArray[np.float32]]
) -> float:
    """Return the largest difference of any logit of any head."""
    return max(float(np.abs(ours[name] - theirs[name]).max()) for name in ours)


def _noise_faces(info: ModelInfo, num: int) -> NDArray[np.uint8]:
    size = info.input.size
    shape = (num, size, size) if info.input.channels == 1 else (num, size, size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns of its own insides (a deprecated pytree test, no torchvision): not the user's concern."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(level)
