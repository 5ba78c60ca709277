"""Which of ONNX Runtime's two int8 paths is taken, on which processor, for which file."""

import pytest

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


def test_what_is_no_network_is_named(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"no network")
    with pytest.raises(ModelFileError, match=r"x.onnx is no model file that ONNX Runtime can open"):
        session.open_session(tmp_path / "x.onnx", 1)
