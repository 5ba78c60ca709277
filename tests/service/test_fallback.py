import logging
import sys

import numpy as np
import pytest

from mien.errors import ConfigError, MissingExtraError
from mien.labels import FERPLUS
from mien.service import fallback as module
from mien.service.fallback import RekognitionFallback, Reply, is_wanted, merge, rekognition_client
from mien.types import Box, Face

botocore = pytest.importorskip("botocore")
stub = pytest.importorskip("botocore.stub")

IMAGE = np.full((100, 200, 3), 128, np.uint8)

UNSURE_BELOW = dict.fromkeys(FERPLUS.labels, 0.5)


def emotions(**shares):
    return [{"Type": name, "Confidence": share} for name, share in shares.items()]


def detail(left=0.25, top=0.1, width=0.5, height=0.8, confidence=99.0, **shares):
    box = {"Left": left, "Top": top, "Width": width, "Height": height}
    return {"BoundingBox": box, "Confidence": confidence, "Emotions": emotions(**shares)}


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def client(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-example")
    return rekognition_client("eu-west-1", 0.5)


@pytest.fixture
def cloud(client):
    fallback = RekognitionFallback(client, FERPLUS.labels, UNSURE_BELOW, Clock())
    yield fallback
    fallback.close()


def ask(client, cloud, answer=None, error=None):
    return reply(client, cloud, answer, error).faces


def reply(client, cloud, answer=None, error=None):
    with stub.Stubber(client) as stubbed:
        if error:
            stubbed.add_client_error("detect_faces", service_error_code=error)
        else:
            expected = {"Image": {"Bytes": stub.ANY}, "Attributes": ["EMOTIONS"]}
            stubbed.add_response("detect_faces", {"FaceDetails": answer}, expected)
        return cloud.submit(IMAGE).result(10)


def test_their_labels_become_ours(client, cloud):
    answer = [detail(HAPPY=60.0, CALM=20.0, CONFUSED=15.0, UNKNOWN=5.0)]
    (face,) = ask(client, cloud, answer)
    assert face.expression == "happiness"
    assert list(face.probabilities) == list(FERPLUS.labels)
    assert face.probabilities == {
        **dict.fromkeys(FERPLUS.labels, 0.0),
        "happiness": pytest.approx(0.75),
        "neutral": pytest.approx(0.25),
    }
    assert (face.confidence, face.is_unsure) == (pytest.approx(0.75), False)
    assert face.box == Box(50, 10, 100, 80)
    assert face.score == pytest.approx(0.99)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("HAPPY", "happiness"),
        ("SAD", "sadness"),
        ("ANGRY", "anger"),
        ("DISGUSTED", "disgust"),
        ("SURPRISED", "surprise"),
        ("FEAR", "fear"),
        ("CALM", "neutral"),
    ],
)
def test_each_of_their_types_has_its_counterpart(client, cloud, theirs, ours):
    (face,) = ask(client, cloud, [detail(**{theirs: 90.0})])
    assert (face.expression, face.confidence) == (ours, 1.0)


def test_all_types_of_the_service_are_known(client):
    """Should AWS add one, this says so."""
    shape = client.meta.service_model.shape_for("EmotionName")
    assert set(shape.enum) == {*module._EXPRESSIONS, "CONFUSED", "UNKNOWN"}


def test_faces_without_our_expressions_or_outside_are_left_out_and_the_largest_comes_first(
    client, cloud
):
    answer = [
        detail(width=0.1, SAD=90.0),
        detail(CONFUSED=99.0),
        detail(left=1.5, HAPPY=99.0),
        detail(left=-0.1, width=0.6, HAPPY=99.0),
    ]
    faces = ask(client, cloud, answer)
    assert [face.expression for face in faces] == ["happiness", "sadness"]
    assert faces[0].box == Box(0, 10, 100, 80)


def test_what_is_sent_is_a_new_jpeg(client, cloud, monkeypatch):
    sent = {}
    monkeypatch.setattr(
        client, "detect_faces", lambda **call: sent.update(call) or {"FaceDetails": []}
    )
    assert cloud.ask(np.zeros((3000, 2000, 3), np.uint8)).faces == []
    data = sent["Image"]["Bytes"]
    assert data.startswith(b"\xff\xd8\xff")
    assert b"Exif" not in data
    assert len(data) < 5 << 20


@pytest.mark.parametrize(
    "error", ["AccessDeniedException", "ThrottlingException", "InternalServerError"]
)
def test_a_failure_is_no_answer_and_a_pause(client, cloud, caplog, error):
    assert reply(client, cloud, error=error) == Reply(None, was_sent=True)
    assert "Rekognition could not be asked (" in caplog.text
    assert "secret-example" not in caplog.text
    with stub.Stubber(client) as stubbed:  # whoever asks now asks nobody
        assert not cloud.is_open()
        assert cloud.ask(IMAGE) == Reply(None, was_sent=False)
        stubbed.assert_no_pending_responses()
    cloud._clock.now = 31.0
    assert ask(client, cloud, [detail(SAD=99.0)])[0].expression == "sadness"


@pytest.mark.parametrize(
    "error",
    ["InvalidParameterException", "InvalidImageFormatException", "ImageTooLargeException"],
)
def test_a_picture_that_they_do_not_take_is_no_reason_for_a_pause(client, cloud, error):
    assert reply(client, cloud, error=error) == Reply(None, was_sent=True)
    assert cloud.is_open()
    assert ask(client, cloud, [detail(SAD=99.0)])[0].expression == "sadness"


def test_what_nobody_listened_to_was_not_sent(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-example")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    cloud = RekognitionFallback(rekognition_client("eu-west-1", 0.5), FERPLUS.labels, UNSURE_BELOW)
    assert cloud.ask(IMAGE) == Reply(None, was_sent=False)
    cloud.close()


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"HAPPY": 60.0, "CALM": 20.0, "SAD": 20.0}, [0.75, 0.0, 0.25]),
        ({"HAPPY": 40.0, "CALM": 20.0, "SAD": 41.0}, None),
        ({"SAD": 99.0}, None),
    ],
)
def test_of_labels_of_ones_own_they_answer_those_that_they_know(client, theirs, ours):
    labels = ("joy", "troubled", "neutral")
    cloud = RekognitionFallback(client, labels, dict.fromkeys(labels, 0.0))
    answered = [
        list(face.probabilities.values()) for face in ask(client, cloud, [detail(**theirs)])
    ]
    cloud.close()
    assert answered == ([] if ours is None else [pytest.approx(ours)])


def test_a_model_whose_labels_they_do_not_know_asks_nobody(client):
    with pytest.raises(
        ConfigError, match=r"knows none of the model's expressions \(pleased, calm\)"
    ):
        RekognitionFallback(client, ("pleased", "calm"), {})


def test_every_error_that_is_taken_for_nothing_sent_exists():
    assert all(hasattr(botocore.exceptions, name) for name in module._NEVER_SENT)


def test_missing_credentials_are_no_answer(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    cloud = RekognitionFallback(rekognition_client("eu-west-1", 0.2), FERPLUS.labels, UNSURE_BELOW)
    with caplog.at_level(logging.WARNING):
        assert cloud.ask(IMAGE) == Reply(None, was_sent=False)
    assert "NoCredentialsError" in caplog.text
    cloud.close()


def test_the_client_gives_up_soon_and_tries_once(client):
    config = client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (0.5, 0.5)
    assert config.retries["total_max_attempts"] == 1


def test_without_a_region_it_says_where_to_name_one(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"needs a region\. Set MIEN_SERVICE_FALLBACK_REGION"):
        rekognition_client(None, 1)


@pytest.mark.parametrize(
    ("variable", "value", "region", "words"),
    [
        ("AWS_PROFILE", "typo", "eu-west-1", r"The config profile \(typo\) could not be found\."),
        ("AWS_REGION", "", "eu west", "region_name 'eu west' doesn't match a supported format."),
        ("AWS_ENDPOINT_URL", "nowhere", "eu-west-1", r"Invalid endpoint: nowhere\."),
    ],
)
def test_settings_of_aws_that_cannot_be_used_are_said(
    monkeypatch, tmp_path, variable, value, region, words
):
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=f"Rekognition cannot be asked: .*{words} Check MIEN"):
        rekognition_client(region, 1)


def test_without_boto3_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3.session", None)
    with pytest.raises(
        MissingExtraError,
        match=r"fallback to AWS Rekognition needs an extra: pip install 'mien\[aws\]'",
    ):
        rekognition_client("eu-west-1", 1)


def face(expression="sadness", confidence=0.9, box=(0, 0, 40, 40), unsure=False):
    probs = dict.fromkeys(FERPLUS.labels, 0.0) | {expression: confidence}
    return Face(expression, confidence, probs, Box(*box), 1.0, unsure)


def test_it_is_asked_only_without_faces_or_with_an_unsure_one():
    assert is_wanted([])
    assert is_wanted([face(), face(unsure=True)])
    assert not is_wanted([face(), face()])


def test_where_we_found_nobody_theirs_stand():
    assert merge([], [face("fear")]) == [(face("fear"), "rekognition")]


def test_only_unsure_faces_are_settled_and_none_is_added():
    sure, unsure = face("sadness"), face("anger", 0.3, (100, 0, 40, 40), unsure=True)
    theirs = [
        face("fear", 0.8, (105, 2, 38, 40)),
        face("fear", 0.99, (0, 0, 40, 40)),
        face("fear", 1, (300, 0, 9, 9)),
    ]
    (first, one), (second, other) = merge([sure, unsure], theirs)
    assert (first, one) == (sure, "mien")
    assert other == "rekognition"
    assert (second.expression, second.confidence, second.is_unsure) == ("fear", 0.8, False)
    assert second.box == unsure.box


@pytest.mark.parametrize(
    "theirs",
    [[], [face("fear", 0.8, (200, 0, 40, 40))], [face("fear", 0.3, (100, 0, 40, 40), unsure=True)]],
)
def test_without_a_sure_answer_for_the_same_face_ours_stays(theirs):
    unsure = face("anger", 0.3, (100, 0, 40, 40), unsure=True)
    assert merge([unsure], theirs) == [(unsure, "mien")]
