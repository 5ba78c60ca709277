import json

import numpy as np
import onnx
import pytest

from mien import modelfile
from mien.errors import InputError, ModelFileError, UnknownNameError
from mien.modelfile import METADATA_KEY, Head, ModelInfo, list_models, load_model
from mien.preprocess import InputSpec


@pytest.fixture
def record(tiny_model_path):
    return json.loads(load_model(tiny_model_path).info.to_json())


@pytest.fixture
def rewritten(tiny_model_path, tmp_path):
    """Return a function that writes the tiny model with another record or network."""

    def write(record=None, change=None):
        model = onnx.load(tiny_model_path)
        if record is not None:
            onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(record)})
        if change is not None:
            change(model)
        path = tmp_path / "changed.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return write


def test_the_logits_are_the_networks_own(tiny_model_path):
    model = load_model(tiny_model_path)
    faces = np.stack([np.full((48, 48), v, np.uint8) for v in (0, 255)])
    logits = model.logits(faces)
    happy_sad_neutral = [3, 4, 6]
    np.testing.assert_allclose(
        logits["fer2013"][:, happy_sad_neutral], [[-8, 8, 2], [8, -8, 2]], atol=1e-4
    )
    np.testing.assert_allclose(logits["ferplus"][:, [1, 3, 0]], [[-8, 8, 2], [8, -8, 2]], atol=1e-4)


def test_no_faces_give_no_logits(tiny_model_path):
    logits = load_model(tiny_model_path).logits(np.zeros((0, 48, 48), np.uint8))
    assert {name: values.shape for name, values in logits.items()} == {
        "fer2013": (0, 7),
        "ferplus": (0, 8),
    }


def test_the_record_comes_back(tiny_model_path):
    info = load_model(tiny_model_path).info
    assert info.name == "tiny"
    assert info.head("ferplus").temperature == 2
    assert info.input == InputSpec()
    assert ModelInfo.from_json(info.to_json(), "here") == info


def test_a_file_from_before_thresholds_is_read(rewritten, record):
    for head in record["heads"]:
        del head["unsure_below"]
    info = load_model(rewritten(record)).info
    assert [head.unsure_below for head in info.heads] == [None, None]


def test_a_threshold_comes_back(rewritten, record):
    record["heads"][1]["unsure_below"] = 0.45
    assert load_model(rewritten(record)).info.head("ferplus").unsure_below == 0.45


def test_a_missing_head_names_the_others(tiny_model_path):
    with pytest.raises(InputError, match=r"'ferpluss'\. Did you mean ferplus\? It has fer2013"):
        load_model(tiny_model_path).info.head("ferpluss")


def test_an_unknown_model_is_named():
    with pytest.raises(UnknownNameError, match="No model is called 'mien-xxl'"):
        load_model("mien-xxl")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelFileError, match=r"There is no model file .*gone\.onnx\."):
        load_model(tmp_path / "gone.onnx")


@pytest.mark.parametrize("name", ["model.safetensors", ""])
def test_weights_and_run_folders_say_how_to_export(tmp_path, name):
    with pytest.raises(
        ModelFileError, match=r"holds a network for training; .* mien export RUN --to onnx"
    ):
        load_model(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x08\x09" * 50])
def test_a_file_that_is_no_network_is_refused_on_one_line(tmp_path, content):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(
        ModelFileError, match=r"broken\.onnx is no model file that ONNX Runtime can open: ."
    ) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_refused(tiny_model_path, tmp_path):
    path = tmp_path / "half.onnx"
    path.write_bytes(tiny_model_path.read_bytes()[:300])
    with pytest.raises(ModelFileError, match="is no model file that ONNX Runtime can open"):
        load_model(path)


def test_a_foreign_network_says_what_it_lacks(rewritten):
    def forget(model):
        del model.metadata_props[:]

    with pytest.raises(
        ModelFileError, match="is an ONNX file without labels, input and provenance"
    ):
        load_model(rewritten(change=forget))


def test_missing_fields_are_named(rewritten, record):
    del record["licence"], record["provenance"]
    with pytest.raises(
        ModelFileError, match=r"changed\.onnx lacks licence, provenance in its record"
    ):
        load_model(rewritten(record))


def test_another_format_is_refused(rewritten, record):
    with pytest.raises(ModelFileError, match="is a model file of format 9; this mien reads 1"):
        load_model(rewritten({**record, "format": 9}))


@pytest.mark.parametrize("broken", [[], {"format": 1}, "text", 5])
def test_a_record_of_another_kind_is_refused(rewritten, broken):
    with pytest.raises(
        ModelFileError, match=r"changed\.onnx (has a record that cannot be read|lacks name)"
    ):
        load_model(rewritten(broken))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"heads": []}, "expected some, all different"),
        ({"heads": [{"name": "x", "labels": ["a", "a"]}]}, "expected some, all different"),
        (
            {"heads": [{"name": "x", "labels": ["a"], "temperature": 0}]},
            "temperature 0; expected a positive",
        ),
        (
            {"heads": [{"name": "x", "labels": ["a"], "unsure_below": 1.5}]},
            r"unsure below 1\.5; expected 0 to 1",
        ),
        ({"heads": [{"name": "x"}]}, "cannot be read: 'labels'"),
        ({"input": {"size": 1}}, "input size is 1 px"),
        ({"extra": 1}, "cannot be read: .*extra"),
    ],
)
def test_a_garbled_field_is_refused(rewritten, record, change, words):
    with pytest.raises(ModelFileError, match=words):
        load_model(rewritten({**record, **change}))


def test_labels_that_the_network_does_not_give_are_refused(rewritten, record):
    record["heads"][0]["labels"].pop()
    with pytest.raises(
        ModelFileError, match="promises 6 labels in its head 'fer2013', but the network gives"
    ):
        load_model(rewritten(record))


def test_a_head_that_the_network_lacks_is_refused(rewritten, record):
    record["heads"][0]["name"] = "raf"
    with pytest.raises(ModelFileError, match="in its head 'raf', but the network gives None"):
        load_model(rewritten(record))


def test_another_input_size_is_refused(rewritten, record):
    record["input"]["size"] = 64
    with pytest.raises(
        ModelFileError, match=r"promises an input of \['N', 1, 64, 64\], any N, but"
    ):
        load_model(rewritten(record))


def test_a_network_for_one_face_a_call_is_refused(rewritten):
    def one_only(model):
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1

    with pytest.raises(ModelFileError, match=r"any N, but the network takes \[1, 1, 48, 48\]"):
        load_model(rewritten(change=one_only))


def test_threads_must_not_be_negative(tiny_model_path):
    with pytest.raises(InputError, match=r"threads is -1; expected 0 or more\."):
        load_model(tiny_model_path, threads=-1)


def test_shipped_models_are_found_by_name(tiny_model_path, tmp_path, monkeypatch):
    monkeypatch.setattr("mien.modelfile.weights_dir", lambda: tmp_path)
    assert list_models() == []
    (tmp_path / "tiny.onnx").write_bytes(tiny_model_path.read_bytes())
    assert list_models() == ["tiny"]
    assert load_model("tiny").info.name == "tiny"
    with pytest.raises(UnknownNameError, match=r"Did you mean tiny\?"):
        load_model("tny")


def test_a_head_needs_labels():
    with pytest.raises(InputError, match=r"Head 'x' has the labels \[\]; expected some"):
        Head(name="x", labels=())


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

    monkeypatch.setattr(modelfile.platform, "machine", lambda: processor)
    monkeypatch.setattr(modelfile.Path, "read_text", read)
    assert modelfile._may_overflow() is expected
