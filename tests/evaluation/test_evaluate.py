"""Canaries: what must hold of every evaluation, whatever the network."""

from dataclasses import replace

import numpy as np
import pytest

from mien.data.dataset import Dataset
from mien.errors import DataError, InputError, TrainingError
from mien.evaluation.evaluate import evaluate, predict_logits, sample
from mien.labels import FER2013, FERPLUS
from mien.modelfile import Head, ModelInfo
from mien.preprocess import InputSpec

SIZE = 12


def record(*heads, size=SIZE, channels=1):
    return ModelInfo(
        name="templates",
        heads=heads,
        input=InputSpec(size=size, channels=channels),
        architecture="none",
    )


SEVEN = Head(name="fer2013", labels=FER2013.labels, temperature=2.0)
EIGHT = Head(name="ferplus", labels=FERPLUS.labels)
INFO = record(SEVEN)
TEMPLATES = np.random.default_rng(7).integers(0, 256, (7, SIZE, SIZE)).astype(np.float32)


@pytest.fixture
def data():
    """Noisy copies of one template a class, 280 to train and 140 to validate on."""
    rng = np.random.default_rng(0)
    labels = np.arange(420) % 7
    noisy = TEMPLATES[labels] + rng.normal(0, 250, (420, SIZE, SIZE))
    return Dataset(
        images=np.clip(noisy, 0, 255).astype(np.uint8),
        labels=labels,
        label_names=FER2013.labels,
        split=np.repeat(np.array([0, 1], np.uint8), [280, 140]),
    )


def nearest_template(faces):
    """Logits that grow with the likeness to each class's template."""
    flat = faces.reshape(len(faces), -1).astype(np.float32) - 127.5
    return {"fer2013": (flat @ (TEMPLATES.reshape(7, -1) - 127.5).T / 4e5).astype(np.float32)}


def constant(faces):
    return {"fer2013": np.tile(np.float32([0, 0, 0, 1, 0, 0, 0]), (len(faces), 1))}


def test_scores_are_those_of_the_answers_counted_by_hand(data):
    (result,) = evaluate(nearest_template, INFO, data, "valid")
    truth = data.labels[280:]
    hits = (nearest_template(data.images[280:])["fer2013"].argmax(axis=1) == truth).mean()
    assert 0.5 < hits < 1
    estimate = result.scores.rates["accuracy"]
    assert estimate.value == pytest.approx(hits)
    assert estimate.low < hits < estimate.high
    assert result.scores.n == 140
    assert result.rows.tolist() == list(range(280, 420))
    assert result.scores.confusion.sum(axis=1).tolist() == [20] * 7
    assert result.data == {"hash": data.content_hash, "layout": "memory"}
    np.testing.assert_allclose(result.probs.sum(axis=1), 1)


def test_the_score_does_not_depend_on_the_batch_size(data):
    once, alone = (
        evaluate(nearest_template, INFO, data, "valid", batch_size=size)[0] for size in (140, 1)
    )
    np.testing.assert_allclose(once.logits, alone.logits, rtol=1e-5, atol=1e-6)
    assert (once.scores.confusion == alone.scores.confusion).all()
    assert once.scores.calibrated.ece == pytest.approx(alone.scores.calibrated.ece)


def test_the_score_does_not_depend_on_the_order_of_rows(data):
    shuffled = data.take(np.random.default_rng(1).permutation(len(data)))
    one, two = (
        evaluate(nearest_template, INFO, d, "valid", batch_size=32)[0].scores.as_dict()
        for d in (data, shuffled)
    )
    assert one["confusion"] == two["confusion"]
    assert one["accuracy"] == two["accuracy"]
    assert one["calibrated"]["ece"] == pytest.approx(two["calibrated"]["ece"])
    assert one["calibrated"]["aurc"] == pytest.approx(two["calibrated"]["aurc"])


def test_a_constant_predictor_is_reported_as_collapsed(data):
    (result,) = evaluate(constant, INFO, data, "valid")
    assert result.scores.collapsed == "happy"
    assert evaluate(nearest_template, INFO, data, "valid")[0].scores.collapsed is None


def test_one_answer_is_no_collapse_where_there_is_one_class(data):
    happy = data.take(np.flatnonzero(data.labels == 3))
    assert evaluate(constant, INFO, happy, "valid")[0].scores.collapsed is None


def test_shuffled_labels_score_at_chance(data):
    rng = np.random.default_rng(2)
    shuffled = replace(data, labels=rng.permutation(data.labels))
    (result,) = evaluate(nearest_template, INFO, shuffled, "valid")
    assert result.scores.rates["accuracy"].value == pytest.approx(1 / 7, abs=0.09)
    assert (
        result.scores.rates["balanced_accuracy"].low
        < 1 / 7
        < result.scores.rates["balanced_accuracy"].high
    )


def test_flips_are_those_averaged_by_hand(data):
    (result,) = evaluate(nearest_template, INFO, data, "valid", views="flip")
    faces = data.images[280:]
    by_hand = (
        nearest_template(faces)["fer2013"] + nearest_template(faces[:, :, ::-1])["fer2013"]
    ) / 2
    np.testing.assert_allclose(result.logits, by_hand, rtol=1e-5, atol=1e-6)
    assert result.views == "flip"


def test_the_clean_score_leaves_copies_of_training_out(data):
    data.images[280:290] = data.images[
        0:10
    ]  # rows 280… and 0… share their class: 280 is a multiple of 7
    (result,) = evaluate(nearest_template, INFO, data, "valid")
    rest = data.take(np.r_[290:420])
    (clean,) = evaluate(nearest_template, INFO, rest, "valid")
    assert result.scores.clean_n == 130
    assert result.scores.clean["accuracy"] == clean.scores.rates["accuracy"]
    assert clean.scores.clean is None  # no training pictures to compare with


def test_two_heads_give_two_protocols(data):
    votes = np.zeros((420, 10), np.uint8)
    votes[:, 1] = np.where(np.arange(420) % 2, 10, 4)  # happiness wins every second row
    votes[:, 0] = np.where(np.arange(420) % 2, 0, 4)

    def predict(faces):
        happy = np.tile(np.log(np.float32([1, 9, 1, 1, 1, 1, 1, 1])), (len(faces), 1))
        return {**nearest_template(faces), "ferplus": happy}

    seven, eight = evaluate(predict, record(SEVEN, EIGHT), replace(data, votes=votes), "valid")
    assert (seven.protocol, eight.protocol) == ("labels-valid", "ferplus-majority-valid")
    assert seven.scores.votes is None
    assert eight.scores.n == 70
    assert eight.scores.rates["accuracy"].value == 1
    assert eight.scores.votes.mean_vote_share == 1
    assert eight.scores.votes.kl_divergence == pytest.approx(-np.log(9 / 16))


def test_calibration_uses_the_temperature_of_the_record(data):
    (result,) = evaluate(nearest_template, INFO, data, "valid")
    assert result.scores.uncalibrated.temperature == 1
    assert result.scores.calibrated.temperature == 2
    (plain,) = evaluate(nearest_template, record(replace(SEVEN, temperature=1.0)), data, "valid")
    assert plain.scores.calibrated == result.scores.uncalibrated


def test_slices_cover_the_pictures_and_name_the_weakest(data):
    faces = data.images[280:]
    # Every second face is dark and flat, and its template harder to see.
    faces[::2] = 10 + faces[::2] // 4
    (result,) = evaluate(nearest_template, INFO, data, "valid")
    brightness, contrast, sharpness = result.slices
    assert [group.name for group in brightness.groups] == ["dark", "middle", "bright"]
    assert sum(group.n for group in brightness.groups) == 140
    assert {contrast.name, sharpness.name} == {"contrast", "sharpness"}
    dark = faces.mean(axis=(1, 2)) <= np.quantile(faces.mean(axis=(1, 2), dtype=np.float32), 1 / 3)
    right = result.predictions == result.targets
    assert brightness.groups[0].accuracy.value == pytest.approx(right[dark].mean())


def test_faces_are_fitted_to_the_network(data):
    seen = []

    def predict(faces):
        seen.append(faces.shape)
        return constant(faces)

    evaluate(predict, record(SEVEN, size=16, channels=3), data, "valid", batch_size=100)
    assert seen == [(100, 16, 16, 3), (40, 16, 16, 3)]


def test_progress_counts_faces(data):
    done = []
    evaluate(constant, INFO, data, "valid", batch_size=64, on_batch=done.append)
    assert done == [64, 64, 12]


def test_a_sample_thins_one_split_only(data):
    thin = sample(data, "valid", 30, np.random.default_rng(0))
    assert (len(thin.rows("train")), len(thin.rows("valid"))) == (280, 30)
    assert len(sample(data, "valid", 1000, np.random.default_rng(0))) == 420
    with pytest.raises(InputError, match="A sample of 0 pictures was asked for"):
        sample(data, "valid", 0, np.random.default_rng(0))


def test_answers_that_are_no_numbers_are_refused(data):
    def broken(faces):
        logits = constant(faces)["fer2013"]
        logits[3:5, 0] = np.nan
        return {"fer2013": logits}

    with pytest.raises(
        TrainingError, match=r"NaN or infinity for 2 of 140 faces \(first in row 283\).*diverged"
    ):
        evaluate(broken, INFO, data, "valid")


def test_answers_that_break_the_record_are_refused(data):
    with pytest.raises(InputError, match="gives other; its record promises a head 'fer2013'"):
        evaluate(lambda faces: {"other": constant(faces)["fer2013"]}, INFO, data, "valid")
    with pytest.raises(InputError, match=r"gave \(140, 2\) logits for 140 faces and 7 labels"):
        evaluate(
            lambda faces: {"fer2013": np.zeros((len(faces), 2), np.float32)}, INFO, data, "valid"
        )


def test_impossible_requests_are_refused(data):
    with pytest.raises(InputError, match="140 faces in batches of 0"):
        evaluate(constant, INFO, data, "valid", batch_size=0)
    with pytest.raises(DataError, match="This data has no test split; it has train, valid"):
        evaluate(constant, INFO, data, "test")
    with pytest.raises(InputError, match="0 faces in batches of 256"):
        predict_logits(constant, data.images[:0], INFO.input)


@pytest.mark.slow
@pytest.mark.realdata
def test_the_nearest_training_picture_scores_what_it_should(fer2013_path):
    from mien.data.catalog import open_dataset

    data = open_dataset(fer2013_path)
    rows = data.rows("train")
    known = data.images[rows].reshape(len(rows), -1).astype(np.float32)
    half_norms = (known**2).sum(axis=1) / 2

    def nearest_picture(faces):
        flat = faces.reshape(len(faces), -1).astype(np.float32)
        nearest = (flat @ known.T - half_norms).argmax(axis=1)
        return {"fer2013": np.eye(7, dtype=np.float32)[data.labels[rows][nearest]]}

    (result,) = evaluate(nearest_picture, record(SEVEN, size=48), data, "valid")
    assert result.protocol == "fer2013-publictest"
    # Euclidean distance of raw pixels; 43 % is what it gets on PrivateTest.
    assert result.scores.rates["accuracy"].value == pytest.approx(0.402, abs=0.003)
    assert result.scores.clean_n < result.scores.n
    assert result.scores.clean["accuracy"].value < result.scores.rates["accuracy"].value
