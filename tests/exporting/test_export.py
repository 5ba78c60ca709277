import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from mien import session
from mien.data.splits import with_validation
from mien.data.synthetic import draw_faces
from mien.errors import DataError, ModelFileError
from mien.evaluation.evaluate import predict_logits
from mien.exporting import export, quantize
from mien.exporting import onnx as writing
from mien.exporting.export import export_model
from mien.modelfile import METADATA_KEY
from mien.models.predict import network_predictor
from mien.models.weights import load_network
from mien.preprocess import to_inputs

pytestmark = pytest.mark.slow  # tracing a network takes seconds


@pytest.fixture(scope="module")
def faces():
    return draw_faces(160, seed=0, size=24)


@pytest.fixture(scope="module")
def weights(tmp_path_factory, save_tiny):
    """A small network with two heads, as a run leaves it."""
    options = {"widths": (8, 16), "depths": (1, 1)}
    return save_tiny(tmp_path_factory.mktemp("run"), options, {"seed": 0, "commit": "abc"})


@pytest.fixture(scope="module")
def fp32(weights, tmp_path_factory):
    return export_model(weights, tmp_path_factory.mktemp("onnx") / "tiny.onnx")


def test_onnx_gives_the_logits_of_the_network(weights, fp32, faces):
    network, info = load_network(weights)
    ours = network_predictor(network, info)(faces.images)
    theirs = fp32.logits(faces.images)
    for name in ("fer2013", "ferplus"):
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-4)


def test_the_file_takes_any_number_of_faces(fp32, faces):
    one_by_one = np.concatenate([fp32.logits(faces.images[i : i + 1])["ferplus"] for i in range(5)])
    np.testing.assert_allclose(one_by_one, fp32.logits(faces.images[:5])["ferplus"], atol=1e-5)


def test_the_record_survives_and_nothing_of_this_machine_is_in_the_file(weights, fp32):
    _, info = load_network(weights)
    assert fp32.info.heads == info.heads
    assert fp32.info.provenance == {**info.provenance, "export": {"precision": "fp32"}}
    assert b"site-packages" not in fp32.path.read_bytes()
    assert str(weights.parent).encode() not in fp32.path.read_bytes()
    record = {p.key: p.value for p in onnx.load(fp32.path).metadata_props}[METADATA_KEY]
    assert json.loads(record)["format"] == 1


def test_with_data_temperatures_and_scores_are_of_the_validation_split(weights, faces, tmp_path):
    model = export_model(weights, tmp_path / "tiny.onnx", data=faces)
    temperatures = {head.name: head.temperature for head in model.info.heads}
    assert temperatures["fer2013"] != 1.0
    scores = next(iter(model.info.scores.values()))
    valid = faces.images[faces.rows("valid")]
    logits = predict_logits(model.logits, valid, model.info.input)["fer2013"]
    right = logits.argmax(axis=1) == faces.labels[faces.rows("valid")]
    assert scores["accuracy"] == pytest.approx(right.mean(), abs=1e-4)
    assert scores["n"] == len(valid)


def test_with_data_each_head_knows_when_it_is_unsure(weights, faces, tmp_path):
    model = export_model(weights, tmp_path / "tiny.onnx", data=faces)
    head = model.info.head("fer2013")
    note = model.info.scores[next(p for p in model.info.scores if "ferplus" not in p)]
    rows = faces.rows("valid")
    logits = predict_logits(model.logits, faces.images[rows], model.info.input)["fer2013"]
    powers = np.exp(logits.astype(float) / head.temperature)
    confidence = (powers / powers.sum(axis=1, keepdims=True)).max(axis=1)
    answers = logits.argmax(axis=1)
    is_answered = confidence >= np.array(head.unsure_below)[answers] - 1e-9
    right = logits.argmax(axis=1) == faces.labels[rows]
    below = dict(zip(head.labels, head.unsure_below, strict=True))
    assert note["unsure"]["below"] == pytest.approx(below, abs=1e-4)
    assert note["unsure"]["coverage"] == pytest.approx(is_answered.mean(), abs=1e-4)
    assert is_answered.mean() >= 0.8
    assert note["unsure"]["accuracy"] == pytest.approx(right[is_answered].mean(), abs=1e-4)
    assert note["risk_coverage"][0]["risk"] == pytest.approx(1 - right.mean(), abs=1e-4)


def test_without_data_no_head_is_ever_unsure(fp32):
    assert [head.unsure_below for head in fp32.info.heads] == [None, None]


def test_int8_is_smaller_answers_alike_and_says_so(weights, faces, tmp_path, monkeypatch):
    # An untrained network decides by hairs, so its answers flip more easily than a trained one's.
    monkeypatch.setattr(quantize, "MIN_AGREEMENT", 0.5)
    fp32 = export_model(weights, tmp_path / "fp32.onnx")
    int8 = export_model(weights, tmp_path / "int8.onnx", data=faces, int8=True)
    ours, theirs = (m.logits(faces.images)["ferplus"] for m in (fp32, int8))
    assert np.abs(ours - theirs).max() < 0.1 * np.abs(ours).max()
    note = int8.info.provenance["export"]
    assert note["precision"] == "int8"
    assert 0.5 <= note["same_answer_as_fp32"]["fer2013"] <= 1
    types = {node.op_type for node in onnx.load(int8.path).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= types


def test_files_say_that_their_sums_fit_and_both_paths_answer_alike(
    weights, faces, tmp_path, monkeypatch
):
    monkeypatch.setattr(quantize, "MIN_AGREEMENT", 0.0)
    files = [
        export_model(weights, tmp_path / "fp32.onnx"),
        export_model(weights, tmp_path / "int8.onnx", data=faces, int8=True),
    ]
    for file in files:
        notes = {entry.key: entry.value for entry in onnx.load(file.path).metadata_props}
        assert notes[session.SUMS_FIT_KEY] == "yes"
    inputs = {"inputs": to_inputs(faces.images, files[1].info.input)}
    quick, exact = (
        session._open(files[1].path, 1, exact=exact).run(None, inputs) for exact in (False, True)
    )
    for ours, theirs in zip(quick, exact, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("is_exact", [False, True])
def test_int8_opens_on_processors_with_and_without_vnni(
    weights, faces, tmp_path, monkeypatch, is_exact
):
    """A fresh network's BN factors and variances are equal, which the exact path once stumbled over."""
    monkeypatch.setattr("mien.session._may_overflow", lambda: is_exact)
    monkeypatch.setattr(quantize, "MIN_AGREEMENT", 0.0)
    model = export_model(weights, tmp_path / "tiny.onnx", data=faces, int8=True)
    assert model.logits(faces.images[:3])["ferplus"].shape == (3, 8)


@pytest.mark.parametrize(("verdicts", "num_exact"), [([0.995], 0), ([0.5, 0.995], 4)])
def test_the_first_block_stays_in_fp32_where_int8_does_not_agree_without(
    weights, faces, tmp_path, monkeypatch, verdicts, num_exact
):
    parities = iter([quantize.Parity({"fer2013": verdict}, 1) for verdict in verdicts])
    monkeypatch.setattr(quantize, "_compare", lambda *_: next(parities))
    model = export_model(weights, tmp_path / "int8.onnx", data=faces, int8=True)
    graph = onnx.load(model.path).graph
    rounded = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len([node for node in convolutions if node.input[1] not in rounded]) == num_exact
    note = model.info.provenance["export"]
    assert note["same_answer_as_fp32"] == {"fer2013": 0.995}
    assert note.get("first_block") == ("fp32" if num_exact else None)


def test_other_calibration_faces_are_tried_before_the_first_block_is_given_up(
    weights, faces, tmp_path, monkeypatch
):
    parities = iter([quantize.Parity({"fer2013": verdict}, 1) for verdict in (0.989, 0.991)])
    monkeypatch.setattr(quantize, "_compare", lambda *_: next(parities))
    monkeypatch.setattr(export, "NUM_CALIBRATION_FACES", 20)
    model = export_model(weights, tmp_path / "int8.onnx", data=faces, int8=True)
    note = model.info.provenance["export"]
    assert "first_block" not in note
    assert note["calibration_draw"] == 1
    draws = [export.training_faces(faces, model.info.input, draw) for draw in (0, 1, 1)]
    assert not np.array_equal(draws[0], draws[1])
    assert np.array_equal(draws[1], draws[2])


def test_int8_that_answers_differently_is_refused_and_not_written(
    weights, faces, tmp_path, monkeypatch
):
    monkeypatch.setattr(quantize, "MIN_AGREEMENT", 1.01)
    with pytest.raises(
        ModelFileError, match=r"int8 gives the same answer as fp32 to .*% of .* faces"
    ):
        export_model(weights, tmp_path / "int8.onnx", data=faces, int8=True)
    assert not list(tmp_path.iterdir())


def test_int8_without_faces_says_what_to_give(weights, tmp_path):
    with pytest.raises(DataError, match=r"int8 needs faces .* --calibrate PATH"):
        export_model(weights, tmp_path / "int8.onnx", int8=True)


@pytest.fixture
def folder_without_valid(faces):
    """Faces for training and testing, and a run's record that says a fifth of training was held out."""
    train_and_test = replace(faces, split=np.where(faces.split == 1, 2, faces.split))
    heads = [{"labels": "fer2013"}, {"labels": "ferplus"}]
    recipe = {"name": "tiny", "data": {"valid_fraction": 0.2}, "heads": heads}
    return train_and_test, {
        "seed": 3,
        "recipe": recipe,
        "data_hash": train_and_test.content_hash,
    }


def test_confidences_are_fitted_on_the_faces_that_the_run_held_out(
    folder_without_valid, save_tiny, tmp_path
):
    data, provenance = folder_without_valid
    weights = save_tiny(tmp_path, {"widths": (8, 16), "depths": (1, 1)}, provenance)
    model = export_model(weights, tmp_path / "tiny.onnx", data=data)
    assert all(head.temperature != 1 for head in model.info.heads)
    held_out = with_validation(data, 0.2, seed=3)
    assert model.info.scores["labels-valid"]["n"] == len(held_out.rows("valid"))


def test_held_out_faces_that_cannot_be_told_are_not_guessed(
    folder_without_valid, save_tiny, tmp_path
):
    data, provenance = folder_without_valid
    options = {"widths": (8, 16), "depths": (1, 1)}
    weights = save_tiny(tmp_path, options, {**provenance, "data_hash": "0" * 64})
    with pytest.raises(DataError, match="those that tiny held out cannot be told"):
        export_model(weights, tmp_path / "tiny.onnx", data=data)
    weights = save_tiny(tmp_path, options, {})
    with pytest.raises(DataError, match=r"no validation faces.* into valid/"):
        export_model(weights, tmp_path / "tiny.onnx", data=data)


def test_an_export_that_differs_from_its_network_is_refused(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "TOLERANCE", -1.0)
    with pytest.raises(ModelFileError, match=r"logits differ from the network's"):
        export_model(weights, tmp_path / "tiny.onnx")
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_leaves_no_half_file(fp32, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ModelFileError, match=r"cannot be written: No space left on device"):
        writing.write_model(onnx.load(fp32.path), fp32.info, tmp_path / "new.onnx")
    assert not list(tmp_path.iterdir())
