"""Drawn faces: repeatable, balanced, and with the expression in the drawing."""

import cv2
import numpy as np
import pytest

from mien.data.ferplus import majority
from mien.data.synthetic import draw_faces, draw_scene
from mien.errors import InputError
from mien.labels import FER2013, FERPLUS, canonical


@pytest.fixture(scope="module")
def faces():
    return draw_faces(280, seed=0, size=32)


def test_the_seed_decides_and_more_faces_begin_alike(faces):
    again = draw_faces(30, seed=0, size=32)
    np.testing.assert_array_equal(again.images, faces.images[:30])
    np.testing.assert_array_equal(again.votes, faces.votes[:30])
    assert not (draw_faces(30, seed=1, size=32).images == again.images).all(axis=(1, 2)).any()


def test_classes_and_splits_are_balanced(faces):
    assert faces.label_names == FER2013.labels
    for split, each in (("train", 32), ("valid", 4), ("test", 4)):
        assert np.bincount(faces.labels[faces.rows(split)]).tolist() == [each] * 7


def test_votes_are_ten_and_agree_with_the_labels(faces):
    assert (faces.votes.sum(axis=1) == 10).all()
    winners = majority(faces.votes)
    assert (winners >= 0).mean() > 0.98
    agree = [
        canonical(FERPLUS.labels[winner])
        in {canonical(FER2013.labels[label]), "contempt" if label == 6 else None}
        for winner, label in zip(winners, faces.labels, strict=True)
        if winner >= 0
    ]
    assert np.mean(agree) > 0.98
    assert set(winners.tolist()) >= set(range(8))


def test_no_two_faces_are_alike(faces):
    assert len({image.tobytes() for image in faces.images}) == len(faces)


def test_the_expression_is_in_the_drawing(faces):
    """A linear classifier by least squares on half of the faces names most of the others."""
    small = np.stack(
        [cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA) for image in faces.images]
    )
    features = small.reshape(len(small), -1).astype(float)
    features = (features - features.mean(axis=1, keepdims=True)) / features.std(
        axis=1, keepdims=True
    )
    train, test = np.arange(0, 280, 2) + (np.arange(140) // 7) % 2, None
    test = np.setdiff1d(np.arange(280), train)
    targets = np.eye(7)[faces.labels]
    gram = features[train] @ features[train].T + 50 * np.eye(len(train))
    scores = features[test] @ features[train].T @ np.linalg.solve(gram, targets[train])
    assert (scores.argmax(axis=1) == faces.labels[test]).mean() > 0.45  # chance: 0.14


def test_no_faces_are_refused():
    with pytest.raises(InputError, match="0 faces cannot be drawn; expected 1 or more"):
        draw_faces(0, seed=0)


def test_a_scene_has_faces_that_a_detector_finds():
    picture, boxes = draw_scene(["happy", "sad"], seed=2)
    assert picture.shape == (480, 640, 3)
    assert picture.dtype == np.uint8
    haar = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    found = haar.detectMultiScale(
        cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 1.1, 5, minSize=(60, 60)
    )
    assert len(found) == len(boxes) == 2
    for (x, y, w, h), box in zip(sorted(found.tolist()), boxes, strict=True):
        assert abs(x + w / 2 - (box.x + box.w / 2)) < 0.2 * box.w
        assert abs(y + h / 2 - (box.y + box.h / 2)) < 0.2 * box.h


def test_an_expression_that_cannot_be_drawn_is_refused():
    with pytest.raises(
        InputError, match="'bored' cannot be drawn; expected one of neutral, happiness"
    ):
        draw_scene(["bored"], seed=0)
