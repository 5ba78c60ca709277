"""Networks that npm packages bring as TensorFlow.js files, opened in ONNX Runtime: the shards read, the graph written down again.

It knows what the two packages of `peer_networks` need, and refuses the rest.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

INPUT, OUTPUT = "faces", "probabilities"


def read_weights(manifest: Sequence[dict[str, Any]], folder: Path) -> dict[str, NDArray[Any]]:
    """Return the tensors of a weights manifest by name, quantised ones spread out again."""
    found = {}
    for group in manifest:
        data = b"".join((folder / path).read_bytes() for path in group["paths"])
        place = 0
        for entry in group["weights"]:
            packed = entry.get("quantization")
            kind = np.dtype(packed["dtype"] if packed else entry["dtype"]).newbyteorder("<")
            count = int(np.prod(entry["shape"]))
            values = np.frombuffer(data, kind, count, place).reshape(entry["shape"])
            place += values.nbytes
            if packed:
                scale, least = np.float32(packed["scale"]), np.float32(packed["min"])
                values = values.astype(np.float32) * scale + least
            found[entry["name"]] = values.astype(values.dtype.newbyteorder("="))
    return found


class Graph:
    """An ONNX graph in the making, channels first, padded as TensorFlow pads."""

    def __init__(self) -> None:
        """Begin without nodes."""
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, values: NDArray[Any], name: str) -> str:
        """Add a tensor; return its name."""
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Add a node with one output, which has its name; return it."""
        self._nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def convolution(
        self,
        taken: str,
        kernel: NDArray[Any],
        bias: NDArray[Any] | None,
        name: str,
        *,
        stride: int = 1,
        is_depthwise: bool = False,
        padding: str = "SAME_UPPER",
    ) -> str:
        """Add a convolution; the kernel is (H, W, in, out), or (H, W, channels, 1) where each has its own."""
        order = (2, 3, 0, 1) if is_depthwise else (3, 2, 0, 1)
        inputs = [taken, self.constant(kernel.transpose(order), f"{name}/kernel")]
        if bias is not None:
            inputs.append(self.constant(bias, f"{name}/bias"))
        groups = kernel.shape[2] if is_depthwise else 1
        return self.node("Conv", inputs, name, strides=[stride] * 2, auto_pad=padding, group=groups)

    def mean_of_channels(self, taken: str, name: str) -> str:
        """Add the mean over all pixels: (N, C)."""
        return self.node("Flatten", [self.node("GlobalAveragePool", [taken], f"{name}/mean")], name)

    def session(self, output: str, channels: int, side_px: int) -> ort.InferenceSession:
        """Open the graph on one thread; ``output`` becomes probabilities, (N, 7)."""
        self.node("Softmax", [output], OUTPUT, axis=1)
        taken = helper.make_tensor_value_info(
            INPUT, TensorProto.FLOAT, ["n", channels, side_px, side_px]
        )
        given = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", 7])
        graph = helper.make_graph(self._nodes, "peer", [taken], [given], self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
        onnx.checker.check_model(model)
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        providers = ["CPUExecutionProvider"]
        return ort.InferenceSession(model.SerializeToString(), options, providers=providers)


def open_graph_model(path: Path, channels: int, side_px: int) -> ort.InferenceSession:
    """Open a TF.js graph model of plain convolutions that ends in a softmax.

    Raises:
        ValueError: If it holds an operation that is not known here.
    """
    model = json.loads(path.read_text(encoding="utf-8"))
    weights = read_weights(model["weightsManifest"], path.parent)
    graph = Graph()
    names: dict[str, str] = {}
    last = ""
    for node in model["modelTopology"]["node"]:
        kind, name = node["op"], node["name"]
        inputs = [names.get(one, one) for one in node.get("input", [])]
        if kind == "Const":
            continue
        if kind == "Placeholder":
            names[name] = INPUT
        elif kind in ("Identity", "Softmax"):
            names[name] = inputs[0]
            last = inputs[0]
        elif kind in ("_FusedConv2D", "DepthwiseConv2dNative"):
            _convolution(graph, node, inputs, weights)
        elif kind == "MaxPool":
            sides = {key: _sides(node, key) for key in ("ksize", "strides")}
            graph.node(
                kind,
                inputs,
                name,
                kernel_shape=sides["ksize"],
                strides=sides["strides"],
                auto_pad=_padding(node),
            )
        elif kind == "Mean":
            graph.mean_of_channels(inputs[0], name)
        elif kind in ("AddV2", "Relu"):
            graph.node({"AddV2": "Add"}.get(kind, kind), inputs, name)
        else:
            raise ValueError(f"{path}: the operation {kind} is not known here.")
    return graph.session(last, channels, side_px)


def _convolution(
    graph: Graph, node: dict[str, Any], inputs: list[str], weights: dict[str, NDArray[Any]]
) -> None:
    name = node["name"]
    listed = node["attr"].get("fused_ops", {}).get("list", {}).get("s", [])
    fused = [b64decode(one).decode() for one in listed]
    if not set(fused) <= {"BiasAdd", "Relu"}:
        raise ValueError(f"{name}: {', '.join(fused)} fused into a convolution is not known here.")
    is_rectified = "Relu" in fused
    linear = graph.convolution(
        inputs[0],
        weights[inputs[1]],
        weights[inputs[2]] if "BiasAdd" in fused else None,
        f"{name}/linear" if is_rectified else name,
        stride=_sides(node, "strides")[0],
        is_depthwise=node["op"] == "DepthwiseConv2dNative",
        padding=_padding(node),
    )
    if is_rectified:
        graph.node("Relu", [linear], name)


def _sides(node: dict[str, Any], key: str) -> list[int]:
    """The two in the middle: TensorFlow counts pictures and channels too."""
    return [int(value) for value in node["attr"][key]["list"]["i"]][1:3]


def _padding(node: dict[str, Any]) -> str:
    named = b64decode(node["attr"]["padding"]["s"]).decode()
    return {"SAME": "SAME_UPPER", "VALID": "VALID"}[named]
