import dataclasses
import subprocess
import sys
import threading

import cv2
import numpy as np
import onnx
import pytest

from mien import images
from mien.data.synthetic import draw_scene
from mien.errors import ImageError, InputError, ModelFileError, UnknownNameError
from mien.faces import CropFrame
from mien.modelfile import load_model
from mien.preprocess import InputSpec, fit
from mien.recognition import Recognizer
from mien.types import Box, Detection


def even(value, shape=(48, 48)):
    return np.full(shape, value, np.uint8)


def softmax(logits):
    powers = np.exp(np.array(logits) - max(logits))
    return powers / powers.sum()


class TwoBoxes:
    """A detector that always sees the same two faces."""

    name = "two"
    frame = CropFrame(side=1)

    def detect(self, image):
        assert image.ndim in (2, 3)
        return [Detection(Box(0, 0, 10, 10), 3.5), Detection(Box(10, 0, 10, 10), 2.5)]


def test_probabilities_are_the_softmax_of_the_logits_over_the_temperature(tiny_model_path):
    recognizer = Recognizer(tiny_model_path, labels="ferplus", detector="none")
    (face,) = recognizer.predict_faces([even(255)])
    expected = softmax(np.array([2, 8, 0, -8, 0, 0, 0, 0]) / 2.0)
    assert face.expression == "happiness"
    assert face.confidence == pytest.approx(expected[1], abs=1e-6)
    assert list(face.probabilities) == list(recognizer.labels)
    np.testing.assert_allclose(list(face.probabilities.values()), expected, atol=1e-6)
    assert sum(face.probabilities.values()) == pytest.approx(1, abs=1e-12)


def test_the_other_head_answers_in_its_own_words(tiny_model_path):
    recognizer = Recognizer(tiny_model_path, labels="fer2013", detector="none")
    faces = recognizer.predict_faces([even(0), even(127), even(255)])
    assert [face.expression for face in faces] == ["sad", "neutral", "happy"]
    assert faces[0].confidence == pytest.approx(softmax([0, 0, 0, -8, 8, 0, 2])[4], abs=1e-6)


def test_ferplus_answers_unless_another_head_is_named(tiny_model_path):
    assert len(Recognizer(tiny_model_path).labels) == 8


def test_a_head_that_the_model_lacks_is_named(tiny_model_path):
    with pytest.raises(
        InputError,
        match=r"has no labels 'fer2031'\. Did you mean fer2013\? It has fer2013, ferplus\.",
    ):
        Recognizer(tiny_model_path, labels="fer2031")


def test_an_open_model_is_taken_as_it_is(tiny_model_path):
    model = load_model(tiny_model_path)
    assert Recognizer(model).model is model


def test_each_face_is_read_in_its_own_box(tiny_model_path):
    picture = np.hstack([even(0, (10, 10, 3)), even(255, (10, 10, 3))])
    sad, happy = Recognizer(tiny_model_path, detector=TwoBoxes()).predict(picture)
    assert (sad.expression, sad.box, sad.score) == ("sadness", Box(0, 0, 10, 10), 3.5)
    assert (happy.expression, happy.box, happy.score) == ("happiness", Box(10, 0, 10, 10), 2.5)


def test_drawn_faces_are_found_and_read(tiny_model_path):
    image, boxes = draw_scene(["happiness", "neutral"], seed=3, width_px=320, height_px=200)
    faces = Recognizer(tiny_model_path).predict(image)
    assert len(faces) == len(boxes)
    assert all(face.box and face.score for face in faces)


def test_a_picture_without_faces_gives_an_empty_list(tiny_model_path):
    assert Recognizer(tiny_model_path).predict(even(90, (100, 120, 3))) == []


@pytest.mark.parametrize("as_path", [str, images.Path])
def test_a_file_and_its_pixels_give_the_same(tiny_model_path, tmp_path, as_path):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    images.write(tmp_path / "a.png", pixels)
    recognizer = Recognizer(tiny_model_path, detector="none")
    assert recognizer.predict(as_path(tmp_path / "a.png")) == recognizer.predict(pixels)


def test_the_tensor_of_a_crop_is_what_training_sees(tiny_model_path):
    crop = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    model = load_model(tiny_model_path)
    logits = model.logits(fit(crop, InputSpec())[None])["fer2013"][0]
    (face,) = Recognizer(model, labels="fer2013", detector="none").predict(crop)
    np.testing.assert_allclose(
        list(face.probabilities.values()), softmax(logits.astype(float)), atol=1e-12
    )


def test_batches_agree_with_single_faces(tiny_model_path):
    rng = np.random.default_rng(0)
    crops = [rng.integers(0, 256, (rng.integers(20, 90), 50, 3), dtype=np.uint8) for _ in range(7)]
    recognizer = Recognizer(tiny_model_path)
    whole = recognizer.predict_faces(crops, batch_size=32)
    for batch_size in (1, 3, 7):
        some = recognizer.predict_faces(crops, batch_size=batch_size)
        assert [f.expression for f in some] == [f.expression for f in whole]
        np.testing.assert_allclose(
            [f.confidence for f in some], [f.confidence for f in whole], atol=1e-6
        )


def test_crops_go_through_the_network_in_batches(tiny_model_path, monkeypatch):
    recognizer = Recognizer(tiny_model_path)
    sizes = []
    logits = recognizer.model.logits
    monkeypatch.setattr(
        recognizer.model, "logits", lambda batch: sizes.append(len(batch)) or logits(batch)
    )
    assert len(recognizer.predict_faces([even(9)] * 7, batch_size=3)) == 7
    assert sizes == [3, 3, 1]


def test_no_crops_give_no_faces(tiny_model_path):
    assert Recognizer(tiny_model_path).predict_faces([]) == []


def test_crops_may_stand_in_one_array(tiny_model_path):
    faces = Recognizer(tiny_model_path).predict_faces(np.stack([even(0), even(255)]))
    assert [face.expression for face in faces] == ["sadness", "happiness"]


@pytest.mark.parametrize("crop", [even(0, (48, 48, 3)), even(0)])
def test_a_single_crop_must_be_in_a_list(tiny_model_path, crop):
    with pytest.raises(
        InputError, match=r"takes several crops; got one array .*\. Put it in a list: \[crop\]"
    ):
        Recognizer(tiny_model_path).predict_faces(crop)


def test_a_wrong_crop_is_named_by_its_number(tiny_model_path):
    with pytest.raises(
        InputError, match=r"Crop 1 is a uint8 array.*got float64 \(4, 4\)\. Scale it"
    ):
        Recognizer(tiny_model_path).predict_faces([even(0), np.zeros((4, 4))])


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (
            np.zeros((9, 9, 3), np.float32),
            r"A picture is a uint8 array.*got float32 \(9, 9, 3\)\. Scale it",
        ),
        (np.zeros((9, 9, 4), np.uint8), r"Leave the alpha channel out: image\[:, :, :3\]"),
        (np.zeros((0, 9, 3), np.uint8), r"got uint8 \(0, 9, 3\)\."),
        (b"bytes", r"got bytes\."),
    ],
)
def test_what_is_no_picture_is_refused(tiny_model_path, image, words):
    with pytest.raises(InputError, match=words):
        Recognizer(tiny_model_path).predict(image)


def test_a_missing_file_is_named(tiny_model_path):
    with pytest.raises(ImageError, match=r"gone\.jpg does not exist"):
        Recognizer(tiny_model_path).predict("gone.jpg")


def test_batch_size_must_be_positive(tiny_model_path):
    with pytest.raises(InputError, match=r"batch_size is 0; expected 1 or more\."):
        Recognizer(tiny_model_path).predict_faces([even(0)], batch_size=0)


def test_a_network_that_gives_no_numbers_is_refused(tiny_model_path, tmp_path):
    model = onnx.load(tiny_model_path)
    for constant in model.graph.initializer:
        constant.CopyFrom(
            onnx.numpy_helper.from_array(
                onnx.numpy_helper.to_array(constant) + np.float32("nan"), constant.name
            )
        )
    (tmp_path / "nan.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match=r"nan\.onnx gave answers that are no numbers"):
        Recognizer(tmp_path / "nan.onnx").predict_faces([even(0)])


@pytest.fixture
def photos(tmp_path):
    """Twelve pictures from black to white, of which the fourth is damaged and the eighth is missing."""
    paths = [tmp_path / f"{number}.png" for number in range(12)]
    for number, path in enumerate(paths):
        images.write(path, even(number * 23, (30, 40, 3)))
    paths[3].write_bytes(paths[3].read_bytes()[:60])
    paths[7].unlink()
    return paths


@pytest.mark.parametrize("jobs", [0, 1, 3])
def test_many_pictures_are_answered_in_order_and_errors_are_values(tiny_model_path, photos, jobs):
    recognizer = Recognizer(tiny_model_path, detector="none")
    results = list(recognizer.predict_many(photos, batch_size=4, jobs=jobs))
    assert [result.path for result in results] == [str(path) for path in photos]
    assert results[3].error.startswith(f"{photos[3]} is damaged")
    assert results[7].error == f"{photos[7]} does not exist."
    assert all(not result.faces for result in results if result.error)
    for result, path in zip(results, photos, strict=True):
        if result.error is None:
            assert (result.width, result.height) == (40, 30)
            (ours,), (theirs,) = result.faces, recognizer.predict(path)
            assert (ours.expression, ours.box) == (theirs.expression, theirs.box)
            assert ours.confidence == pytest.approx(theirs.confidence, abs=1e-6)


def test_faces_of_several_pictures_go_through_the_network_together(
    tiny_model_path, photos, monkeypatch
):
    recognizer = Recognizer(tiny_model_path, detector="none")
    sizes = []
    logits = recognizer.model.logits
    monkeypatch.setattr(
        recognizer.model, "logits", lambda batch: sizes.append(len(batch)) or logits(batch)
    )
    list(recognizer.predict_many(photos, batch_size=4))
    assert sizes == [4, 4, 2]


def test_a_batch_is_never_larger_than_asked_for(tiny_model_path, photos, monkeypatch):
    recognizer = Recognizer(tiny_model_path, detector=TwoBoxes())
    sizes = []
    logits = recognizer.model.logits
    monkeypatch.setattr(
        recognizer.model, "logits", lambda batch: sizes.append(len(batch)) or logits(batch)
    )
    results = list(recognizer.predict_many(photos, batch_size=3, jobs=2))
    assert sum(len(result.faces) for result in results) == 20
    assert max(sizes) <= 3


def test_pictures_are_taken_as_they_are_needed(tiny_model_path, photos):
    taken = []

    def paths():
        for path in photos * 40:
            taken.append(path)
            yield path

    results = Recognizer(tiny_model_path, detector="none").predict_many(paths(), 2, jobs=1)
    next(results)
    results.close()
    assert len(taken) < 20


def test_no_pictures_give_no_results(tiny_model_path):
    assert list(Recognizer(tiny_model_path).predict_many([])) == []


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"batch_size": 0}, r"batch_size is 0; expected 1 or more\."),
        ({"jobs": -1}, r"jobs is -1; expected 0 \(one a processor\) or more\."),
    ],
)
def test_impossible_numbers_are_refused_before_any_work(tiny_model_path, numbers, words):
    with pytest.raises(InputError, match=words):
        Recognizer(tiny_model_path).predict_many([], **numbers)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"max_faces": 1.5}, r"max_faces is 1\.5; expected a whole number, 1 or more\."),
        ({"max_faces": True}, r"max_faces is True; expected a whole number, 1 or more\."),
        ({"fps": "2"}, r"fps is '2'; expected a number\."),
        ({"start": "0:10"}, r"start is '0:10'; expected a number\."),
        ({"end": [1]}, r"end is \[1\]; expected a number\."),
        ({"search_px": 320.5}, r"search_px is 320\.5; expected a whole number, 64 or more\."),
        ({"search_px": None}, r"search_px is None; expected a whole number, 64 or more\."),
        ({"full_look_s": None}, r"full_look_s is None; expected a number\."),
        ({"probation_s": "1"}, r"probation_s is '1'; expected a number\."),
    ],
)
def test_options_of_the_wrong_type_are_refused_before_the_recording_is_opened(
    tiny_model_path, numbers, words
):
    with pytest.raises(InputError, match=words):
        Recognizer(tiny_model_path).watch("gone.mp4", **numbers)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"batch_size": "8"}, r"batch_size is '8'; expected a whole number, 1 or more\."),
        ({"jobs": 1.0}, r"jobs is 1\.0; expected a whole number, 0 \(one a processor\) or more\."),
        ({"search_px": 63}, r"search_px is 63; expected 64 or more\."),
    ],
)
def test_numbers_of_the_wrong_type_are_refused(tiny_model_path, numbers, words):
    recognizer = Recognizer(tiny_model_path)
    with pytest.raises(InputError, match=words):
        recognizer.predict_many([], **numbers)
    if "search_px" in numbers:
        with pytest.raises(InputError, match=words):
            recognizer.predict(even(0), **numbers)


@pytest.mark.parametrize("as_path", [str, images.Path])
def test_a_single_path_is_one_picture(tiny_model_path, photos, as_path):
    recognizer = Recognizer(tiny_model_path, detector="none")
    (result,) = recognizer.predict_many(as_path(photos[0]))
    assert (result.path, result.error) == (str(photos[0]), None)


class Searches:
    """A detector that notes at which side it was asked to search."""

    name = "searches"
    frame = None

    def __init__(self):
        self.sides = []

    def detect(self, _image):
        self.sides.append(None)
        return []

    def detect_within(self, _image, side_px):
        self.sides.append(side_px)
        return []

    def detect_near(self, *_):
        return None


def test_pictures_are_searched_at_the_side_that_is_asked_for(tiny_model_path, photos):
    detector = Searches()
    recognizer = Recognizer(tiny_model_path, detector=detector)
    recognizer.predict(even(0))
    recognizer.predict(even(0), search_px=3000)
    list(recognizer.predict_many(photos[:1], search_px=640))
    list(recognizer.predict_many(photos[:1]))
    assert detector.sides == [None, 3000, 640, None]


def test_a_picture_that_opencv_cannot_search_is_that_picture_s_error(tiny_model_path, photos):
    class Refuses(Searches):
        def detect(self, image):
            if image.max() == 0:
                raise cv2.error("far too thin")
            return super().detect(image)

    recognizer = Recognizer(tiny_model_path, detector=Refuses())
    first, second = recognizer.predict_many(photos[:2])
    assert first.error.startswith(
        f"{photos[0]}: A picture of 40 × 30 px cannot be searched by searches: far too thin"
    )
    assert second.error is None
    with pytest.raises(ImageError, match="cannot be searched by searches: far too thin"):
        recognizer.predict(photos[0])


@pytest.mark.parametrize("shape", [(1, 50_000, 3), (50_000, 1, 3)])
@pytest.mark.parametrize("search_px", [None, 400, 40_000])
def test_the_thinnest_pictures_have_no_faces(tiny_model_path, shape, search_px):
    picture = np.full(shape, 90, np.uint8)
    assert Recognizer(tiny_model_path, detector="haar").predict(picture, search_px=search_px) == []


def test_answers_below_the_confidence_asked_for_are_unsure(tiny_model_path):
    faces = [even(127), even(255)]  # neutral at 0.28, happiness at 0.88
    grey, white = Recognizer(tiny_model_path, min_confidence=0.8).predict_faces(faces)
    assert (grey.is_unsure, grey.answer, grey.expression) == (True, "unsure", "neutral")
    assert (white.is_unsure, white.answer) == (False, "happiness")


def test_the_model_says_when_it_is_unsure_unless_told_otherwise(tiny_model_path):
    model = load_model(tiny_model_path)
    assert set(Recognizer(model).unsure_below.values()) == {0.0}
    labels = model.info.head("ferplus").labels
    below = tuple(
        0.6 if label == "neutral" else 0.95 if label == "fear" else 0.0 for label in labels
    )
    head = dataclasses.replace(model.info.head("ferplus"), unsure_below=below)
    model.info = dataclasses.replace(model.info, heads=(model.info.head("fer2013"), head))
    grey, white = Recognizer(model).predict_faces([even(127), even(255)])
    assert (grey.is_unsure, white.is_unsure) == (True, False)  # neutral at 0.28, happiness at 0.88
    assert not Recognizer(model, min_confidence=0).predict_faces([even(127)])[0].is_unsure
    assert set(Recognizer(model, labels="fer2013").unsure_below.values()) == {0.0}


def test_a_confidence_out_of_range_is_refused(tiny_model_path):
    with pytest.raises(InputError, match=r"min_confidence is 50; expected 0 to 1\."):
        Recognizer(tiny_model_path, min_confidence=50)


def test_each_face_says_how_well_it_is_seen(tiny_model_path):
    picture = np.hstack([even(0, (10, 10, 3)), even(255, (10, 10, 3))])
    dark, bright = Recognizer(tiny_model_path, detector=TwoBoxes()).predict(picture)
    assert (dark.quality.face_px, dark.quality.brightness) == (10, 0)
    assert dark.quality.flags == ("small", "blurred", "dark")
    assert bright.quality.flags == ("small", "blurred")


def test_threads_share_a_recognizer(tiny_model_path):
    recognizer = Recognizer(tiny_model_path)
    image, _ = draw_scene(["happiness"], seed=3, width_px=160, height_px=160)
    expected = recognizer.predict(image)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(recognizer.predict(image))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


def test_recognising_never_loads_torch(tiny_model_path):
    code = (
        "import sys, mien, numpy as np\n"
        "mien.Recognizer(sys.argv[1]).predict(np.zeros((64, 64, 3), np.uint8))\n"
        "print(sorted({'torch', 'onnx', 'pyarrow', 'matplotlib', 'mien.data'} & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", code, tiny_model_path]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_boxes_of_your_own_replace_the_detector_s(tiny_model_path):
    picture = np.hstack([even(0, (10, 10, 3)), even(255, (10, 10, 3))])
    recognizer = Recognizer(tiny_model_path, detector=TwoBoxes())
    faces = recognizer.predict(picture, boxes=[(12, 1, 6, 8), Box(1, 0, 7, 9)])
    assert [face.expression for face in faces] == ["happiness", "sadness"]
    assert [face.box for face in faces] == [Box(12, 1, 6, 8), Box(1, 0, 7, 9)]
    assert [face.score for face in faces] == [1, 1]
    assert recognizer.predict(picture, boxes=[]) == []


def test_boxes_of_your_own_stay_where_they_are_however_closely_one_looks(tiny_model_path):
    picture = np.hstack([even(0, (100, 100, 3)), even(255, (100, 100, 3))])
    (face,) = Recognizer(tiny_model_path).predict(picture, boxes=[(110, 10, 80, 80)], search_px=64)
    assert (face.box, face.expression) == (Box(110, 10, 80, 80), "happiness")


def test_a_box_outside_the_picture_is_named(tiny_model_path):
    with pytest.raises(InputError, match=r"Box 0 \[40, 0, 5, 5\] lies outside the picture"):
        Recognizer(tiny_model_path).predict(even(0, (20, 30)), boxes=[(40, 0, 5, 5)])


def test_under_the_uniform_prior_rare_expressions_need_less_evidence(tiny_model_path):
    model = load_model(tiny_model_path)
    head = dataclasses.replace(
        model.info.head("fer2013"), prior=(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.4)
    )
    model.info = dataclasses.replace(model.info, heads=(head, model.info.heads[1]))
    grey = [even(139)]  # a mean of 0.09: happy has 0.72, neutral has 2
    usual = Recognizer(model, labels="fer2013", detector="none")
    balanced = Recognizer(model, labels="fer2013", detector="none", prior="uniform")
    (before,), (after,) = usual.predict_faces(grey), balanced.predict_faces(grey)
    expected = np.array(list(before.probabilities.values())) / head.prior
    np.testing.assert_allclose(
        list(after.probabilities.values()), expected / expected.sum(), rtol=1e-9
    )
    assert after.confidence < before.confidence


def test_a_prior_that_cannot_be_had_is_refused_at_once(tiny_model_path):
    with pytest.raises(InputError, match="does not say how frequent its labels were"):
        Recognizer(tiny_model_path, detector="none", prior="uniform")
    with pytest.raises(UnknownNameError, match="No prior is called 'flat'"):
        Recognizer(tiny_model_path, detector="none", prior="flat")
