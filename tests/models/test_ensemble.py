import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from mien.errors import InputError, ModelFileError
from mien.labels import FER2013, FERPLUS
from mien.modelfile import Head, ModelInfo
from mien.models.ensemble import Ensemble, ensemble_info
from mien.models.weights import find_weights, load_network, save_network
from mien.models.zoo import build_network
from mien.preprocess import InputSpec

HEADS = (
    Head(name="fer2013", labels=FER2013.labels),
    Head(name="ferplus", labels=FERPLUS.labels, temperature=1.7),
)


def member(name="mlp", seed=0, heads=HEADS, size=24, **options):
    spec = InputSpec(size=size, mean=0.5 + 0.1 * seed, std=0.25 + 0.05 * seed)
    info = ModelInfo(
        name=f"{name}-{seed}",
        heads=heads,
        input=spec,
        architecture=name,
        options=options,
        provenance={"seed": seed, "data_hash": "d"},
    )
    total = sum(len(head.labels) for head in heads)
    return build_network(name, num_classes=total, seed=seed, **options).eval(), info


MEMBERS = (
    member("mlp", 0, width=8, input_size=24),
    member("mien_net", 1, widths=[4, 8], depths=[1, 1]),
)


def whole():
    networks, infos = zip(*MEMBERS, strict=True)
    sizes = [len(head.labels) for head in HEADS]
    return Ensemble(networks, sizes, [info.input for info in infos]).eval(), list(infos)


def test_probabilities_are_the_mean_of_the_members_whatever_their_normalisation():
    ensemble, infos = whole()
    pixels = torch.rand(5, 1, 24, 24, generator=torch.Generator().manual_seed(0))

    def probs(network, spec):
        with torch.no_grad():
            logits = network((pixels - spec.mean) / spec.std)
        return [nn.functional.softmax(part, dim=1) for part in logits.split([7, 8], dim=1)]

    ours = probs(ensemble, infos[0].input)
    theirs = [probs(network, info.input) for network, info in MEMBERS]
    for head in range(2):
        expected = (theirs[0][head] + theirs[1][head]) / 2
        torch.testing.assert_close(ours[head], expected)


def test_it_is_written_and_read_like_any_network(tmp_path):
    ensemble, infos = whole()
    info = ensemble_info("pair", infos)
    file = tmp_path / "pair.safetensors"
    save_network(file, ensemble, info)
    again, record = load_network(file)
    inputs = torch.randn(3, 1, 24, 24)
    with torch.no_grad():
        torch.testing.assert_close(again(inputs), ensemble(inputs), rtol=0, atol=0)
    assert record.architecture == "ensemble"
    assert [one["name"] for one in record.options["members"]] == ["mlp-0", "mien_net-1"]
    assert record.provenance["data_hash"] == "d"
    # Temperatures of single members say nothing about their mean.
    assert [head.temperature for head in record.heads] == [1, 1]


def test_a_member_that_collapsed_is_refused():
    (_, first), (_, second) = MEMBERS
    fallen = dataclasses.replace(second, provenance={"seed": 3, "collapsed": "fear"})
    with pytest.raises(
        InputError, match=r"'mien_net-1' \(seed 3\) collapsed: it answers fear to nearly"
    ):
        ensemble_info("pair", [first, fallen])


def test_members_that_answer_or_see_otherwise_are_refused():
    (_, first), (_, second) = MEMBERS
    with pytest.raises(InputError, match="two networks or more; got 1"):
        ensemble_info("one", [first])
    _, other = member(seed=2, heads=HEADS[:1], width=8, input_size=24)
    with pytest.raises(InputError, match="'mlp-2' and 'mlp-0' answer with other labels"):
        ensemble_info("mixed", [first, other])
    _, larger = member("mien_net", 3, size=48, widths=[4], depths=[1])
    with pytest.raises(InputError, match="'mien_net-3' takes 48 px grey and 'mlp-0' 24 px grey"):
        ensemble_info("mixed", [first, larger])
    with pytest.raises(InputError, match="'pair' is an ensemble itself"):
        ensemble_info("nested", [ensemble_info("pair", [first, second]), first])


def test_a_garbled_record_is_refused(tmp_path):
    ensemble, infos = whole()
    info = ensemble_info("pair", infos)
    listed = {"architecture": "mlp", "options": [1], "mean": 0.5, "std": 0.5}
    nameless = {"architecture": [], "options": {}, "mean": 0.5, "std": 0.5}
    for members, message in (
        ([], "names no members"),
        ([{"options": {}}], "is not whole"),
        ([listed], "is not whole"),
        ([nameless], "is not whole"),
    ):
        broken = ModelInfo(
            name="pair",
            heads=info.heads,
            input=info.input,
            architecture="ensemble",
            options={"members": members},
        )
        file = tmp_path / "broken.safetensors"
        save_network(file, ensemble, broken)
        with pytest.raises(ModelFileError, match=message):
            load_network(file)


def test_weights_are_found_by_folder_file_and_shipped_name(tmp_path, monkeypatch):
    ensemble, infos = whole()
    file = tmp_path / "weights.safetensors"
    save_network(file, ensemble, ensemble_info("pair", infos))
    assert find_weights(str(tmp_path)) == find_weights(str(file)) == file
    monkeypatch.setattr("mien.models.weights.weights_dir", lambda: tmp_path)
    assert find_weights("weights") == file
    with pytest.raises(ModelFileError, match=r"no trainable weights at mien-xl\. .*: weights\."):
        find_weights("mien-xl")


def test_its_predictor_gives_each_heads_log_probabilities():
    from mien.models.predict import network_predictor

    ensemble, infos = whole()
    faces = np.random.default_rng(0).integers(0, 256, (4, 24, 24), np.uint8)
    logits = network_predictor(ensemble, ensemble_info("pair", infos))(faces)
    assert {name: array.shape for name, array in logits.items()} == {
        "fer2013": (4, 7),
        "ferplus": (4, 8),
    }
    for array in logits.values():
        np.testing.assert_allclose(np.exp(array).sum(axis=1), 1, rtol=1e-5)
