import json

import cv2
import numpy as np
import pytest

from mien.adapters import deepface as DeepFace
from mien.errors import ImageError, InputError
from mien.recognition import Recognizer
from mien.types import Box, Detection

# What deepface 0.0.93 documents for actions=["emotion"]: the keys in its order, percentages, one dict a face.
KEYS = ["emotion", "dominant_emotion", "region", "face_confidence"]
EMOTIONS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]


def test_the_record_is_deepfaces(two_faces, picture):
    dark, bright = DeepFace.analyze(img_path=picture, actions=["emotion"], recognizer=two_faces)
    for record in (dark, bright):
        assert list(record) == KEYS
        assert list(record["emotion"]) == EMOTIONS
        assert sum(record["emotion"].values()) == pytest.approx(100)
        assert record["emotion"][record["dominant_emotion"]] == max(record["emotion"].values())
    assert (dark["dominant_emotion"], bright["dominant_emotion"]) == ("sad", "happy")
    assert dark["region"] == {
        "x": 0,
        "y": 0,
        "w": 40,
        "h": 40,
        "left_eye": (28, 18),
        "right_eye": (12, 18),
    }
    assert bright["region"]["left_eye"] is None
    assert (dark["face_confidence"], bright["face_confidence"]) == (0.99, 1.0)
    json.dumps([dark, bright])


def test_percentages_are_the_calibrated_probabilities_without_contempt(two_faces, picture):
    dark, _ = DeepFace.analyze(picture, recognizer=two_faces)
    # Logits at temperature 2: neutral 1, happiness -4, sadness 4, five others 0, one of them contempt.
    powers = {"sad": np.exp(4), "neutral": np.exp(1), "happy": np.exp(-4)}
    total = sum(powers.values()) + 4
    assert dark["emotion"]["sad"] == pytest.approx(100 * powers["sad"] / total, rel=1e-4)
    assert dark["emotion"]["fear"] == pytest.approx(100 / total, rel=1e-4)


def test_arrays_are_bgr_and_agree_with_the_file(tiny_model_path, scene_path):
    recognizer = Recognizer(tiny_model_path, detector="haar")
    from_file = DeepFace.analyze(str(scene_path), recognizer=recognizer)
    from_array = DeepFace.analyze(cv2.imread(str(scene_path)), recognizer=recognizer)
    assert from_file == from_array
    assert len(from_file) == 2


def test_several_pictures_give_a_list_of_lists(two_faces, picture):
    batch = DeepFace.analyze([picture, picture], recognizer=two_faces)
    assert [len(faces) for faces in batch] == [2, 2]


def test_no_face_is_an_error_that_deepfaces_users_catch(no_faces, picture, scene_path):
    words = r"^Face could not be detected in numpy array\. .* enforce_detection to False"
    with pytest.raises(ValueError, match=words):
        DeepFace.analyze(picture, recognizer=no_faces)
    with pytest.raises(ValueError, match=r"Face could not be detected in .*scene\.png\."):
        DeepFace.analyze(scene_path, recognizer=no_faces)


def test_without_enforcing_the_whole_picture_is_the_face(no_faces, picture):
    (record,) = DeepFace.analyze(picture, enforce_detection=False, recognizer=no_faces)
    assert record["face_confidence"] == 0
    assert [record["region"][key] for key in "xywh"] == [0, 0, 80, 40]
    assert record["dominant_emotion"] == "neutral"


@pytest.mark.parametrize("actions", ["age", ["emotion", "age"], []])
def test_what_mien_does_not_estimate_is_said(picture, actions):
    with pytest.raises(InputError, match=r"mien cannot analyze (age|nothing); .* nor race"):
        DeepFace.analyze(picture, actions=actions)


def test_an_action_may_be_a_word(two_faces, picture):
    assert len(DeepFace.analyze(picture, actions="emotion", recognizer=two_faces)) == 2


def test_an_unknown_backend_names_the_known_ones(picture):
    with pytest.raises(InputError, match=r"no detector_backend 'retinaface'; expected auto, openc"):
        DeepFace.analyze(picture, detector_backend="retinaface")


def test_a_missing_file_is_named(two_faces):
    for caught in (ImageError, ValueError):  # ours, and what deepface raises
        with pytest.raises(caught, match=r"gone\.jpg does not exist"):
            DeepFace.analyze("gone.jpg", recognizer=two_faces)


def test_what_changes_no_answer_is_taken_in_deepfaces_order(two_faces, picture):
    expected = DeepFace.analyze(picture, recognizer=two_faces)
    given = (picture, ("emotion",), True, "opencv", True, 0, True, False)
    assert DeepFace.analyze(*given, recognizer=two_faces) == expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"expand_percentage": 10},
            r"expand_percentage is 10; expected 0\. mien cuts faces out as",
        ),
        ({"anti_spoofing": True}, r"cannot tell a photo of a photo; leave anti_spoofing out"),
    ],
)
def test_what_would_change_answers_is_refused(two_faces, picture, options, words):
    with pytest.raises(InputError, match=words):
        DeepFace.analyze(picture, recognizer=two_faces, **options)


def test_a_leaning_face_is_cut_out_level_unless_align_is_off(two_faces, monkeypatch):
    seen = []
    predict_faces = two_faces.predict_faces
    monkeypatch.setattr(
        two_faces, "predict_faces", lambda crops: seen.append(crops[0]) or predict_faces(crops)
    )
    two_faces.detector.detect = lambda _: [
        Detection(Box(0, 0, 40, 40), 0.9, np.array([[12, 8], [28, 28]] * 3, np.float32)[:5])
    ]
    picture = np.random.default_rng(0).integers(0, 256, (40, 80, 3), dtype=np.uint8)
    for align in (True, False):
        (record,) = DeepFace.analyze(picture, align=align, recognizer=two_faces)
        assert record["region"]["left_eye"] == (28, 28)
    np.testing.assert_array_equal(seen[1], picture[:, :40, ::-1])
    assert (seen[0] != seen[1]).any()
