"""The linear layer that a network ends in, in trainable weights and in a model file: what it sees, and how to change it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from mien.errors import ModelFileError
from mien.modelfile import Model, ModelInfo
from mien.preprocess import to_inputs
from mien.session import open_session, run_session

__all__ = ["FileLayer", "LastLayer", "NetworkLayer"]


class LastLayer(Protocol):
    """Features in, the logits of all heads out, side by side."""

    weight: NDArray[np.float32]
    """(C, F), read when it was opened."""
    bias: NDArray[np.float32]
    """(C,)."""

    def features(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (N, F), what the layer sees of faces that were fitted to the network."""
        ...

    def replace(self, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        """Put other weights and offsets in the place of those that were there."""
        ...


class NetworkLayer:
    """Of a network of torch."""

    def __init__(
        self, network: nn.Module, info: ModelInfo, device: str | torch.device = "cpu"
    ) -> None:
        """Find the layer.

        Args:
            network: It is moved to the device, and put into evaluation mode.
            info: Its record.
            device: Where its features are computed.

        Raises:
            ModelFileError: If the network does not end in one linear layer with offsets.
        """
        self._network, self._info, self._device = network.to(device).eval(), info, device
        self._layer = self._found()
        self.weight = self._layer.weight.detach().cpu().numpy().copy()
        self.bias = self._layer.bias.detach().cpu().numpy().copy()

    def features(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (N, F), what the layer sees."""
        seen: list[Tensor] = []
        hook = self._layer.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
        try:
            self._answer(torch.from_numpy(to_inputs(faces, self._info.input)))
        finally:
            hook.remove()
        return seen[0].cpu().numpy()

    def replace(self, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        """Change the network in place."""
        with torch.no_grad():
            self._layer.weight.copy_(torch.from_numpy(weight))
            self._layer.bias.copy_(torch.from_numpy(bias))

    def _found(self) -> nn.Linear:
        linear = [module for module in self._network.modules() if isinstance(module, nn.Linear)]
        if linear and linear[-1].bias is not None:
            size, channels = self._info.input.size, self._info.input.channels
            example = torch.linspace(-1, 1, channels * size * size).view(1, channels, size, size)
            given: list[Tensor] = []
            hook = linear[-1].register_forward_hook(lambda _module, _inputs, y: given.append(y))
            answer = self._answer(example)
            hook.remove()
            if len(given) == 1 and given[0] is answer:
                return linear[-1]
        raise _no_layer(self._info)

    def _answer(self, inputs: Tensor) -> Tensor:
        with torch.no_grad():
            return self._network(inputs.to(self._device))  # type: ignore[no-any-return]


class FileLayer:
    """Of a model file of `onnx.export_onnx`, int8 or not: the layer itself is fp32 in both."""

    def __init__(self, model: Model) -> None:
        """Find the layer, and let the logits pass as they leave it.

        Files of before 2026-11-26 rounded the logits to 8 bits too, a grid of 0.04 to 0.06 on which neighbours tie.

        Raises:
            ModelFileError: If the file does not end in one linear layer with offsets.
        """
        self.graph = onnx.load(model.path)
        self._info = model.info
        _pass_logits(self.graph.graph, [head.name for head in model.info.heads])
        stored = {one.name: one for one in self.graph.graph.initializer}
        found = _ending(self.graph.graph, [head.name for head in model.info.heads])
        if found is None or len(found.input) != 3 or not {*found.input[1:]} <= {*stored}:
            raise _no_layer(model.info)
        self._layer = found
        self._weight, self._bias = (stored[name] for name in self._layer.input[1:])
        self._is_transposed = any(one.name == "transB" and one.i for one in self._layer.attribute)
        weight = numpy_helper.to_array(self._weight)
        self.weight = np.ascontiguousarray(weight if self._is_transposed else weight.T)
        self.bias = numpy_helper.to_array(self._bias).copy()
        if len(self.bias) != sum(len(head.labels) for head in model.info.heads):
            raise _no_layer(model.info)
        self._open()

    def _open(self) -> None:
        seen = onnx.ModelProto()
        seen.CopyFrom(self.graph)
        kind = onnx.TensorProto.FLOAT
        name = self._layer.input[0]
        seen.graph.output.append(onnx.helper.make_tensor_value_info(name, kind, [None, None]))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "features.onnx"
            path.write_bytes(seen.SerializeToString())
            self._session = open_session(path, threads=0)

    def features(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (N, F), what the layer sees."""
        inputs = {self._session.get_inputs()[0].name: to_inputs(faces, self._info.input)}
        features: NDArray[np.float32]
        (features,) = run_session(self._session, [self._layer.input[0]], inputs)
        return features

    def replace(self, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        """Change `graph`; the file stays as it is."""
        stored = np.ascontiguousarray(weight if self._is_transposed else weight.T)
        self._weight.CopyFrom(numpy_helper.from_array(stored, self._weight.name))
        self._bias.CopyFrom(numpy_helper.from_array(bias, self._bias.name))


def _no_layer(info: ModelInfo) -> ModelFileError:
    return ModelFileError(
        f"{info.name} ({info.architecture}) does not end in one linear layer with offsets, so there is none to fit again."
    )


def _ending(graph: onnx.GraphProto, heads: list[str]) -> onnx.NodeProto | None:
    """Return the layer that gives all heads side by side; None where something else gives them, as in an ensemble."""
    made_by = {name: node for node in graph.node for name in node.output}
    last = made_by.get(heads[0])
    if last is not None and last.op_type == "Split" and list(last.output) == heads:
        last = made_by.get(last.input[0])
    if last is None or last.op_type != "Gemm":
        return None
    is_plain = all(one.f == 1 for one in last.attribute if one.name in ("alpha", "beta"))
    return last if is_plain else None


def _pass_logits(graph: onnx.GraphProto, heads: list[str]) -> None:
    """Take out what rounds the logits between the last layer and the outputs."""
    made_by = {name: node for node in graph.node for name in node.output}

    def unrounded(name: str) -> str:
        while name in made_by and made_by[name].op_type in ("QuantizeLinear", "DequantizeLinear"):
            name = made_by[name].input[0]
        return name

    for head in heads:
        source = unrounded(head)
        node = made_by.get(source)
        if node is None:
            continue
        if source != head:
            made_by[head].output[0] = f"{head}_rounded"  # unread from now on
            node.output[list(node.output).index(source)] = head
        if node.op_type == "Split":
            node.input[0] = unrounded(node.input[0])
    _drop_unread(graph, heads)


def _drop_unread(graph: onnx.GraphProto, heads: list[str]) -> None:
    """Take out roundings that nothing reads any more, and the numbers that only they read."""
    while True:
        read = {*heads, *(name for node in graph.node for name in node.input)}
        unread = [
            node
            for node in graph.node
            if node.op_type in ("QuantizeLinear", "DequantizeLinear")
            and not read.intersection(node.output)
        ]
        if not unread:
            break
        for node in unread:
            graph.node.remove(node)
    for one in [one for one in graph.initializer if one.name not in read]:
        graph.initializer.remove(one)
    made = read | {name for node in graph.node for name in node.output}
    for value in [value for value in graph.value_info if value.name not in made]:
        graph.value_info.remove(value)
