import hashlib
import json

import numpy as np
import onnx
import pytest

from mien.errors import InputError, ModelFileError, UnknownNameError
from mien.modelfile import METADATA_KEY, Head, ModelInfo, adjusted, list_models, load_model
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


def test_thresholds_come_back(rewritten, record):
    record["heads"][1]["unsure_below"] = [0.45, *[0.0] * 7]
    assert load_model(rewritten(record)).info.head("ferplus").unsure_below == (0.45, *[0.0] * 7)


def test_one_threshold_of_a_file_from_before_is_that_of_every_label(rewritten, record):
    record["heads"][1]["unsure_below"] = 0.45
    assert load_model(rewritten(record)).info.head("ferplus").unsure_below == (0.45,) * 8


def test_a_missing_head_names_the_others(tiny_model_path):
    with pytest.raises(InputError, match=r"'ferpluss'\. Did you mean ferplus\? It has fer2013"):
        load_model(tiny_model_path).info.head("ferpluss")


def test_an_unknown_model_is_named():
    with pytest.raises(UnknownNameError, match="No model is called 'mien-xxl'"):
        load_model("mien-xxl")
    with pytest.raises(UnknownNameError, match="No model is called ''"):
        load_model("")  # and not what lies in this folder


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
            {"heads": [{"name": "x", "labels": ["a"], "unsure_below": [1.5]}]},
            r"unsure below \[1\.5\]; expected 1 numbers from 0 to 1",
        ),
        (
            {"heads": [{"name": "x", "labels": ["a", "b"], "unsure_below": [0.5]}]},
            r"unsure below \[0\.5\]; expected 2 numbers from 0 to 1",
        ),
        ({"heads": [{"name": "x"}]}, "cannot be read: 'labels'"),
        ({"input": {"size": 1}}, "input size is 1 px"),
        ({"extra": 1}, "cannot be read: .*extra"),
        ({"name": 5}, "name is 5, expected text"),
        ({"options": [1]}, r"options is \[1\], expected a table"),
        ({"provenance": "x"}, "provenance is 'x', expected a table"),
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


def test_a_network_that_gives_one_number_is_refused(rewritten):
    def one_number(model):
        del model.graph.output[0].type.tensor_type.shape.dim[:]

    with pytest.raises(ModelFileError, match=r"but the network gives \[\]"):
        load_model(rewritten(change=one_number))


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


def test_the_uniform_prior_divides_calibrated_probabilities_by_the_frequencies():
    head = Head(name="x", labels=("a", "b", "c"), prior=(0.6, 0.3, 0.1), temperature=0.5)
    logits = np.array([[1.0, 0.5, 0.2], [-2.0, 0.0, 3.0]])

    def softmax(values):
        powers = np.exp(values / head.temperature)
        return powers / powers.sum(axis=1, keepdims=True)

    expected = softmax(logits) / head.prior
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax(adjusted(logits, head, "uniform")), expected, rtol=1e-12)
    assert adjusted(logits, head, "training") is logits


def test_frequencies_come_back_and_older_files_have_none(rewritten, record):
    assert record["heads"][0]["prior"] is None
    for head in record["heads"]:
        del head["prior"]
    assert load_model(rewritten(record)).info.heads[0].prior is None
    record["heads"][0]["prior"] = [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.4]
    head = load_model(rewritten(record)).info.heads[0]
    assert head.prior == (0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.4)


@pytest.mark.parametrize("prior", [(0.5, 0.6), (1.0,), (1.0, 0.0)])
def test_frequencies_must_be_those_of_the_labels(prior):
    with pytest.raises(InputError, match=r"has the prior .*; expected 2 positive numbers"):
        Head(name="x", labels=("a", "b"), prior=prior)


@pytest.fixture
def hub_folder(tiny_model_path, tmp_path):
    """A folder as `mien export --to hub` names its files, and a function that writes its config anew."""
    folder = tmp_path / "hub"
    (folder / "onnx").mkdir(parents=True)
    body = tiny_model_path.read_bytes()
    (folder / "onnx" / "model.onnx").write_bytes(body)
    promised = {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}

    def write(**changes):
        config = {
            "onnx_file": "onnx/model.onnx",
            "files": {"onnx/model.onnx": promised, "../tiny.onnx": promised},
        }
        (folder / "config.json").write_text(json.dumps({**config, **changes}))

    write()
    return folder, write


def test_a_hub_folder_opens_as_its_onnx_file(hub_folder):
    model = load_model(hub_folder[0])
    assert model.info.name == "tiny"
    assert model.path == hub_folder[0] / "onnx" / "model.onnx"
    assert load_model(str(hub_folder[0])).info == model.info


def test_a_hub_folder_with_another_file_than_promised_is_refused(hub_folder):
    folder, _ = hub_folder
    with (folder / "onnx" / "model.onnx").open("ab") as file:
        file.write(b"more")
    with pytest.raises(ModelFileError, match=r"is not the file that config.json promises: its SHA"):
        load_model(folder)
    (folder / "onnx" / "model.onnx").unlink()
    with pytest.raises(ModelFileError, match=r"names onnx/model.onnx, which is not there"):
        load_model(folder)


def test_a_hub_folder_cannot_reach_outside_of_itself(hub_folder):
    folder, write = hub_folder
    write(onnx_file="../tiny.onnx")
    with pytest.raises(ModelFileError, match=r"names a file outside of its folder: \.\./tiny"):
        load_model(folder)


def test_a_folder_of_another_library_is_named(hub_folder):
    folder, _ = hub_folder
    (folder / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(
        ModelFileError, match=r"config.json is not of a folder that mien can read.*--to hub DIR"
    ):
        load_model(folder)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("input", {"std": float("nan")}, "expected finite numbers"),
        ("input", {"mean": "x"}, "cannot be read"),
        ("input", {"size": 48.0}, r"size is 48\.0; expected a whole number"),
        ("input", {"channels": True}, "channels is True; expected a whole number"),
        ("heads", {"name": None}, "a head is called None, expected text"),
        ("heads", {"labels": "abcdefg"}, "expected a list of names"),
        ("heads", {"labels": [0, 1, 2, 3, 4, 5, 6]}, "expected a list of names"),
    ],
)
def test_fields_of_another_kind_are_refused(rewritten, record, field, value, words):
    if field == "input":
        record["input"] |= value
    else:
        record["heads"][0] |= value
    with pytest.raises(ModelFileError, match=words):
        load_model(rewritten(record))
