import dataclasses
import hashlib
import importlib.util
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien import images
from mien.errors import InputError, ModelFileError
from mien.faces import HaarDetector, YuNetDetector, open_detector, roll_deg, yaw_deg, yunet
from mien.faces.overlap import overlap
from mien.types import Box


class FakeNetwork:
    """Sees what `rows` says for the picture's size, and notes what it was given."""

    def __init__(self, rows, seen):
        self._rows = rows
        self._seen = seen

    def search(self, bgr):
        self._seen.append(bgr)
        return np.array(self._rows.get(bgr.shape[1::-1], []), np.float32).reshape(-1, 15)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Return a function that makes a detector on a fake network: (detector, the pictures that it searched)."""
    file = tmp_path / "yunet.onnx"
    file.write_bytes(b"network")
    known = dataclasses.replace(yunet.YUNET_FILE, sha256=hashlib.sha256(b"network").hexdigest())
    monkeypatch.setattr(yunet, "YUNET_FILE", known)

    def make(rows, **sizes):
        seen = []
        monkeypatch.setattr(yunet, "YuNetNetwork", lambda *_: FakeNetwork(rows, seen))
        return YuNetDetector(file, **sizes), seen

    return make


def row(x, y, w, h, score=0.9):
    marks = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]
    return [x, y, w, h, *(v for a, b in marks for v in (x + a * w, y + b * h)), score]


def test_boxes_and_landmarks_come_back_in_the_picture_s_pixels(fake):
    detector, _ = fake({(320, 160): [row(100, 40, 50, 60)]})
    (face,) = detector.detect(np.zeros((480, 960, 3), np.uint8))
    assert face.box == Box(300, 120, 150, 180)
    assert face.score == pytest.approx(0.9)
    np.testing.assert_allclose(face.landmarks[0], [3 * 115, 3 * 64], atol=1e-3)
    assert face.landmarks.shape == (5, 2)


def test_red_comes_to_the_network_as_blue_green_red(fake):
    detector, seen = fake({})
    detector.detect(np.full((200, 200, 3), (250, 100, 10), np.uint8))
    detector.detect(np.full((200, 200), 7, np.uint8))
    np.testing.assert_array_equal(seen[0][0, 0], [10, 100, 250])
    np.testing.assert_array_equal(seen[-1][0, 0], [7, 7, 7])


@pytest.mark.parametrize("rows", [[row(90, 60, 60, 80)], [row(90, 60, 20, 30)], []])
def test_a_large_picture_is_looked_at_closer_whatever_the_first_look_shows(fake, rows):
    detector, seen = fake({(320, 240): rows})
    detector.detect(np.zeros((480, 640, 3), np.uint8))
    assert [picture.shape[1::-1] for picture in seen] == [(320, 240), (640, 480)]


@pytest.mark.parametrize(
    ("rows", "sizes"),
    [
        ([row(90, 60, 60, 80)], [(320, 240)]),
        ([row(90, 60, 20, 30)], [(320, 240), (400, 300)]),
        ([], [(320, 240), (400, 300)]),
    ],
)
def test_a_look_that_is_little_closer_is_taken_for_small_faces_or_none(fake, rows, sizes):
    detector, seen = fake({(320, 240): rows})
    detector.detect_within(np.zeros((480, 640, 3), np.uint8), 400)
    assert [picture.shape[1::-1] for picture in seen] == sizes


def test_the_closest_look_is_taken_in_parts_and_each_face_is_named_once(fake):
    # 4,000 px are searched at 1,920, in two rows of two parts: the lower ones begin at 672 px.
    upper, lower = row(100, 700, 60, 60, 0.8), row(100, 700 - 672, 60, 60, 0.9)
    detector, seen = fake({(1024, 800): [upper], (1024, 768): [lower]})
    faces = detector.detect(np.zeros((3000, 4000), np.uint8))
    sizes = [(320, 240), (640, 480), (1024, 800), (1024, 800), (1024, 768), (1024, 768)]
    assert [picture.shape[1::-1] for picture in seen] == sizes
    assert [(face.box.x, face.box.y, face.score) for face in faces] == [
        (round(100 / 0.48), round(700 / 0.48), pytest.approx(0.9)),
        (round((896 + 100) / 0.48), round(700 / 0.48), pytest.approx(0.9)),
    ]


def test_a_face_that_a_part_cuts_off_is_taken_from_the_part_where_it_is_whole(fake):
    # Of 1920 × 640 px the parts are 0 to 1024 and 896 to 1920; the look before sees nothing.
    whole, cut = row(860, 300, 70, 80, score=0.8), row(0, 300, 34, 80, score=0.95)
    detector, seen = fake({(1024, 640): [whole], (1023, 640): [cut]})
    (face,) = detector.detect(np.zeros((640, 1919, 3), np.uint8))
    assert [picture.shape[1] for picture in seen[-2:]] == [1024, 1023]
    assert face.box == Box(860, 300, 70, 80)
    detector, _ = fake({(1023, 640): [cut]})
    (face,) = detector.detect(np.zeros((640, 1919, 3), np.uint8))
    assert face.box == Box(896, 300, 34, 80)


def test_both_looks_together_name_each_face_once(fake):
    first = [row(10, 10, 30, 30, 0.8), row(100, 100, 120, 130, 0.9)]
    second = [row(21, 19, 60, 61, 0.95), row(500, 40, 30, 36, 0.85)]
    detector, _ = fake({(320, 240): first, (640, 480): second})
    faces = detector.detect(np.zeros((480, 640), np.uint8))
    assert [face.box for face in faces] == [
        Box(200, 200, 240, 260),
        Box(21, 19, 60, 61),
        Box(500, 40, 30, 36),
    ]


def test_the_second_look_can_be_left_out(fake):
    detector, seen = fake({}, max_side_px=160, closer_side_px=0)
    detector.detect(np.zeros((480, 640), np.uint8))
    assert [picture.shape for picture in seen] == [(120, 160, 3)]


def test_small_pictures_are_enlarged_and_never_searched_twice(fake):
    detector, seen = fake({(192, 192): [row(0, 0, 192, 192)]})
    (face,) = detector.detect(np.zeros((48, 48), np.uint8))
    assert face.box == Box(0, 0, 48, 48)
    assert len(seen) == 1


def test_boxes_stay_inside_and_those_outside_go(fake):
    detector, _ = fake(
        {(200, 200): [row(-30, -20, 100, 100), row(150, 160, 90, 90), row(210, 0, 9, 9)]}
    )
    first, second = detector.detect(np.zeros((200, 200), np.uint8))
    assert first.box == Box(0, 0, 70, 80)
    assert second.box == Box(150, 160, 50, 40)


def test_a_missing_file_says_how_to_get_it():
    with pytest.raises(
        ModelFileError,
        match=r"YuNet's file is not at .*face_detection_yunet_2023mar\.onnx\. Fetch it once: mien fetch yunet\. "
        r"Without a network: copy .* with --detector-file FILE or MIEN_YUNET=FILE",
    ):
        open_detector("yunet")


def test_another_file_is_refused(tmp_path, monkeypatch):
    other = tmp_path / "other.onnx"
    other.write_bytes(b"another network")
    words = (
        r"other\.onnx is not face_detection_yunet_2023mar\.onnx: its SHA-256 is .*8f2383e4dd3cfbb4"
    )
    with pytest.raises(ModelFileError, match=words):
        YuNetDetector(other)
    monkeypatch.setenv("MIEN_YUNET", str(other))
    with pytest.raises(ModelFileError, match=words):  # and `auto` does not quietly take another
        open_detector("auto")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ModelFileError, match=r"cannot be read: Is a directory\."):
        YuNetDetector(tmp_path)


@pytest.mark.parametrize("sizes", [{"max_side_px": 10}, {"closer_side_px": 9000}])
def test_absurd_sizes_are_refused(tmp_path, sizes):
    with pytest.raises(InputError, match=r"YuNetDetector searches pictures of .*expected 64 to"):
        YuNetDetector(tmp_path, **sizes)


@pytest.fixture(scope="module")
def astronaut():
    package = importlib.util.find_spec("skimage")
    if package is None:
        pytest.skip("scikit-image, which carries the portrait, is not installed")
    return images.read(Path(package.origin).parent / "data" / "astronaut.png")


def test_a_real_face_is_found_with_its_landmarks(yunet_file, astronaut):
    (face,) = YuNetDetector(yunet_file).detect(astronaut)
    assert 170 < face.box.x < 190
    assert 50 < face.box.y < 75
    assert 80 < face.box.w < 100
    assert 0.8 < face.score <= 1
    right_eye, left_eye, nose, mouth_right, mouth_left = face.landmarks
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_eye[1] < nose[1] < mouth_right[1]
    assert mouth_right[0] < mouth_left[0]


def with_faces(size, portrait, faces):
    """Return a grey picture with the portrait's face, 90 px wide there, at places (x, y) and of so many px."""
    picture = np.full((size[1], size[0], 3), 90, np.uint8)
    head = portrait[20:210, 130:320]
    for x, y, face_px in faces:
        side = round(len(head) * face_px / 90)
        picture[y : y + side, x : x + side] = cv2.resize(
            head, (side, side), interpolation=cv2.INTER_AREA
        )
    return picture


def test_small_faces_behind_a_large_one_are_found(yunet_file, astronaut):
    small = [(1150 + 180 * i, 60 + 240 * j, 60) for i in range(4) for j in range(4)]
    picture = with_faces((1920, 1080), astronaut, [(60, 60, 400), *small])
    detector = YuNetDetector(yunet_file)
    assert len(detector.detect(picture)) == 17
    assert len(detector.detect_within(picture, 1920)) == 17


def test_a_group_in_a_telephone_s_photo_is_found(yunet_file, astronaut):
    group = [(100 + 480 * i, 100 + 550 * j, 80) for i in range(8) for j in range(5)]
    picture = with_faces((4000, 3000), astronaut, group)
    assert len(YuNetDetector(yunet_file).detect(picture)) == 40


def test_a_mirrored_face_looks_the_other_way(yunet_file, astronaut):
    detector = YuNetDetector(yunet_file)
    (face,) = detector.detect(astronaut)
    (mirrored,) = detector.detect(astronaut[:, ::-1].copy())
    assert yaw_deg(mirrored.landmarks) == pytest.approx(-yaw_deg(face.landmarks), abs=4)
    assert roll_deg(mirrored.landmarks) == pytest.approx(-roll_deg(face.landmarks), abs=3)


@pytest.mark.parametrize("turn", [-30, 30])
def test_a_leaning_face_is_found_and_leans_to_the_right_side(yunet_file, astronaut, turn):
    matrix = cv2.getRotationMatrix2D((224, 119), -turn, 1)
    leaning = cv2.warpAffine(astronaut, matrix, (512, 512), borderMode=cv2.BORDER_REFLECT)
    found = YuNetDetector(yunet_file).detect(leaning)[0]
    assert overlap(found.box, Box(179, 63, 90, 112)) > 0.8
    assert 3 < roll_deg(found.landmarks) * np.sign(turn) < 40


def test_threads_share_a_detector(yunet_file, astronaut):
    detector = YuNetDetector(yunet_file)
    expected = [face.box for face in detector.detect(astronaut)]
    results = []
    threads = [
        threading.Thread(
            target=lambda: results.append([face.box for face in detector.detect(astronaut)])
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 3


def test_auto_takes_yunet_where_its_file_is_and_says_so(yunet_file, monkeypatch, caplog):
    caplog.set_level("INFO")
    assert isinstance(open_detector("auto"), HaarDetector)
    assert isinstance(open_detector("auto", yunet_file), YuNetDetector)
    monkeypatch.setenv("MIEN_YUNET", str(yunet_file))
    assert isinstance(open_detector("auto"), YuNetDetector)
    assert caplog.messages == [f"Faces are looked for by {n}." for n in ("haar", "yunet", "yunet")]


def test_a_known_face_is_searched_for_in_the_cells_around_it(fake):
    # At half the size it lies at 60 to 110 px: with its reach, in the cells from 32 to 128.
    detector, seen = fake({(96, 96): [row(30, 30, 50, 50)]})
    picture = np.random.default_rng(0).integers(0, 256, (640, 640, 3), dtype=np.uint8)
    (face,) = detector.detect_near(picture, [Box(120, 120, 100, 100)], 320)
    assert face.box == Box(2 * (32 + 30), 2 * (32 + 30), 100, 100)
    np.testing.assert_allclose(face.landmarks[0], [2 * (32 + 45), 2 * (32 + 50)], atol=1e-3)
    detector.detect(picture)
    np.testing.assert_array_equal(seen[0], seen[1][32:128, 32:128])


def test_a_small_known_face_is_searched_for_at_the_closer_look_s_scale(fake):
    detector, seen = fake({(64, 64): [row(18, 18, 30, 30)]})
    (face,) = detector.detect_near(np.zeros((640, 640), np.uint8), [Box(114, 114, 30, 30)], 640)
    assert face.box == Box(96 + 18, 96 + 18, 30, 30)
    assert len(seen) == 1


def test_a_known_face_that_is_not_there_is_said(fake):
    detector, _ = fake({})
    assert (
        detector.detect_near(np.zeros((640, 640), np.uint8), [Box(120, 120, 100, 100)], 320) is None
    )


def test_two_known_faces_that_became_one_are_said(fake):
    detector, _ = fake({(96, 96): [row(30, 30, 50, 50)]})
    both = [Box(120, 120, 100, 100), Box(124, 122, 100, 100)]
    assert detector.detect_near(np.zeros((640, 640), np.uint8), both, 320) is None


@pytest.mark.parametrize(
    ("shape", "faces"),
    [((640, 640), [Box(20, 20, 560, 560)]), ((100, 100), [Box(20, 20, 40, 40)])],
)
def test_where_windows_would_save_nothing_none_is_searched(fake, shape, faces):
    detector, seen = fake({})
    assert detector.detect_near(np.zeros(shape, np.uint8), faces, 320) is None
    assert not seen


@pytest.mark.parametrize(("side_px", "sizes"), [(200, [200]), (320, [320]), (500, [320, 500])])
def test_a_picture_is_searched_at_no_larger_a_side_than_asked(fake, side_px, sizes):
    detector, seen = fake({})
    detector.detect_within(np.zeros((1000, 1000), np.uint8), side_px)
    assert [picture.shape[0] for picture in seen] == sizes


def test_a_real_face_is_found_near_where_it_was(yunet_file, astronaut):
    detector = YuNetDetector(yunet_file)
    (face,) = detector.detect_within(astronaut, 320)
    moved = Box(face.box.x - 8, face.box.y + 6, face.box.w, face.box.h)
    (again,) = detector.detect_near(astronaut, [moved], 320)
    np.testing.assert_allclose(again.box.as_list(), face.box.as_list(), atol=4)
    np.testing.assert_allclose(again.landmarks, face.landmarks, atol=4)
    assert detector.detect_near(astronaut, [Box(20, 300, 90, 110)], 320) is None
