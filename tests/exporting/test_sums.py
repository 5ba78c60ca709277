"""Two int8 products side by side stay within 16 bits, whatever the order in which they are added."""

import numpy as np
import pytest

pytest.importorskip("onnx")
from onnx import TensorProto, numpy_helper
from onnx.helper import make_graph, make_model, make_node

from mien.exporting.sums import MOST, sums_fit, weight_ranges


def network(op, weight, **attributes):
    node = make_node(op, ["x", "w"], ["y"], name="layer", **attributes)
    return make_model(make_graph([node], "net", [], [], [numpy_helper.from_array(weight, "w")]))


def in_int8(graph, weight):
    """The same layer with its weight as int8, read through its scale."""
    stored = numpy_helper.from_array(weight.astype(np.int8), "q")
    read = make_node("DequantizeLinear", ["q", "scale"], ["w"])
    return make_model(make_graph([read, *graph.graph.node], "net", [], [], [stored]))


def rounded(weight, ranges, axis):
    tops = np.array([one["rmax"] for one in ranges])
    shape = [-1 if place == axis else 1 for place in range(weight.ndim)]
    return np.rint(weight / (tops.reshape(shape) / 127))


@pytest.mark.parametrize(
    ("op", "shape", "axis", "attributes"),
    [
        ("Conv", (5, 8, 3, 3), 0, {}),
        ("Conv", (5, 3, 3, 3), 0, {}),  # neighbours are of two places
        ("Gemm", (5, 7), 0, {"transB": 1}),
        ("Gemm", (7, 5), 1, {}),
        ("MatMul", (8, 5), 1, {}),
    ],
)
def test_weights_scaled_by_their_ranges_fit_and_by_their_largest_do_not(
    op, shape, axis, attributes
):
    weight = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    graph = network(op, weight, **attributes)
    (ranges,) = weight_ranges(graph, []).values()
    assert len(ranges) == shape[axis]
    assert ranges[0]["axis"] == axis
    assert sums_fit(in_int8(graph, rounded(weight, ranges, axis)))
    largest = [{"rmax": np.abs(channel).max()} for channel in np.moveaxis(weight, axis, 0)]
    assert not sums_fit(in_int8(graph, rounded(weight, largest, axis)))
    # Never coarser than 7 bits, which fit without a look at the weights.
    assert all(
        one["rmax"] <= 2 * top["rmax"] * (1 + 1e-6)
        for one, top in zip(ranges, largest, strict=True)
    )


def test_only_neighbours_of_one_sign_count():
    row = np.array([[100, -100, 28, 28]])
    graph = network("Gemm", row.astype(np.float32), transB=1)
    assert sums_fit(in_int8(graph, row))
    assert sums_fit(in_int8(graph, np.array([[MOST - 1, 1, 0, 0]])))
    assert not sums_fit(in_int8(graph, np.array([[MOST - 1, 2, 0, 0]])))
    assert not sums_fit(in_int8(graph, np.array([[0, 0, -100, -29]])))


def test_what_stays_in_fp32_has_no_range_and_always_fits():
    graph = network("Gemm", np.full((2, 4), 9, np.float32), transB=1)
    assert weight_ranges(graph, ["layer"]) == {}
    assert sums_fit(graph)


def test_int8_that_is_read_in_another_way_is_not_vouched_for():
    stored = numpy_helper.from_array(np.ones((2, 4), np.int8), "q")
    read = make_node("DequantizeLinear", ["q", "scale"], ["w"])
    added = make_node("Add", ["x", "w"], ["y"])
    assert stored.data_type == TensorProto.INT8
    assert not sums_fit(make_model(make_graph([read, added], "net", [], [], [stored])))


def test_a_channel_of_zeros_has_a_range_too():
    ranges = weight_ranges(network("Gemm", np.zeros((2, 4), np.float32), transB=1), [])
    assert all(one["rmax"] > 0 for one in ranges["w"])
