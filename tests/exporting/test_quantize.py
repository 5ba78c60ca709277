import pytest

pytest.importorskip("onnx")
from onnx.helper import make_graph, make_model, make_node

from mien.exporting.quantize import _kept


@pytest.mark.parametrize(
    ("ops", "kept"),
    [
        ("Conv Relu Conv Relu Conv Add Relu Conv Conv Add Gemm", "0 2 4 5 10"),  # blocks of two
        ("Conv Conv Conv Conv Add Conv Gemm", "0 1 2 3 4 6"),  # with a shortcut of its own
        ("Conv Conv Conv Conv Conv Add Gemm", "0 6"),  # blocks that are larger
        ("Conv Relu Conv Relu Gemm Relu Gemm", "0 6"),  # no blocks
        ("Gemm Relu Gemm", "2"),
        ("Conv Relu Gemm Split", "0 2 3"),  # two heads
        ("Conv BatchNormalization Conv Add BatchNormalization Gemm", "0 2 3 5 1 4"),
    ],
)
def test_first_block_last_layer_and_bn_stay_in_fp32(ops, kept):
    nodes = [make_node(op, [], [], name=str(place)) for place, op in enumerate(ops.split())]
    assert _kept(make_model(make_graph(nodes, "net", [], []))) == kept.split()
