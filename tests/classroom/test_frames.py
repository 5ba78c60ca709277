import io
import math

import cv2
import numpy as np
import onnxruntime
import PIL.Image
import PIL.JpegImagePlugin
import pytest

from mien.classroom import frames
from mien.classroom.frames import FrameReader, open_frame_reader
from mien.classroom.policy import decide
from mien.classroom.signals import EXPRESSIONS, ClassSignals, load_mapping
from mien.data.synthetic import draw_scene
from mien.errors import ImageError, InputError
from mien.faces import CropFrame, crop_detection
from mien.recognition import Recognizer
from mien.types import Box, Detection


def jpeg(image, quality=90):
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "JPEG", quality=quality)
    return file.getvalue()


def scene(*expressions, seed=0):
    return draw_scene(expressions, seed, 320, 240)[0]


class Sees:
    """A detector that sees what it is told to see."""

    name = "told"

    def __init__(self, *found, frame=None):
        self.found, self.frame = list(found), frame

    def detect(self, image):  # noqa: ARG002
        return self.found


class Unasked:
    """A network that must not be asked."""

    def predict_faces(self, crops):  # noqa: ARG002
        raise AssertionError("the network was asked")


def leaning(roll_deg, at=(160, 120), eyes=40.0, yaw=0.0):
    """A detection whose eyes lean by so many degrees."""
    turn = math.radians(roll_deg)
    across = np.array([math.cos(turn), math.sin(turn)]) * eyes / 2
    points = np.stack([-across, across, yaw * across, -across, across]) + at
    return Detection(Box(at[0] - 40, at[1] - 50, 80, 100), 0.9, points.astype(np.float32))


def test_a_frame_becomes_what_the_recogniser_says_of_the_picture(tiny_model_path):
    data = jpeg(scene("neutral"))
    reader = open_frame_reader(expressions=True, model=tiny_model_path, detector="haar")
    reading = reader.read(data, 12.5)
    (face,) = Recognizer(tiny_model_path, "ferplus", "haar").predict(
        np.asarray(PIL.Image.open(io.BytesIO(data)))
    )
    seen = reading.observation
    assert seen.probs == pytest.approx([face.probabilities[name] for name in EXPRESSIONS])
    assert (seen.time_s, seen.faces, seen.score) == (12.5, 1, face.score)
    assert seen.face_px == face.quality.face_px
    assert (seen.sharpness, seen.brightness) == (face.quality.sharpness, face.quality.brightness)
    assert seen.yaw_deg is None  # Haar has no landmarks
    assert (reading.width_px, reading.height_px) == (320, 240)


@pytest.mark.parametrize("num_faces", [0, 2, 3])
def test_without_exactly_one_face_the_network_is_not_asked(num_faces):
    found = [Detection(Box(10 * n, 0, 50, 50), 0.9) for n in range(num_faces)]
    reading = FrameReader(Sees(*found), Unasked()).read(jpeg(scene()), 1.0)
    assert reading.observation.faces == num_faces
    assert reading.observation.probs is None
    assert reading.crop is None


def test_yaw_comes_from_the_landmarks(tiny_model_path):
    recognizer = Recognizer(tiny_model_path, "ferplus", "none")
    reader = FrameReader(Sees(leaning(0, yaw=0.6), frame=CropFrame(side=1.0)), recognizer)
    # The nose is 0.3 eye distances aside and 0.6 before: atan(0.5)
    assert reader.read(jpeg(scene()), 0.0).observation.yaw_deg == pytest.approx(26.565, abs=0.01)


@pytest.mark.parametrize("roll_deg", [0.0, 8.0, 25.0, -40.0])
@pytest.mark.parametrize("at", [(160, 120), (30, 40)])
def test_the_crop_that_is_shown_is_the_crop_that_is_used(roll_deg, at):
    image = scene("neutral", seed=3)
    frame = CropFrame(side=1.1, right=0.05, down=0.1)
    found = leaning(roll_deg, at)
    reading = FrameReader(Sees(found, frame=frame), None).read(jpeg(image), 0.0)
    used = crop_detection(image, found, frame)
    corners = np.array(reading.crop, np.float32)
    side = float(np.hypot(*(corners[1] - corners[0])))
    assert side == pytest.approx(used.shape[0])
    # A second way to cut, along the corners: pixel centres lie half a pixel inside.
    edge = np.array([[0, 0], [side, 0], [side, side]], np.float32)
    to_crop = cv2.getAffineTransform(corners[:3] - 0.5, edge - 0.5)
    size = used.shape[:2][::-1]
    shown = cv2.warpAffine(
        image, to_crop, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    assert np.abs(shown.astype(float) - used).mean() < 0.5


def test_a_detector_whose_boxes_are_crops_shows_the_box():
    found = Detection(Box(20, 30, 80, 100), 1.0)
    reading = FrameReader(Sees(found), None).read(jpeg(scene()), 0.0)
    assert reading.crop == ((20, 30), (100, 30), (100, 130), (20, 130))


@pytest.fixture
def no_network(monkeypatch):
    """Whatever opens an expression model fails."""

    def refuse(*_, **__):
        raise AssertionError("an expression model was opened")

    monkeypatch.setattr(onnxruntime, "InferenceSession", refuse)
    monkeypatch.setattr(frames, "Recognizer", refuse)


@pytest.mark.parametrize(
    ("place", "mode"), [("KR", "presence"), ("DE", "class"), ("FR", "self-view")]
)
@pytest.mark.usefixtures("no_network")
def test_presence_and_education_in_the_eu_open_no_expression_model(place, mode, tmp_path):
    decision = decide(place, "education", mode)
    reader = open_frame_reader(
        expressions=decision.expressions_allowed, model=tmp_path / "not-there.onnx", detector="haar"
    )
    assert not reader.reads_expressions
    seen = reader.read(jpeg(scene("neutral")), 3.0).observation
    # That there is a face, and nothing of it: no measure, no probability, no pose.
    assert seen.as_dict() == {
        **dict.fromkeys(["score", "face_px", "brightness", "sharpness", "probs", "yaw_deg"]),
        "time_s": 3.0,
        "faces": 1,
    }
    lesson = ClassSignals(load_mapping(), expressions=False, aggregates=True)
    lesson.join("a", 0.0, camera=True)
    lesson.observe("a", seen)


@pytest.mark.usefixtures("no_network")
def test_that_the_fixture_above_would_notice(tiny_model_path):
    with pytest.raises(AssertionError, match="an expression model was opened"):
        open_frame_reader(expressions=True, model=tiny_model_path, detector="haar")


def test_a_model_without_the_eight_expressions_is_refused(monkeypatch, tiny_model_path):
    model = Recognizer(tiny_model_path, "fer2013", "none").model
    monkeypatch.setattr(
        type(model.info), "head", lambda _self, name: (_ for _ in ()).throw(InputError(name))
    )
    with pytest.raises(InputError, match="ferplus"):
        open_frame_reader(expressions=True, model=tiny_model_path, detector="haar")


# Bytes from outside


@pytest.mark.parametrize("size", [(320, 240), (640, 480), (1, 1), (7, 300)])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_frame_of_any_small_size_is_read(size, progressive):
    file = io.BytesIO()
    PIL.Image.new("RGB", size).save(file, "JPEG", progressive=progressive)
    reading = FrameReader(Sees(), None).read(file.getvalue(), 0.0)
    assert (reading.width_px, reading.height_px) == size


@pytest.mark.parametrize(
    ("claimed", "words"),
    [
        (60_000, "far more than 0.3072 megapixels"),
        (5_000, "is 5000 × 5000 px; at most 0.3072 megapixels are decoded"),
    ],
)
def test_a_bomb_is_refused_by_its_header_before_a_pixel_is_decoded(monkeypatch, claimed, words):
    monkeypatch.setattr(PIL.JpegImagePlugin.JpegImageFile, "load", lambda _: pytest.fail("decoded"))
    data = bytearray(jpeg(np.zeros((16, 16, 3), np.uint8)))
    place = data.index(b"\xff\xc0")
    data[place + 5 : place + 9] = claimed.to_bytes(2) * 2
    with pytest.raises(ImageError, match=f"A frame (is|has) ?.*{words.removeprefix('is ')}"):
        FrameReader(Sees(), None).read(bytes(data), 0.0)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "A frame is no JPEG; expected one of 320"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 50, "A frame is no JPEG"),
        (b"\xff\xd8\xff" + b"\xff" * 100, "A frame is (not a picture|damaged)"),
        (b"\xff\xd8\xff\xe0\xff\xff" + b"x" * 20, "A frame is (not a picture|damaged)"),
        (b"\xff\xd8\xff" + b"x" * (64 * 1024), "A frame has 65539 bytes; at most 65536 are taken"),
    ],
)
def test_what_is_no_frame_is_refused(data, words):
    with pytest.raises(ImageError, match=words):
        FrameReader(Sees(), None).read(data, 0.0)


@pytest.mark.slow
def test_ten_thousand_mutated_frames_give_an_answer_or_an_image_error():
    generator = np.random.default_rng(0)
    whole = np.frombuffer(jpeg(scene("neutral"), quality=50), np.uint8)
    reader = FrameReader(Sees(), None)
    answered = 0
    for number in range(10_000):
        data = whole.copy()
        # Half of the damage goes where the header is.
        end = 700 if number % 2 else len(data)
        places = generator.integers(0, end, generator.integers(1, 12))
        data[places] = generator.integers(0, 256, len(places))
        if number % 5 == 0:
            data = data[: generator.integers(0, len(data))]
        try:
            reader.read(data.tobytes(), 0.0)
            answered += 1
        except ImageError:
            pass
    assert 1000 < answered < 9900
