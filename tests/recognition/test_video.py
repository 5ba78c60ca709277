import itertools
import threading
import time

import cv2
import numpy as np
import pytest

from mien.errors import InputError, VideoError
from mien.faces import CropFrame
from mien.recognition import Recognizer
from mien.recognition.film import open_film
from mien.recognition.smoothing import Smoothing
from mien.recognition.source import Frame, VideoSource, open_source
from mien.recognition.video import search, watch_frames
from mien.types import Box, Detection

DARK, GREY, BRIGHT = 20, 128, 235
LANDMARKS = np.array([[20, 30], [40, 30], [36, 40], [24, 50], [38, 50]], np.float32)


class OneBox:
    """A detector that sees a face wherever the picture is not black."""

    name = "one"
    frame = CropFrame(side=1.0)

    def __init__(self, landmarks=None, boxes=None):
        self.landmarks, self.boxes = landmarks, boxes or [Box(10, 8, 32, 32)]

    def detect(self, image):
        if image.mean() < 5:
            return []
        return [Detection(box, 0.9, self.landmarks) for box in self.boxes]


def draw(path, tones, times=None):
    with open_film(path) as film:
        for number, tone in enumerate(tones):
            film(np.full((48, 64, 3), tone, np.uint8), times[number] if times else number / 25)
    return path


@pytest.fixture(scope="module")
def open_recognizer(tiny_model_path):
    return lambda detector=None: Recognizer(tiny_model_path, detector=detector or OneBox())


def test_there_is_one_row_a_frame_and_face_with_all_it_says(tmp_path, open_recognizer):
    path = draw(tmp_path / "a.mp4", [BRIGHT] * 20)
    rows = list(open_recognizer(OneBox(LANDMARKS)).watch(path))
    assert [row.frame for row in rows] == list(range(20))
    np.testing.assert_allclose([row.time_s for row in rows], np.arange(20) / 25, atol=0.001)
    assert {row.track for row in rows} == {1}
    first = rows[0]
    assert first.box == Box(10, 8, 32, 32)
    assert first.score == 0.9
    assert first.yaw_deg == pytest.approx(26.6, abs=0.1)  # atan(6 / (0.6 · 20))
    assert first.expression == "happiness"
    assert first.confidence == first.smoothed["happiness"] == max(first.smoothed.values())
    assert sum(first.probabilities.values()) == pytest.approx(1)
    assert first.probabilities == first.smoothed


def test_a_frame_without_faces_has_its_row(tmp_path, open_recognizer):
    path = draw(tmp_path / "a.mp4", [GREY] * 12 + [0] * 5 + [GREY] * 12)
    rows = list(open_recognizer().watch(path))
    assert [row.frame for row in rows] == list(range(29))
    assert [row.track for row in rows] == [1] * 12 + [None] * 5 + [1] * 12
    empty = rows[14].as_dict()
    assert {name for name, value in empty.items() if value is not None} == {"frame", "time_s"}


def test_a_face_that_flashes_up_has_rows_only_without_probation(tmp_path, open_recognizer):
    path = draw(tmp_path / "a.mp4", [0] * 10 + [GREY] * 2 + [0] * 18)
    assert {row.track for row in open_recognizer().watch(path)} == {None}
    rows = list(open_recognizer().watch(path, probation_s=0))
    assert [row.frame for row in rows if row.track == 1] == [10, 11]
    assert len(rows) == 30


def test_a_recording_s_answers_are_those_of_its_pictures(tmp_path, open_recognizer):
    tones = list(range(20, 240, 9))
    path = draw(tmp_path / "a.mp4", tones)
    recognizer = open_recognizer()
    rows = list(recognizer.watch(path))
    with open_source(path) as source:
        pictures = [recognizer.predict(frame.image)[0] for frame in source.frames()]
    assert len(rows) == len(tones)
    for row, face in zip(rows, pictures, strict=True):
        assert row.box == face.box
        assert row.probabilities == pytest.approx(face.probabilities, abs=1e-5)


def test_a_label_does_not_flicker_with_its_frames(tmp_path, open_recognizer):
    path = draw(tmp_path / "a.mp4", [BRIGHT, DARK] * 40)
    rows = list(open_recognizer().watch(path))
    raw = [max(row.probabilities, key=row.probabilities.get) for row in rows]
    assert len(set(raw[::2])) == len(set(raw[1::2])) == 1
    assert raw[0] != raw[1]
    shown = [row.expression for row in rows]
    changes = [b.time_s for a, b in itertools.pairwise(rows) if a.expression != b.expression]
    assert np.all(np.diff([0, *changes]) >= Smoothing().dwell_s)
    assert len(changes) <= 6, shown


def test_a_lasting_change_is_shown(tmp_path, open_recognizer):
    path = draw(tmp_path / "a.mp4", [BRIGHT] * 25 + [DARK] * 25)
    shown = [row.expression for row in open_recognizer().watch(path)]
    change = shown.index("sadness")
    assert shown == ["happiness"] * change + ["sadness"] * (50 - change)
    assert 25 < change < 25 + 15


def test_uneven_times_come_from_the_container(tmp_path, open_recognizer):
    times = [0, 0.1, 0.15, 0.9, 1.0, 3.5]
    path = draw(tmp_path / "a.mp4", [GREY] * 6, times)
    rows = list(open_recognizer().watch(path))
    np.testing.assert_allclose([row.time_s for row in rows], times, atol=0.001)


def test_one_person_is_one_track_at_any_rate(tmp_path, open_recognizer):
    path = draw(tmp_path / "a.mp4", [GREY] * 20, [0.5 * n for n in range(20)])
    for fps in (2, 0.5, 0.2):
        rows = list(open_recognizer().watch(path, fps=fps))
        assert [row.track for row in rows] == [1] * len(rows)
        assert len(rows) == 10 * fps


def test_no_more_faces_are_followed_than_asked_for(tmp_path, open_recognizer):
    path = draw(tmp_path / "a.mp4", [GREY] * 10)
    two = OneBox(boxes=[Box(0, 0, 30, 30), Box(34, 0, 28, 28)])
    assert [row.track for row in open_recognizer(two).watch(path)] == [1, 2] * 10
    rows = list(open_recognizer(two).watch(path, max_faces=1))
    assert [row.box.w for row in rows] == [30] * 10


class SizeSeen(OneBox):
    """Remembers the size of what it searches, and sees its middle half."""

    def detect(self, image):
        self.seen = image.shape[:2]
        height, width = self.seen
        box = Box(width // 4, height // 4, width // 2, height // 2)
        return [Detection(box, 0.9, np.array([[width, height]] * 5, np.float32))]


@pytest.mark.parametrize(
    ("search_px", "seen"), [(100, (75, 100)), (200, (150, 200)), (400, (150, 200))]
)
def test_faces_are_looked_for_in_smaller_frames_and_found_in_their_own(search_px, seen):
    detector = SizeSeen()
    (found,) = search(detector, np.zeros((150, 200, 3), np.uint8), search_px)
    assert detector.seen == seen
    assert max(np.abs(np.subtract(found.box.as_list(), [50, 37, 100, 75]))) <= 2
    np.testing.assert_allclose(found.landmarks, [[200, 150]] * 5)


def test_a_box_at_the_border_stays_inside():
    class Corner(OneBox):
        def detect(self, image):
            height, width = image.shape[:2]
            return [Detection(Box(width - 33, height - 21, 33, 21), 1.0)]

    (found,) = search(Corner(), np.zeros((333, 1000, 3), np.uint8), 301)
    assert (found.box.x + found.box.w, found.box.y + found.box.h) == (1000, 333)


class Follower(OneBox):
    """Sees the white squares of a frame, and notes how it was asked."""

    def __init__(self):
        super().__init__()
        self.full, self.near = [], []
        self.is_blind = False

    def _squares(self, image):
        ones = (image[..., 0] > 150).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(ones)
        boxes = [Box(*(int(side) for side in row[:4])) for row in stats[1:] if row[4] > 50]
        return sorted(boxes, key=lambda box: -box.w * box.h)

    def detect_within(self, image, side_px):
        self.full.append(side_px)
        return [Detection(box, 0.9) for box in self._squares(image)]

    def detect_near(self, image, faces, _side_px):
        self.near.append(len(faces))
        found = [box for box in self._squares(image) if any(abs(box.x - f.x) < 9 for f in faces)]
        return [Detection(box, 0.8) for box in found] if len(found) == len(faces) else None


def squares(path, places):
    """Draw a recording with squares at these x in each frame."""
    with open_film(path) as film:
        for number, xs in enumerate(places):
            image = np.full((64, 160, 3), 40, np.uint8)
            for x in xs:
                image[16:48, x : x + 32] = 230
            film(image, number / 25)
    return path


def test_known_faces_are_followed_and_all_is_searched_now_and_then(tmp_path, open_recognizer):
    path = squares(tmp_path / "a.mp4", [[10 + n] for n in range(50)])
    detector = Follower()
    rows = list(open_recognizer(detector).watch(path, full_look_s=0.4))
    assert [row.track for row in rows] == [1] * 50
    # All of the first four frames, whose looks start before anybody is known, then of each tenth.
    assert len(detector.full) == 8
    assert len(detector.near) == 42
    assert {row.frame for row in rows if row.score == 0.9} == {0, 1, 2, 3, 13, 23, 33, 43}


def test_a_new_face_waits_no_longer_than_the_interval_and_has_no_gaps_then(
    tmp_path, open_recognizer
):
    path = squares(tmp_path / "a.mp4", [[10] if n < 25 else [10, 100] for n in range(60)])
    rows = list(open_recognizer(Follower()).watch(path, full_look_s=0.4))
    second = [row.frame for row in rows if row.track == 2]
    assert 25 <= second[0] <= 35
    assert second == list(range(second[0], 60))
    rows = list(open_recognizer(Follower()).watch(path, full_look_s=0))
    assert [row.frame for row in rows if row.track == 2] == list(range(25, 60))


def test_when_a_known_face_is_gone_all_is_searched(tmp_path, open_recognizer):
    places = [[10] if n < 20 else [110] if n < 40 else [] for n in range(60)]
    path = squares(tmp_path / "a.mp4", places)
    rows = list(open_recognizer(Follower()).watch(path, full_look_s=5))
    assert [row.track for row in rows] == [1] * 20 + [2] * 20 + [None] * 20


def test_the_same_recording_gives_the_same_rows_however_threads_run(tmp_path, open_recognizer):
    places = [[10 + n] if n % 7 else [10 + n, 110] for n in range(60)]
    path = squares(tmp_path / "a.mp4", places)

    class Slow(Follower):
        def detect_within(self, image, side_px):
            time.sleep(0.002 * (len(self.full) % 3))
            return super().detect_within(image, side_px)

    first = list(open_recognizer(Follower()).watch(path))
    for detector in (Follower(), Slow(), Slow()):
        assert list(open_recognizer(detector).watch(path)) == first


def test_a_detector_that_fails_ends_it_with_its_error(tmp_path, open_recognizer):
    class Broken(Follower):
        def detect_near(self, *_asked):
            raise InputError("this detector is broken")

    path = squares(tmp_path / "a.mp4", [[10]] * 60)
    before = set(threading.enumerate())
    with pytest.raises(InputError, match="this detector is broken"):
        list(open_recognizer(Broken()).watch(path))
    assert set(threading.enumerate()) <= before


def test_a_camera_s_faces_are_followed_too(open_recognizer):
    detector = Follower()

    class Still(Camera):
        def frames(self, *_part):
            image = np.full((64, 160, 3), 40, np.uint8)
            image[16:48, 10:42] = 230
            for index in range(self.count):
                # Slower than whoever looks, on a busy machine too: each frame is looked at.
                wait_until(lambda index=index: len(detector.full) + len(detector.near) >= index)
                yield Frame(index, index / 25, image)

    frames = list(watch_frames(open_recognizer(detector), Still(100)))
    assert len(detector.near) > len(detector.full)
    assert frames[-1].rows[0].track == 1


def test_a_part_can_be_watched(tmp_path, open_recognizer):
    path = draw(tmp_path / "a.mp4", [GREY] * 50)
    rows = list(open_recognizer().watch(path, fps=5, start=0.4, end=1.2))
    assert [row.frame for row in rows] == [10, 15, 20, 25]


def test_a_break_comes_after_all_rows_before_it(tmp_path, open_recognizer):
    path = tmp_path / "cut.avi"
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48)
    )
    for _ in range(50):
        writer.write(np.full((48, 64, 3), GREY, np.uint8))
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    rows = []

    def drain():
        for row in open_recognizer().watch(path):
            rows.append(row)

    with pytest.raises(VideoError, match="stopped at") as told:
        drain()
    assert f"after {len(rows)} frames of 50" in str(told.value)


def test_stopping_early_ends_the_threads(tmp_path, open_recognizer):
    path = draw(tmp_path / "a.mp4", [GREY] * 60)
    before = set(threading.enumerate())
    frames = watch_frames(open_recognizer(), open_source(path))
    next(frames)
    frames.close()
    assert set(threading.enumerate()) <= before


def wait_until(holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.0005)


class Camera(VideoSource):
    """A live source; `made` counts the frames that it has given."""

    def __init__(self, count):
        self.count, self.made, self.is_live, self.is_closed = count, 0, True, False

    def frames(self, *_part):
        for index in range(self.count):
            time.sleep(0.002)
            self.made += 1
            yield Frame(index, index * 0.002, np.full((48, 64, 3), GREY, np.uint8))

    def close(self):
        self.is_closed = True


def test_a_camera_drops_frames_instead_of_lagging(open_recognizer):
    camera = Camera(200)
    seen = []
    for frame in watch_frames(open_recognizer(), camera):
        seen.append(frame.index)
        # Ten times slower than the camera, however fast that is on a busy machine.
        goal = min(camera.made + 10, camera.count)
        wait_until(lambda goal=goal: camera.made >= goal)
    assert seen == sorted(set(seen))
    assert len(seen) < 60
    assert max(np.diff(seen)) > 3
    assert camera.is_closed


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"fps": 0}, "fps is 0; expected a positive number"),
        ({"fps": float("nan")}, "fps is nan"),
        ({"search_px": 63}, "search_px is 63; expected 64 or more"),
        ({"full_look_s": float("nan")}, "full_look_s is nan; expected 0 or more seconds"),
        ({"probation_s": -1}, "probation_s is -1; expected 0 or more seconds"),
        ({"max_faces": 0}, "max_faces is 0; expected 1 or more"),
        ({"start": -1}, "start is -1; expected seconds from 0"),
        ({"end": float("inf")}, "end is inf; expected seconds from 0"),
        ({"start": 2, "end": 2}, "end is 2 s and start 2 s; expected the end after it"),
    ],
)
def test_numbers_out_of_range_are_refused_at_once(tmp_path, open_recognizer, how, message):
    path = draw(tmp_path / "a.mp4", [GREY])
    with pytest.raises(InputError, match=message):
        open_recognizer().watch(path, **how)


def test_a_source_that_is_not_there_is_said_at_once(open_recognizer):
    with pytest.raises(VideoError, match=r"nowhere\.mp4 does not exist"):
        open_recognizer().watch("nowhere.mp4")
