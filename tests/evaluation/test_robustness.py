"""What is lost on worse pictures, with a network whose answers follow the light."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mien.data.dataset import Dataset
from mien.errors import DataError, TrainingError
from mien.evaluation.corruptions import CORRUPTIONS
from mien.evaluation.robustness import NUM_PASSES, robustness, robustness_row, worst_middle
from mien.labels import FER2013, FERPLUS
from mien.modelfile import Head, ModelInfo
from mien.preprocess import InputSpec

INFO = ModelInfo(
    name="light",
    heads=(Head(name="light", labels=("dark", "bright")),),
    input=InputSpec(size=16),
    architecture="none",
)


def says_bright_above_100(faces):
    mean = faces.mean(axis=(1, 2))
    return {"light": np.stack([100 - mean, mean - 100], axis=1).astype(np.float32)}


@pytest.fixture(scope="module")
def data():
    """40 training and 40 validation faces, half of them of grey 60, half of 150, labelled so."""
    labels = np.arange(80) % 2
    images = np.where(labels, 150, 60)[:, None, None] * np.ones((1, 16, 16))
    return Dataset(
        images=images.astype(np.uint8),
        labels=labels.astype(np.int64),
        label_names=("dark", "bright"),
        split=np.repeat([0, 1], 40).astype(np.uint8),
    )


@pytest.fixture(scope="module")
def scores(data):
    return robustness(says_bright_above_100, INFO, data)


def test_a_drop_is_the_accuracy_lost_on_the_same_faces(scores):
    by_name = {(score.corruption, score.level): score for score in scores}
    # Half the light: 150 becomes 75, and every bright face is called dark; the dark ones stay right.
    darker = by_name["darker", 1]
    assert (darker.n, darker.clean, darker.accuracy.value, darker.drop.value) == (40, 1.0, 0.5, 0.5)
    assert 0.3 < darker.drop.low < 0.5 < darker.drop.high < 0.7
    assert by_name["darker", 0].drop.value == 0  # 105 is above 100 still
    assert by_name["brighter", 1].drop.value == 0  # 90 is below
    assert by_name["brighter", 2].drop.value == 0.5
    assert by_name["jpeg", 2].drop.value == by_name["blurred", 2].drop.value == 0
    assert len(scores) == 3 * len(CORRUPTIONS)


def test_the_drop_can_be_a_gain(data):
    def says_bright_above_160(faces):
        mean = faces.mean(axis=(1, 2))
        return {"light": np.stack([160 - mean, mean - 160], axis=1).astype(np.float32)}

    scores = robustness(says_bright_above_160, INFO, data)
    brighter = next(s for s in scores if (s.corruption, s.level) == ("brighter", 0))
    assert (brighter.clean, brighter.accuracy.value, brighter.drop.value) == (0.5, 1.0, -0.5)


def test_a_face_meets_the_same_luck_whatever_heads_a_network_has():
    """A network with both heads sees all faces, one that knows FER+ alone those with a majority."""
    rng = np.random.default_rng(0)
    votes = np.zeros((40, 10), np.uint8)
    votes[:, :2] = np.where(rng.random((40, 1)) < 0.5, [5, 5], [9, 1])  # half have no majority
    data = Dataset(
        images=rng.integers(0, 256, (40, 16, 16), np.uint8),
        labels=np.arange(40) % 7,
        label_names=FER2013.labels,
        split=np.ones(40, np.uint8),
        votes=votes,
    )
    heads = (Head(name="seven", labels=FER2013.labels), Head(name="eight", labels=FERPLUS.labels))

    def dark_or_not(faces):
        light = faces.mean(axis=(1, 2))  # what covers a face has a tone of its own
        eight = np.eye(8, dtype=np.float32)[(light > 127.5).astype(int)]
        return {"seven": eight[:, :7], "eight": eight}

    both = robustness(dark_or_not, replace(INFO, heads=heads), data)
    one = robustness(dark_or_not, replace(INFO, heads=heads[1:]), data)
    assert one == tuple(score for score in both if score.protocol == one[0].protocol)


def test_a_network_that_breaks_on_worse_faces_alone_has_no_score(data):
    def divides_by_light(faces):
        light = faces.mean(axis=(1, 2))
        logits = says_bright_above_100(faces)["light"]
        return {"light": np.where(light[:, None] < 50, np.float32("nan"), logits)}

    with pytest.raises(TrainingError, match="NaN or infinity for 20 of 40 faces"):
        robustness(divides_by_light, INFO, data)


def test_the_worst_is_sought_at_the_middle_level(scores):
    worst = worst_middle(scores)
    assert (worst.corruption, worst.level) == ("darker", 1)


def test_batches_change_nothing_and_every_pass_is_reported(data, scores):
    done = []
    again = robustness(says_bright_above_100, INFO, data, batch_size=7, on_batch=done.append)
    assert again == scores
    assert sum(done) == NUM_PASSES * 40


def test_the_row_is_json_and_says_what_it_is_of(data, scores):
    row = robustness_row(
        scores,
        {"name": "light", "sha256": "0"},
        data,
        split="valid",
        views="none",
        seed=0,
        command="mien robustness light",
    )
    read = json.loads(json.dumps(row, allow_nan=False))
    assert read["data"] == {
        "hash": data.content_hash,
        "layout": "memory",
        "split": "valid",
        "n": 40,
    }
    assert read["clean"] == 1.0
    assert read["corruptions"][1]["what"] == "light × 0.5"
    assert read["corruptions"][1]["drop"]["value"] == 0.5


def test_data_without_validation_faces_is_named(data):
    with pytest.raises(DataError, match="This data has no valid split"):
        robustness(says_bright_above_100, INFO, data.take(np.arange(40)))
