import pytest

pytest.importorskip("onnx")
from onnx.helper import make_graph, make_model, make_node

from mien.exporting.quantize import _kept


@pytest.mark.parametrize(
    ("ops", "first", "always"),
    [
        ("Conv Relu Conv Relu Conv Add Relu Conv Conv Add Gemm", "0 2 4 5", "10"),  # blocks of two
        ("Conv Conv Conv Conv Add Conv Gemm", "0 1 2 3 4", "6"),  # with a shortcut of its own
        ("Conv Conv Conv Conv Conv Add Gemm", "0", "6"),  # blocks that are larger
        ("Conv Relu Conv Relu Gemm Relu Gemm", "0", "6"),  # no blocks
        ("Gemm Relu Gemm", "", "2"),
        ("Conv Relu Gemm Split", "0", "2 3"),  # two heads
        ("Conv BatchNormalization Conv Add BatchNormalization Gemm", "0 2 3", "5 1 4"),
    ],
)
def test_last_layer_and_bn_stay_in_fp32_and_the_first_block_where_it_is_asked_for(
    ops, first, always
):
    nodes = [make_node(op, [], [], name=str(place)) for place, op in enumerate(ops.split())]
    graph = make_model(make_graph(nodes, "net", [], []))
    assert _kept(graph, keeps_first=False) == always.split()
    assert _kept(graph, keeps_first=True) == [*first.split(), *always.split()]
