"""Which of ONNX Runtime's two int8 paths is taken, on which processor, for which file; and what is said when none can be."""

import os

import numpy as np
import pytest
from onnx import TensorProto, helper

from mien import session
from mien.errors import ModelFileError


@pytest.mark.parametrize(
    ("processor", "flags", "expected"),
    [
        ("x86_64", "flags : avx2 avx512_vnni", False),
        ("AMD64", "flags : avx2 avx_vnni", False),
        ("x86_64", "flags : avx2", True),
        ("x86_64", None, True),  # it does not tell: exactness goes before speed
        ("aarch64", None, False),
    ],
)
def test_int8_takes_the_exact_path_where_sums_may_overflow(monkeypatch, processor, flags, expected):
    def read(*_, **__):
        if flags is None:
            raise FileNotFoundError
        return flags

    monkeypatch.setattr(session.platform, "machine", lambda: processor)
    monkeypatch.setattr(session.Path, "read_text", read)
    assert session._may_overflow() is expected


@pytest.mark.parametrize(
    ("says", "overflows", "expected"),
    [
        ("yes", True, [False]),
        ("no", True, [False, True]),
        (None, True, [False, True]),
        ("no", False, [False]),
    ],
)
def test_a_file_whose_sums_fit_takes_the_quick_path_everywhere(
    tiny_model_path, tmp_path, monkeypatch, says, overflows, expected
):
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(tiny_model_path)
    if says:
        graph.metadata_props.add(key=session.SUMS_FIT_KEY, value=says)
    onnx.save(graph, tmp_path / "tiny.onnx")
    opened = []
    really = session._open

    def note(path, threads, *, exact=False):
        opened.append(exact)
        return really(path, threads, exact=exact)

    monkeypatch.setattr(session, "_open", note)
    monkeypatch.setattr(session, "_may_overflow", lambda: overflows)
    session.open_session(tmp_path / "tiny.onnx", 1)
    assert opened == expected


def test_a_file_whose_name_is_no_text_is_opened(tiny_model_path, tmp_path):
    named = tmp_path / os.fsdecode(b"mod\xe8le.onnx")
    named.write_bytes(tiny_model_path.read_bytes())
    assert session.open_session(named, 1).get_inputs()


def test_what_is_no_network_is_named(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"no network")
    with pytest.raises(ModelFileError, match=r"x.onnx is no model file that ONNX Runtime can open"):
        session.open_session(tmp_path / "x.onnx", 1)


def drawn(tmp_path, operation, inputs, kind):
    """Open a network of one operation on the whole numbers that go in."""
    takes = [helper.make_tensor_value_info(name, TensorProto.INT64, [None]) for name in inputs]
    gives = [helper.make_tensor_value_info("out", kind, None)]
    graph = helper.make_graph([helper.make_node(operation, inputs, ["out"])], "one", takes, gives)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "one.onnx").write_bytes(model.SerializeToString())
    return session.open_session(tmp_path / "one.onnx", 1)


def test_a_network_that_cannot_run_is_refused_and_says_nothing_besides(tmp_path, capfd):
    opened = drawn(tmp_path, "Reshape", ["faces", "shape"], TensorProto.INT64)
    with pytest.raises(ModelFileError, match=r"cannot answer.*mien export"):
        session.run_session(opened, ["out"], {"faces": np.arange(4), "shape": np.array([3])})
    assert capfd.readouterr() == ("", "")


def test_what_memory_does_not_hold_is_told_apart(tmp_path):
    opened = drawn(tmp_path, "ConstantOfShape", ["shape"], TensorProto.FLOAT)
    with pytest.raises(MemoryError, match="Failed to allocate memory for requested buffer"):
        session.run_session(opened, ["out"], {"shape": np.array([2**45])})
    (few,) = session.run_session(opened, ["out"], {"shape": np.array([2])})
    assert few.tolist() == [0, 0]
