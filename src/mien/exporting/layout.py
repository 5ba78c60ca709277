"""How an int8 graph is laid out for ONNX Runtime's kernels: the same network, quicker where the processor can do more.

ONNX Runtime has two ways through an int8 convolution (qlinearconv.cc, 1.31). One reads the picture in place; it wants a multiple
of four input channels and weights whose zero point is 0. The other unfolds the picture into a matrix and multiplies, on
Intel's AMX where that is there. The first does not know AMX, so the kernel that is taken by default is not the quickest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from mien.exporting.sums import fitting

__all__ = ["folded_weights", "lay_out", "unfold_weight"]

FOLD = 2
"""Side of the squares of pixels that become channels before a stem."""

LEAST_CHANNELS = 64
"""Input channels of a 3x3 convolution from which the matrix product is quicker with AMX: mien-s, one thread, batch 32, Xeon
with AMX: 25 µs a face in place and 27 multiplied with 32 channels, 18 and 15 with 64, 17 and 11 with 128, 22 and 12 with 256."""


def lay_out(graph: onnx.ModelProto) -> None:
    """Change an int8 graph in place, so that it takes the quicker kernels.

    A stem that halves a grey picture reads it as a quarter of the places with four channels, the same products in the same sums.
    Weights of wide 3x3 convolutions get the zero point -1, which asks for the matrix product; one in some ten thousand moves by a
    step or two where its sum with its neighbour would no longer fit (`sums`).
    """
    _fold_stem(graph)
    for convolution, weight in _int8_convolutions(graph):
        values = numpy_helper.to_array(weight)
        if values.shape[1] >= LEAST_CHANNELS and values.shape[2:] == (3, 3):
            _shift(graph, convolution, weight, values)


def folded_weights(graph: onnx.ModelProto) -> set[str]:
    """Return the names of the int8 weights that read squares of pixels as channels."""
    squares = {node.output[0] for node in graph.graph.node if node.op_type == "SpaceToDepth"}
    readers = {
        node.output[0]
        for node in graph.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in squares
    }
    return {weight.name for node, weight in _int8_convolutions(graph) if node.input[0] in readers}


def unfold_weight(weight: NDArray[Any]) -> NDArray[Any]:
    """Map a folded stem's weights, (D, 4, K, K), back to (D, 1, 2 K, 2 K)."""
    count, _, height, width = weight.shape
    squares = weight.reshape(count, FOLD, FOLD, height, width).transpose(0, 3, 1, 4, 2)
    return squares.reshape(count, 1, FOLD * height, FOLD * width)


def _fold_weight(weight: NDArray[Any]) -> NDArray[Any]:
    count, _, height, width = weight.shape
    squares = weight.reshape(count, height // FOLD, FOLD, width // FOLD, FOLD)
    return squares.transpose(0, 2, 4, 1, 3).reshape(count, FOLD**2, height // FOLD, width // FOLD)


def _fold_stem(graph: onnx.ModelProto) -> None:
    """Let a convolution of one channel that halves the picture read squares of two by two pixels as four channels."""
    nodes = graph.graph.node
    side = graph.graph.input[0].type.tensor_type.shape.dim[-1].dim_value
    for convolution, weight in _int8_convolutions(graph):
        values = numpy_helper.to_array(weight)
        options = {option.name: option for option in convolution.attribute}
        pads = list(options["pads"].ints) if "pads" in options else [0] * 4
        steps = list(options["strides"].ints) if "strides" in options else [1, 1]
        even = all(length % FOLD == 0 for length in (side, *values.shape[2:], *pads))
        if values.shape[1] != 1 or steps != [FOLD, FOLD] or not even:
            continue
        reading = next(node for node in nodes if convolution.input[0] in node.output)
        if reading.op_type != "DequantizeLinear" or not _reads_picture(graph, reading.input[0]):
            continue
        weight.CopyFrom(numpy_helper.from_array(_fold_weight(values), weight.name))
        for name in ("kernel_shape", "strides", "pads"):
            if name in options:
                options[name].ints[:] = [length // FOLD for length in options[name].ints]
        squares = f"{reading.input[0]}_squares"
        before = helper.make_node(
            "SpaceToDepth", [reading.input[0]], [squares], name=squares, blocksize=FOLD
        )
        reading.input[0] = squares
        nodes.insert(list(nodes).index(reading), before)


def _reads_picture(graph: onnx.ModelProto, name: str) -> bool:
    """Whether a tensor is the quantised input of the graph."""
    return any(
        name in node.output
        and node.op_type == "QuantizeLinear"
        and node.input[0] == graph.graph.input[0].name
        for node in graph.graph.node
    )


def _shift(
    graph: onnx.ModelProto,
    convolution: onnx.NodeProto,
    weight: onnx.TensorProto,
    values: NDArray[np.int8],
) -> None:
    """Store weights one lower and their zero points too, where they are 0 and there is room."""
    reading = next(node for node in graph.graph.node if convolution.input[1] in node.output)
    zero = next(one for one in graph.graph.initializer if one.name == reading.input[2])
    zeros = numpy_helper.to_array(zero)
    if zeros.any() or values.min() == np.iinfo(np.int8).min:
        return
    lower = fitting(values.astype(np.int64) - 1, convolution)
    weight.CopyFrom(numpy_helper.from_array(lower.astype(np.int8), weight.name))
    zero.CopyFrom(numpy_helper.from_array((zeros - 1).astype(np.int8), zero.name))


def _int8_convolutions(
    graph: onnx.ModelProto,
) -> list[tuple[onnx.NodeProto, onnx.TensorProto]]:
    """Return each ungrouped convolution whose weights are int8, and these."""
    tensors = {one.name: one for one in graph.graph.initializer}
    stored = {
        node.output[0]: tensors[node.input[0]]
        for node in graph.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in tensors
    }
    return [
        (node, stored[node.input[1]])
        for node in graph.graph.node
        if node.op_type == "Conv"
        and node.input[1] in stored
        and len(stored[node.input[1]].dims) == 4
        and all(option.i == 1 for option in node.attribute if option.name == "group")
    ]
