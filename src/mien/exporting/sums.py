"""Int8 on x86 processors without VNNI: weights scaled so that no sum of two products overflows its 16 bits.

Such a processor multiplies unsigned activations by signed weights and adds each two neighbours in 16 bits, clipping in
silence what does not fit (Intel's manual, VPMADDUBSW). With activations up to 255, two weights of one sign fit if
they sum to 128 at most. Weights of 7 bits always do; a channel whose scale is that of its largest such sum instead of its
largest weight does too, and loses half a bit instead of a whole one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import QuantType

__all__ = ["MOST", "fitting", "sums_fit", "weight_ranges"]

MOST = 128
"""Largest sum of two int8 weights of one sign: 128 times 255 is below 2 to the power of 15."""

_MULTIPLYING = ("Conv", "Gemm", "MatMul")


def weight_ranges(graph: onnx.ModelProto, kept: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the range of each channel of the weights that become int8, as ``TensorQuantOverrides`` of ONNX Runtime takes it.

    Args:
        graph: In fp32.
        kept: Names of the nodes that stay so.
    """
    weights = {entry.name: numpy_helper.to_array(entry) for entry in graph.graph.initializer}
    ranges = {}
    for node in graph.graph.node:
        if node.op_type not in _MULTIPLYING or node.name in kept or node.input[1] not in weights:
            continue
        # Half a step of rounding each cannot lift a sum of 127 steps above 128.
        tops = np.maximum(_largest_sums(weights[node.input[1]], node), np.finfo(np.float32).tiny)
        ranges[node.input[1]] = [
            {
                "quant_type": QuantType.QInt8,
                "symmetric": True,
                "rmin": -float(top),
                "rmax": float(top),
            }
            for top in tops
        ]
        ranges[node.input[1]][0]["axis"] = _channel_axis(node)
    return ranges


def sums_fit(graph: onnx.ModelProto) -> bool:
    """Whether no product of this graph can overflow; so too where nothing is int8."""
    int8 = {
        entry.name: numpy_helper.to_array(entry)
        for entry in graph.graph.initializer
        if entry.data_type == onnx.TensorProto.INT8 and entry.dims
    }
    # A zero point is int8 too: the third input.
    read = {
        node.output[0]: node.input[0]
        for node in graph.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in int8
    }
    multiplied = [
        (int8[read[node.input[1]]], node)
        for node in graph.graph.node
        if node.op_type in _MULTIPLYING and node.input[1] in read
    ]
    understood = len({read[node.input[1]] for _, node in multiplied}) == len(set(read.values()))
    return understood and all(
        _largest_sums(weight.astype(np.int64), node).max() <= MOST for weight, node in multiplied
    )


def fitting(weight: NDArray[np.int64], node: onnx.NodeProto) -> NDArray[np.int64]:
    """Return int8 weights with the larger one of two neighbours brought nearer to 0 where their sum would not fit.

    Args:
        weight: As stored, for a processor that multiplies what is stored and corrects for zero points after.
        node: Which multiplies them.
    """
    fitted = weight.ravel().copy()
    places = _pairs(_in_order(np.arange(weight.size).reshape(weight.shape) + 1, node))
    places = places[(places > 0).all(axis=2)] - 1  # a lone last one has no neighbour
    for sign in (1, -1):
        pairs = np.maximum(sign * fitted[places], 0)
        excess = np.maximum(pairs.sum(axis=1) - MOST, 0)
        larger = np.take_along_axis(places, pairs.argmax(axis=1)[:, None], axis=1)[:, 0]
        fitted[larger] -= sign * excess
    return fitted.reshape(weight.shape)


def _largest_sums(weight: NDArray[Any], node: onnx.NodeProto) -> NDArray[Any]:
    """Return, for each channel, the largest sum of two neighbours of one sign."""
    pairs = _pairs(_in_order(weight, node))
    positive, negative = np.maximum(pairs, 0).sum(axis=2), np.maximum(-pairs, 0).sum(axis=2)
    return np.asarray(np.maximum(positive, negative).max(axis=1))


def _in_order(weight: NDArray[Any], node: onnx.NodeProto) -> NDArray[Any]:
    """Return the weights of each channel in the order in which ONNX Runtime multiplies them, (channels, K).

    A convolution's kernel is read place by place, all input channels of one before the next (qlinearconv.cc).
    """
    if node.op_type == "Conv":
        return np.moveaxis(weight, 1, -1).reshape(len(weight), -1)
    axis = _channel_axis(node)
    return np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)


def _pairs(rows: NDArray[Any]) -> NDArray[Any]:
    """Return neighbours, (channels, ceil(K / 2), 2); 0 beside a last one without."""
    if rows.shape[1] % 2:
        rows = np.pad(rows, ((0, 0), (0, 1)))
    return rows.reshape(len(rows), -1, 2)


def _channel_axis(node: onnx.NodeProto) -> int:
    if node.op_type == "Conv":
        return 0
    if node.op_type == "Gemm" and any(a.name == "transB" and a.i for a in node.attribute):
        return 0
    return 1
