"""Another layout, the same answers, but for weights that move so that sums fit."""

import numpy as np
import pytest

pytest.importorskip("onnx")
import onnxruntime as ort
from onnx import TensorProto, numpy_helper
from onnx.helper import (
    make_attribute,
    make_graph,
    make_model,
    make_node,
    make_opsetid,
    make_tensor_value_info,
)

from mien.exporting.layout import folded_weights, lay_out, unfold_weight
from mien.exporting.sums import MOST, fitting, sums_fit

SIDE = 12


def tensor(name, values, kind=np.float32):
    return numpy_helper.from_array(np.asarray(values, kind), name)


def network(layers, channels=1):
    """An int8 graph as ONNX Runtime's quantiser writes it.

    Args:
        layers: (weights, stride, padding) of each convolution, each followed by the rounding of its result.
        channels: Of the picture.
    """
    tensors = [tensor("scale", 0.05), tensor("zero", 3, np.uint8)]
    nodes = [make_node("QuantizeLinear", ["picture", "scale", "zero"], ["a0"])]
    for place, (weight, stride, padding) in enumerate(layers):
        many = len(weight)
        tensors += [
            tensor(f"w{place}", weight, np.int8),
            tensor(f"ws{place}", np.full(many, 0.01)),
            tensor(f"wz{place}", np.zeros(many), np.int8),
        ]
        nodes += [
            make_node("DequantizeLinear", [f"a{place}", "scale", "zero"], [f"x{place}"]),
            make_node(
                "DequantizeLinear", [f"w{place}", f"ws{place}", f"wz{place}"], [f"k{place}"], axis=0
            ),
            make_node(
                "Conv",
                [f"x{place}", f"k{place}"],
                [f"y{place}"],
                kernel_shape=weight.shape[2:],
                strides=[stride] * 2,
                pads=[padding] * 4,
                auto_pad="NOTSET",  # as torch's exporter writes it
            ),
            make_node("QuantizeLinear", [f"y{place}", "scale", "zero"], [f"a{place + 1}"]),
        ]
    nodes.append(make_node("DequantizeLinear", [f"a{len(layers)}", "scale", "zero"], ["out"]))
    picture = make_tensor_value_info("picture", TensorProto.FLOAT, ["n", channels, SIDE, SIDE])
    out = make_tensor_value_info("out", TensorProto.FLOAT, None)
    graph = make_graph(nodes, "net", [picture], [out], tensors)
    return make_model(graph, opset_imports=[make_opsetid("", 20)], ir_version=10)


def answers(graph, channels=1):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    pictures = np.random.default_rng(7).normal(1, 2, (5, channels, SIDE, SIDE))
    return session.run(["out"], {"picture": pictures.astype(np.float32)})[0]


def drawn(*shape, most=20, seed=0):
    return np.random.default_rng(seed).integers(-most, most + 1, shape)


def stored(graph, name):
    return next(
        numpy_helper.to_array(one) for one in graph.graph.initializer if one.name == name
    ).astype(int)


STEM, WIDE = drawn(64, 1, 6, 6), drawn(8, 64, 3, 3, seed=1)


def test_a_stem_reads_squares_and_wide_convolutions_are_shifted_with_the_same_answers():
    graph = network([(STEM, 2, 2), (WIDE, 1, 1)])
    before = answers(graph)
    lay_out(graph)
    kinds = [node.op_type for node in graph.graph.node]
    # In fp32: older versions of ONNX Runtime fold no uint8.
    assert kinds.count("SpaceToDepth") == 1
    assert kinds.index("SpaceToDepth") < kinds.index("QuantizeLinear")
    assert folded_weights(graph) == {"w0"}
    assert stored(graph, "w0").shape == (64, 4, 3, 3)
    assert np.array_equal(unfold_weight(stored(graph, "w0")), STEM)
    assert np.array_equal(stored(graph, "w1"), WIDE - 1)
    assert np.array_equal(stored(graph, "wz1"), [-1] * 8)
    assert before.std() > 1  # or else equality says nothing
    assert np.array_equal(answers(graph), before)


def test_others_read_the_picture_as_it_was():
    graph = network([(STEM, 2, 2), (WIDE, 1, 1)])
    graph.graph.node.append(make_node("Identity", ["x0"], ["again"]))
    graph.graph.output.append(make_tensor_value_info("again", TensorProto.FLOAT, None))
    before = answers(graph)
    lay_out(graph)
    assert folded_weights(graph) == {"w0"}
    assert np.array_equal(answers(graph), before)


def test_a_picture_of_unknown_size_is_not_folded():
    graph = network([(STEM, 2, 2)])
    graph.graph.input[0].type.tensor_type.shape.dim[2].ClearField("dim_value")
    before = graph.SerializeToString()
    lay_out(graph)
    assert graph.SerializeToString() == before


@pytest.mark.parametrize("option", [("dilations", [2, 2]), ("auto_pad", "SAME_UPPER")])
def test_what_squares_cannot_say_is_not_folded(option):
    graph = network([(STEM, 2, 2)])
    convolution = next(node for node in graph.graph.node if node.op_type == "Conv")
    said = [one for one in convolution.attribute if one.name == option[0]]
    for one in said:
        convolution.attribute.remove(one)
    convolution.attribute.append(make_attribute(*option))
    before = graph.SerializeToString()
    lay_out(graph)
    assert graph.SerializeToString() == before


def test_laid_out_twice_is_laid_out_once():
    graph = network([(STEM, 2, 2), (WIDE, 1, 1)])
    lay_out(graph)
    once = graph.SerializeToString()
    lay_out(graph)
    assert graph.SerializeToString() == once


@pytest.mark.parametrize(
    ("layers", "channels"),
    [
        ([(drawn(64, 1, 3, 3), 1, 1)], 1),  # does not halve
        ([(drawn(64, 1, 3, 3), 2, 1)], 1),  # an odd kernel
        ([(drawn(64, 3, 6, 6), 2, 2)], 3),  # colours
        ([(drawn(8, 1, 3, 3), 1, 1), (drawn(8, 8, 3, 3), 1, 1)], 1),  # narrow
        ([(drawn(64, 1, 3, 3), 1, 1), (drawn(8, 64, 1, 1), 1, 0)], 1),  # no 3x3
        ([(drawn(64, 1, 3, 3), 1, 1), (np.full((8, 64, 3, 3), -128), 1, 1)], 1),  # no room
    ],
)
def test_other_convolutions_stay_as_they_are(layers, channels):
    graph = network(layers, channels)
    before = graph.SerializeToString()
    lay_out(graph)
    assert graph.SerializeToString() == before


def test_sums_still_fit_and_hardly_a_weight_moves():
    weight = WIDE.copy()
    weight[0, :2, 0, 0] = [-100, -28]  # the largest sum that fits, until both are one lower
    graph = network([(STEM, 2, 2), (weight, 1, 1)])
    assert sums_fit(graph)
    lay_out(graph)
    assert sums_fit(graph)
    moved = np.argwhere(stored(graph, "w1") + 1 != weight)
    assert moved.tolist() == [[0, 0, 0, 0]]
    assert stored(graph, "w1")[0, :2, 0, 0].tolist() == [-99, -29]


@pytest.mark.parametrize("shape", [(3, 4, 3, 3), (3, 3, 3, 3), (3, 1, 3, 3)])
def test_fitting_brings_the_larger_neighbour_down_by_what_is_too_much(shape):
    graph = network([(drawn(*shape), 1, 1)])
    convolution = next(node for node in graph.graph.node if node.op_type == "Conv")
    weight = drawn(*shape, most=100)
    fitted = fitting(weight, convolution)
    assert sums_fit(network([(fitted, 1, 1)]))
    assert not sums_fit(network([(weight, 1, 1)]))
    assert (np.abs(fitted) <= np.abs(weight)).all()
    assert np.abs(fitted - weight).max() <= 200 - MOST
    assert np.array_equal(fitting(fitted, convolution), fitted)
