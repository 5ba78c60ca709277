"""How an int8 graph is laid out for ONNX Runtime's kernels: quicker by a third where the processor has AMX.

ONNX Runtime has two ways through an int8 convolution (qlinearconv.cc, 1.31). One reads the picture in place; it wants a multiple
of four input channels and weights whose zero point is 0, and knows no AMX. The other unfolds the picture into a matrix and multiplies,
on Intel's AMX where that is there; without, mien-m loses 5 % by it, mien-s nothing (AVX2).
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
    """Change an int8 graph in place, so that it takes the kernels that are quicker with AMX.

    A stem that halves a grey picture reads it as a quarter of the places with four channels, the same products in the same sums.
    Weights of wide 3x3 convolutions get the zero point -1, which asks for the matrix product. Where two neighbours would no longer
    fit (`sums`), the larger one moves by a step or two: one weight in 1,000 to 5,500 of a fresh export, which adds nothing to what
    rounding does (-2 to +4 % of it, eight networks).
    """
    for convolution, weight in _int8_convolutions(graph):
        _fold(graph, convolution, weight)
    for convolution, weight in _int8_convolutions(graph):
        values = numpy_helper.to_array(weight)
        if values.shape[1] >= LEAST_CHANNELS and values.shape[2:] == (3, 3):
            _shift(graph, convolution, weight, values)


def folded_weights(graph: onnx.ModelProto) -> set[str]:
    """Return the names of the int8 weights that read squares of pixels as channels."""
    folded = set()
    for convolution, weight in _int8_convolutions(graph):
        reading = _made_by(graph, convolution.input[0], "DequantizeLinear")
        rounding = reading and _made_by(graph, reading.input[0], "QuantizeLinear")
        if rounding and _made_by(graph, rounding.input[0], "SpaceToDepth"):
            folded.add(weight.name)
    return folded


def unfold_weight(weight: NDArray[Any]) -> NDArray[Any]:
    """Map a folded stem's weights, (D, 4, K, K), back to (D, 1, 2 K, 2 K)."""
    count, _, height, width = weight.shape
    squares = weight.reshape(count, FOLD, FOLD, height, width).transpose(0, 3, 1, 4, 2)
    return squares.reshape(count, 1, FOLD * height, FOLD * width)


def _fold_weight(weight: NDArray[Any]) -> NDArray[Any]:
    count, _, height, width = weight.shape
    squares = weight.reshape(count, height // FOLD, FOLD, width // FOLD, FOLD)
    return squares.transpose(0, 2, 4, 1, 3).reshape(count, FOLD**2, height // FOLD, width // FOLD)


def _fold(graph: onnx.ModelProto, convolution: onnx.NodeProto, weight: onnx.TensorProto) -> None:
    """Let a convolution that halves a grey picture read squares of two by two pixels as four channels.

    The squares are made in fp32, before the rounding: ONNX Runtime's SpaceToDepth takes uint8 from its version 1.28 on only. Others
    that read the picture, such as an ensemble's members, read it as before.
    """
    nodes, picture = graph.graph.node, graph.graph.input[0]
    values = numpy_helper.to_array(weight)
    reading = _made_by(graph, convolution.input[0], "DequantizeLinear")
    rounding = reading and _made_by(graph, reading.input[0], "QuantizeLinear")
    if not reading or not rounding or rounding.input[0] != picture.name:
        return
    sides = [side.dim_value for side in picture.type.tensor_type.shape.dim[2:]]
    alone = sum(convolution.input[1] in node.input for node in nodes) == 1
    if not alone or not _halves(convolution, values, sides):
        return
    weight.CopyFrom(numpy_helper.from_array(_fold_weight(values), weight.name))
    for option in convolution.attribute:
        if option.name in ("kernel_shape", "strides", "pads"):
            option.ints[:] = [length // FOLD for length in option.ints]
    name = f"{weight.name}_squares"
    rounded, read = f"{name}_rounded", f"{name}_read"
    before = [
        helper.make_node("SpaceToDepth", [picture.name], [name], name=name, blocksize=FOLD),
        helper.make_node("QuantizeLinear", [name, *rounding.input[1:]], [rounded], name=rounded),
        helper.make_node("DequantizeLinear", [rounded, *reading.input[1:]], [read], name=read),
    ]
    convolution.input[0] = read
    place = list(nodes).index(convolution)
    for node in reversed(before):
        nodes.insert(place, node)
    for node in (reading, rounding):  # where nobody reads the picture as it was
        if not any(node.output[0] in other.input for other in nodes):
            nodes.remove(node)


def _halves(convolution: onnx.NodeProto, values: NDArray[np.int8], sides: list[int]) -> bool:
    """Whether a convolution of a picture with these sides takes whole squares of one channel, and one square a step."""
    options = {option.name: option for option in convolution.attribute}
    lengths = {
        name: list(options[name].ints) if name in options else default
        for name, default in (("pads", [0] * 4), ("strides", [1, 1]), ("dilations", [1, 1]))
    }
    return (
        values.shape[1] == 1
        and lengths["strides"] == [FOLD, FOLD]
        and lengths["dilations"] == [1, 1]
        and ("auto_pad" not in options or options["auto_pad"].s == b"NOTSET")
        and min(sides) > 0
        and all(length % FOLD == 0 for length in (*sides, *values.shape[2:], *lengths["pads"]))
    )


def _made_by(graph: onnx.ModelProto, name: str, kind: str) -> onnx.NodeProto | None:
    """Return the node of a kind that a tensor comes from, or None."""
    makers = (node for node in graph.graph.node if node.op_type == kind)
    return next((node for node in makers if name in node.output), None)


def _shift(
    graph: onnx.ModelProto,
    convolution: onnx.NodeProto,
    weight: onnx.TensorProto,
    values: NDArray[np.int8],
) -> None:
    """Store weights one lower and their zero points too, where these are 0 and there is room; then let all sums fit."""
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
    int8 = onnx.TensorProto.INT8
    tensors = {one.name: one for one in graph.graph.initializer if one.data_type == int8}
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
