import logging

import numpy as np
import pytest

from mien.adapters.hsemotion import HSEmotionRecognizer
from mien.errors import InputError, UnknownNameError

# What hsemotion's README names as the classes, in the order of its scores.
CLASSES = [
    "Anger",
    "Contempt",
    "Disgust",
    "Fear",
    "Happiness",
    "Neutral",
    "Sadness",
    "Surprise",
]


@pytest.fixture
def recognizer(tiny_model_path):
    return HSEmotionRecognizer(model_name=str(tiny_model_path), device="cpu")


def face(value):
    return np.full((60, 50, 3), value, np.uint8)


def test_probabilities_are_in_hsemotions_order(recognizer):
    label, scores = recognizer.predict_emotions(face(0), logits=False)
    # Logits at temperature 2: sadness 4, neutral 1, happiness -4, five others 0.
    powers = np.exp(np.array([0, 0, 0, 0, -4, 1, 4, 0], float))
    assert label == "Sadness"
    assert (scores.shape, scores.dtype) == ((8,), np.float32)
    np.testing.assert_allclose(scores, powers / powers.sum(), atol=1e-5)
    assert list(recognizer.idx_to_class.values()) == CLASSES


def test_logits_become_the_probabilities_under_softmax(recognizer):
    _, logits = recognizer.predict_emotions(face(200))  # as in hsemotion, they are the default
    _, probs = recognizer.predict_emotions(face(200), logits=False)
    powers = np.exp(logits - logits.max())
    np.testing.assert_allclose(powers / powers.sum(), probs, atol=1e-6)


def test_several_faces_agree_with_single_ones(recognizer):
    faces = [face(0), face(127), face(255)]
    labels, scores = recognizer.predict_multi_emotions(faces, logits=False)
    assert labels == ["Sadness", "Neutral", "Happiness"]
    assert scores.shape == (3, 8)
    for one, label, row in zip(faces, labels, scores, strict=True):
        alone, alone_scores = recognizer.predict_emotions(one, logits=False)
        assert alone == label
        np.testing.assert_allclose(alone_scores, row, atol=1e-6)


def test_no_faces_give_no_scores(recognizer):
    labels, scores = recognizer.predict_multi_emotions([])
    assert labels == []
    assert scores.shape == (0, 8)


@pytest.mark.parametrize(
    ("name", "words"),
    [("enet_b0_8_va_mtl", "valence and arousal"), ("enet_b2_7", "seven classes")],
)
def test_models_without_a_counterpart_are_refused(name, words):
    with pytest.raises(InputError, match=f"hsemotion's model {name} gives {words}, which mien"):
        HSEmotionRecognizer(name)


def test_their_names_mean_our_model_and_that_is_said(caplog, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "mien.adapters.hsemotion.Recognizer", lambda name, **_: asked.append(name) or None
    )
    with caplog.at_level(logging.WARNING):
        HSEmotionRecognizer("enet_b0_8_best_afew", device="cuda")
    assert asked == ["mien-s"]
    assert [record.getMessage() for record in caplog.records] == [
        "mien has no enet_b0_8_best_afew: its own mien-s answers instead.",
        "mien recognises on the CPU; device=cuda is not heeded.",
    ]


def test_an_unknown_model_is_named():
    with pytest.raises(UnknownNameError, match="No model is called 'mien-xxl'"):
        HSEmotionRecognizer("mien-xxl")
