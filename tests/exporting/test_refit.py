"""The last layer fitted again, in weights and in model files."""

import copy
import dataclasses

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import helper, numpy_helper
from torch import nn

from mien.data.synthetic import draw_faces
from mien.errors import ConfigError, DataError, InputError, ModelFileError
from mien.evaluation.protocols import protocols
from mien.exporting.export import export_model
from mien.exporting.fits import class_offsets, new_weights
from mien.exporting.last_layer import FileLayer, NetworkLayer
from mien.exporting.onnx import write_model
from mien.exporting.refit import (
    PENALTY,
    RefitOptions,
    refit,
    refit_model,
    refit_weights,
)
from mien.labels import FER2013
from mien.modelfile import ENSEMBLE, Head, ModelInfo, load_model
from mien.models.ensemble import Ensemble, ensemble_info
from mien.models.weights import load_network, save_network
from mien.preprocess import InputSpec
from mien.recipe import recipe_from_dict

OPTIONS = {"widths": (8, 16), "depths": (1, 1)}


@pytest.fixture(scope="module")
def data():
    return draw_faces(1200, seed=0, size=24)


@pytest.fixture(scope="module")
def run(tmp_path_factory, save_tiny):
    return save_tiny(tmp_path_factory.mktemp("run"), OPTIONS, {"seed": 0})


@pytest.fixture(scope="module")
def model(tmp_path_factory, run):
    return export_model(run, tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture
def faces(data):
    return data.images[:40]


def logits_of(model, faces):
    answers = model.logits(faces)
    return np.concatenate([answers[head.name] for head in model.info.heads], axis=1)


def is_rounding(node):
    return node.op_type in ("QuantizeLinear", "DequantizeLinear")


def test_a_refitted_head_answers_better_and_the_other_as_before(model, data, faces, tmp_path):
    again, gains = refit_model(
        model, tmp_path / "again.onnx", data, options=RefitOptions(heads=("fer2013",)), name="again"
    )
    (gain,) = gains
    assert gain.head == "fer2013"
    assert gain.num_train == len(data.rows("train"))
    # An untrained network's features tell drawn expressions apart all the same; its own last layer does not.
    assert gain.before < 0.3
    assert gain.refitted > gain.before + 0.2
    assert gain.on_others > gain.before + 0.1
    ours, theirs = again.logits(faces), model.logits(faces)
    np.testing.assert_allclose(ours["ferplus"], theirs["ferplus"], atol=1e-6)
    assert np.abs(ours["fer2013"] - theirs["fer2013"]).max() > 0.1
    assert again.info.name == "again"
    assert again.info.provenance["refit"] == {
        "fer2013": {
            "penalty": PENALTY,
            "num_train": gain.num_train,
            "num_valid": gain.num_valid,
        }
    }
    # Calibrated and scored anew, on the file that is written.
    assert again.info.head("fer2013").unsure_below is not None
    assert again.info.scores["labels-valid"]["n"] == gain.num_valid


def test_weights_and_model_file_come_out_alike(run, model, data, faces, tmp_path):
    info, gains = refit_weights(run, tmp_path / "again.safetensors", data)
    again, file_gains = refit_model(model, tmp_path / "again.onnx", data)
    for gain, file_gain in zip(gains, file_gains, strict=True):
        assert gain.refitted == pytest.approx(file_gain.refitted, abs=0.02)
    network, read = load_network(tmp_path / "again.safetensors")
    assert read.provenance["refit"] == info.provenance["refit"]
    layer = NetworkLayer(network, read)
    ours = layer.features(faces) @ layer.weight.T + layer.bias
    assert np.abs(ours - logits_of(again, faces)).max() < 0.05
    assert refit_weights(run, tmp_path / "half.safetensors", data, half=True)
    whole, half = ((tmp_path / f"{n}.safetensors").stat().st_size for n in ("again", "half"))
    assert half < whole


def test_a_layer_gives_the_logits_of_its_features(run, model, faces):
    network, info = load_network(run)
    for layer in (NetworkLayer(network, info), FileLayer(model)):
        features = layer.features(faces)
        assert features.shape == (40, 16)
        np.testing.assert_allclose(
            features @ layer.weight.T + layer.bias, logits_of(model, faces), atol=1e-4
        )


def test_refitting_again_begins_where_it_ended(run, data):
    network, info = load_network(run)
    layer = NetworkLayer(network, info)
    info, first = refit(layer, info, data)
    info, second = refit(NetworkLayer(network, info), info, data, options=RefitOptions(penalty=1e6))
    for before, after in zip(first, second, strict=True):
        assert after.before == pytest.approx(before.after, abs=0.01)
        assert after.after == pytest.approx(before.after, abs=0.02)


def test_new_weights_are_where_the_loss_is_lowest():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(300, 5, generator=generator) * torch.tensor([1, 10, 0.1, 3, 1]) + 2
    labels = (features[:, 0] + features[:, 1] / 10 > 2.5).long() + (features[:, 3] > 3).long()
    weight, bias = torch.randn(3, 5, generator=generator), torch.zeros(3)
    new_weight, new_bias = new_weights(features, labels, weight, bias, 0.01)

    def loss(weight_now, bias_now):
        moved = (weight_now - weight) * features.std(dim=0)
        fitted = F.cross_entropy(features @ weight_now.T + bias_now, labels)
        # Where the features are at their mean.
        added = bias_now - bias + (weight_now - weight) @ features.mean(dim=0)
        return fitted + 0.01 * moved.square().sum() + added.square().sum() / (2 * len(labels))

    lowest = loss(new_weight, new_bias)
    assert lowest < loss(weight, bias) - 0.1
    for _ in range(20):
        aside = 0.01 * torch.randn(3, 5, generator=generator) / features.std(dim=0)
        assert loss(new_weight + aside, new_bias) > lowest
        assert (
            loss(new_weight, new_bias + 0.01 * torch.randn(3, generator=generator)) > lowest - 1e-6
        )


def test_a_large_penalty_leaves_the_weights_where_they_were():
    features, weight = torch.randn(100, 4), torch.randn(3, 4)
    new_weight, _ = new_weights(features, torch.arange(100) % 3, weight, torch.zeros(3), 1e6)
    torch.testing.assert_close(new_weight, weight, atol=1e-4, rtol=0)


def test_offsets_are_what_was_taken_away():
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(20_000, 3, generator=generator)
    hidden = torch.tensor([0.6, -0.2, -0.4])
    labels = torch.distributions.Categorical(logits=1.5 * logits + hidden)
    torch.manual_seed(0)
    factor, offsets = class_offsets(torch.cat([logits, logits]), labels.sample())
    assert factor == pytest.approx(1.5, abs=0.05)
    torch.testing.assert_close(offsets - offsets.mean(), hidden, atol=0.06, rtol=0)


def test_a_class_without_faces_keeps_its_place_among_the_others():
    """Without the prior its offset would run away, and no such face ever be named."""
    logits = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    _, offsets = class_offsets(torch.cat([logits, logits]), logits[:, :2].argmax(dim=1))
    assert offsets[2] > -6


def test_logits_that_a_file_rounds_are_let_through(model, faces, tmp_path):
    rounded = load_model(with_rounded_logits(model, tmp_path / "rounded.onnx"))
    assert len(np.unique(logits_of(rounded, faces))) < 60
    layer = FileLayer(rounded)
    write_model(layer.graph, rounded.info, tmp_path / "through.onnx")
    through = load_model(tmp_path / "through.onnx")
    np.testing.assert_allclose(logits_of(through, faces), logits_of(model, faces), atol=1e-5)
    assert not any(is_rounding(node) for node in layer.graph.graph.node)
    stored = {one.name for one in layer.graph.graph.initializer}
    assert not {"grid", "zero"} & stored
    onnx.checker.check_model(layer.graph)


def with_rounded_logits(model, path):
    """Round before and after the split into heads, as quantisation did."""
    graph = onnx.load(model.path)
    nodes = graph.graph.node
    split = next(node for node in nodes if node.op_type == "Split")
    graph.graph.initializer.extend(
        [
            numpy_helper.from_array(np.float32(0.5), "grid"),
            numpy_helper.from_array(np.uint8(128), "zero"),
        ]
    )

    def rounding(source, target):
        middle = f"{target}_in_bits"
        return [
            helper.make_node("QuantizeLinear", [source, "grid", "zero"], [middle]),
            helper.make_node("DequantizeLinear", [middle, "grid", "zero"], [target]),
        ]

    before = rounding(split.input[0], "all_rounded")
    split.input[0] = "all_rounded"
    after = []
    for place, head in enumerate(list(split.output)):
        split.output[place] = f"{head}_exact"
        after += rounding(f"{head}_exact", head)
    place = list(nodes).index(split)
    for node in reversed(before):
        nodes.insert(place, node)
    nodes.extend(after)
    write_model(graph, model.info, path)
    return path


@pytest.mark.slow
def test_int8_does_not_round_its_logits(run, tmp_path):
    model = export_model(
        run, tmp_path / "int8.onnx", data=draw_faces(300, seed=1, size=24), int8=True
    )
    graph = onnx.load(model.path).graph
    heads = {head.name for head in model.info.heads}
    (last,) = [node for node in graph.node if heads & set(node.output)]
    assert last.op_type == "Split"
    (before,) = [node for node in graph.node if last.input[0] in node.output]
    assert before.op_type == "Gemm"


def test_frequencies_are_those_of_the_labels_that_it_was_fitted_on(model, data, tmp_path):
    heads = [{"labels": "fer2013"}, {"labels": "ferplus", "mode": "shares"}]
    recipe = {"name": "x", "model": {"name": "mien_net"}, "heads": heads}
    provenance = {
        "recipe": recipe_from_dict(recipe, "here").as_dict(),
        "data_hash": data.content_hash,
    }
    info = dataclasses.replace(model.info, provenance=provenance)
    write_model(onnx.load(model.path), info, tmp_path / "tiny.onnx")
    again, _ = refit_model(load_model(tmp_path / "tiny.onnx"), tmp_path / "again.onnx", data)
    found = {one.head: one for one in protocols(info.heads, data, "train")}
    assert again.info.provenance["refit"].keys() == found.keys()
    for head in again.info.heads:
        counts = np.bincount(found[head.name].targets, minlength=len(head.labels))
        assert (counts > 0).all()
        np.testing.assert_allclose(head.prior, counts / counts.sum(), atol=1e-5)


@pytest.mark.parametrize("penalty", [0, -1, float("nan"), float("inf"), 1e30])
def test_a_penalty_is_positive_and_finite(penalty):
    with pytest.raises(ConfigError, match="expected more than 0"):
        RefitOptions(penalty=penalty)


def test_a_head_that_is_not_there_is_named(run, data):
    network, info = load_network(run)
    with pytest.raises(InputError, match="no labels 'ferplsu'"):
        refit(NetworkLayer(network, info), info, data, options=RefitOptions(heads=("ferplsu",)))


def test_a_head_that_the_data_says_nothing_about_is_refused(run, data):
    network, info = load_network(run)
    plain = dataclasses.replace(data, votes=None, label_names=FER2013.labels)
    with pytest.raises(ConfigError, match="how good the head 'ferplus' is, only fer2013"):
        refit(NetworkLayer(network, info), info, plain, options=RefitOptions(heads=("ferplus",)))


def info_of(name="odd", architecture="mlp"):
    heads = (Head(name="fer2013", labels=FER2013.labels),)
    return ModelInfo(name=name, heads=heads, input=InputSpec(size=24), architecture=architecture)


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Flatten(), nn.Linear(576, 7), nn.Tanh()),  # something follows
        nn.Sequential(nn.Flatten(), nn.Linear(576, 7, bias=False)),
        nn.Sequential(nn.Conv2d(1, 7, 24), nn.Flatten()),
    ],
)
def test_a_network_without_such_a_layer_is_refused(network):
    with pytest.raises(
        ModelFileError, match=r"odd .* does not end in one linear layer with offsets"
    ):
        NetworkLayer(network, info_of())


def test_an_ensemble_in_one_file_is_refused(run, tmp_path):
    """Its last linear layer is that of a member, of the right size."""
    network, info = load_network(run)
    sizes = [len(head.labels) for head in info.heads]
    whole = Ensemble([network, copy.deepcopy(network)], sizes, [info.input] * 2)
    both = ensemble_info("both", [info, info])
    save_network(tmp_path / "both.safetensors", whole, both)
    model = export_model(tmp_path / "both.safetensors", tmp_path / "both.onnx")
    with pytest.raises(ModelFileError, match=r"both .* does not end in one linear layer"):
        FileLayer(model)


def test_an_ensemble_has_no_last_layer(model, tmp_path):
    graph = onnx.load(model.path)
    for node in graph.graph.node:
        if node.op_type == "Gemm":
            node.op_type = "MatMul"
            del node.input[2:], node.attribute[:]
    info = dataclasses.replace(model.info, architecture=ENSEMBLE)
    with pytest.raises(ModelFileError, match="does not end in one linear layer"):
        FileLayer(Standing(graph, info, tmp_path / "x.onnx"))


class Standing:
    """A file and its record, for a graph that ONNX Runtime would not open."""

    def __init__(self, graph, info, path):
        path.write_bytes(graph.SerializeToString())
        self.info, self.path = info, path


def test_a_run_that_held_out_its_validation_is_refused(run, data):
    network, info = load_network(run)
    provenance = {"recipe": {"data": {"valid_fraction": 0.2}}}
    info = dataclasses.replace(info, provenance=provenance)
    with pytest.raises(ConfigError, match="held out its validation faces"):
        refit(NetworkLayer(network, info), info, data)


def test_data_without_validation_faces_is_refused(run, data):
    network, info = load_network(run)
    with pytest.raises(DataError, match="no validation split, on which offsets are fitted"):
        refit(NetworkLayer(network, info), info, data.take(data.rows("train")))


def test_other_data_is_refused(run, data):
    network, info = load_network(run)
    info = dataclasses.replace(info, provenance={"data_hash": "0" * 64})
    with pytest.raises(DataError, match="was trained on other data"):
        refit(NetworkLayer(network, info), info, data)


def test_a_verdict_on_the_layer_of_before_is_dropped(run, data):
    network, info = load_network(run)
    before = {"collapsed": "fear", "valid_accuracy": 0.2, "seed": 3}
    info = dataclasses.replace(info, provenance=before)
    info, _ = refit(NetworkLayer(network, info), info, data)
    assert info.provenance.keys() == {"seed", "refit"}


def test_labels_without_faces_are_told(run, data, caplog):
    network, info = load_network(run)
    absent = [FER2013.labels.index(name) for name in ("fear", "sad")]
    gone = np.isin(data.labels, absent) & (data.split == 0)
    data = data.take(np.flatnonzero(~gone))
    refit(NetworkLayer(network, info), info, data, options=RefitOptions(heads=("fer2013",)))
    assert caplog.messages == [
        "No training face is labelled fear or sad, so the head fer2013 will hardly answer that any more."
    ]


def test_features_that_are_no_numbers_are_refused(run, data):
    network, info = load_network(run)
    next(network.parameters()).data.fill_(float("nan"))
    with pytest.raises(ModelFileError, match="NaN or infinity for some faces"):
        refit(NetworkLayer(network, info), info, data)
