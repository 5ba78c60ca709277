"""How frequent labels were in training."""

import dataclasses
import logging

import numpy as np
import pytest

from mien.data.dataset import Dataset
from mien.exporting.priors import with_priors
from mien.labels import FER2013, FERPLUS
from mien.modelfile import load_model
from mien.recipe import recipe_from_dict

RECIPE = {
    "name": "x",
    "data": {"drop_not_face": 5, "drop_blank": False},
    "model": {"name": "mien_net"},
    "heads": [
        {"labels": "fer2013"},
        {"labels": "ferplus", "mode": "shares", "min_votes": 3},
    ],
}


@pytest.fixture
def data():
    """Twenty training faces: fourteen of them one of each label, the rest happy; the last was voted not a face."""
    labels = np.append(np.tile(np.arange(7), 2), np.full(6, 3))
    votes = np.zeros((20, 10), np.uint8)
    votes[:, np.arange(8)] = 1  # one vote for each expression, two more for happiness
    votes[:, 1] += 2
    votes[-1, -1] = 9
    images = np.random.default_rng(0).integers(0, 256, (20, 48, 48), dtype=np.uint8)
    return Dataset(
        images=np.concatenate([images, images[:4]]),
        labels=np.append(labels, labels[:4]).astype(np.int64),
        label_names=FER2013.labels,
        split=np.repeat([0, 1], [20, 4]).astype(np.uint8),
        votes=np.concatenate([votes, votes[:4]]),
    )


@pytest.fixture
def info(tiny_model_path, data):
    recipe = recipe_from_dict(RECIPE, "here").as_dict()
    return dataclasses.replace(
        load_model(tiny_model_path).info,
        provenance={"recipe": recipe, "data_hash": data.content_hash},
    )


def test_the_frequencies_are_those_of_the_faces_that_were_trained_on(info, data):
    heads = {head.name: head for head in with_priors(info, data).heads}
    # Nineteen faces without the one that is none: two of each label and five more happy ones.
    expected = np.where(np.array(FER2013.labels) == "happy", 7, 2) / 19
    np.testing.assert_allclose(heads["fer2013"].prior, expected, atol=1e-6)
    shares = np.where(np.array(FERPLUS.labels) == "happiness", 3, 1) / 10
    np.testing.assert_allclose(heads["ferplus"].prior, shares, atol=1e-6)


def test_other_data_than_that_of_the_training_says_nothing(info, data, caplog):
    other = dataclasses.replace(data, images=255 - data.images)
    with caplog.at_level(logging.WARNING):
        assert with_priors(info, other) == info
    assert "was trained on other data than was given" in caplog.text


def test_a_record_without_a_recipe_says_nothing(info, data, caplog):
    bare = dataclasses.replace(info, provenance={})
    with caplog.at_level(logging.WARNING):
        assert with_priors(bare, data) == bare
    assert "has no recipe in its record" in caplog.text


def test_a_label_that_never_occurred_leaves_its_head_as_it_is(info, data, caplog):
    kept = data.take(np.flatnonzero(data.labels != 1))  # without disgust
    info = dataclasses.replace(info, provenance={**info.provenance, "data_hash": kept.content_hash})
    with caplog.at_level(logging.WARNING):
        seven, eight = with_priors(info, kept).heads
    assert seven.prior is None
    assert eight.prior is not None
    assert "Of the head fer2013 some label never occurred" in caplog.text
