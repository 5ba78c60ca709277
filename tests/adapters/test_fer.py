import json
import sys

import cv2
import numpy as np
import pytest

from mien.adapters.fer import FER, Video
from mien.data.synthetic import draw_scene
from mien.errors import InputError, MissingExtraError, VideoError
from mien.recognition import Recognizer

# What fer's README shows: [{"box": [277, 90, 48, 63], "emotions": {"angry": 0.02, "disgust": 0.0, …}}]
EMOTIONS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]


def test_the_records_are_fers(two_faces, picture):
    dark, bright = FER(recognizer=two_faces).detect_emotions(picture)
    assert list(dark) == ["box", "emotions"]
    assert (dark["box"], bright["box"]) == ([0, 0, 40, 40], [40, 0, 40, 40])
    assert list(dark["emotions"]) == EMOTIONS
    # Logits at temperature 2, without contempt: sad 4, neutral 1, happy -4, four others 0.
    total = np.exp(4) + np.exp(1) + np.exp(-4) + 4
    assert dark["emotions"] == {
        "angry": round(1 / total, 2),
        "disgust": round(1 / total, 2),
        "fear": round(1 / total, 2),
        "happy": 0.0,
        "sad": round(np.exp(4) / total, 2),
        "surprise": round(1 / total, 2),
        "neutral": round(np.e / total, 2),
    }
    json.dumps([dark, bright])


def test_the_top_emotion_is_that_of_the_first_face(two_faces, picture):
    fer = FER(recognizer=two_faces)
    assert fer.top_emotion(picture) == ("sad", fer.detect_emotions(picture)[0]["emotions"]["sad"])


def test_no_face_gives_nothing(no_faces, picture):
    fer = FER(recognizer=no_faces)
    assert fer.detect_emotions(picture) == []
    assert fer.top_emotion(picture) == (None, None)


def test_arrays_are_bgr_and_agree_with_the_file(tiny_model_path, scene_path):
    fer = FER(recognizer=Recognizer(tiny_model_path, detector="haar"))
    faces = fer.detect_emotions(cv2.imread(str(scene_path)))
    assert faces == fer.detect_emotions(str(scene_path))
    assert len(faces) == 2


def test_rectangles_take_the_place_of_the_detector(no_faces, picture):
    fer = FER(recognizer=no_faces)
    rectangles = np.array([[45, 5, 30, 30], [5, 5, 30, 30]])
    bright, dark = fer.detect_emotions(picture, face_rectangles=rectangles)
    assert (bright["box"], dark["box"]) == ([45, 5, 30, 30], [5, 5, 30, 30])
    assert bright["emotions"]["happy"] > 0.8
    assert dark["emotions"]["sad"] > 0.8
    assert fer.detect_emotions(picture, face_rectangles=[]) == []


@pytest.mark.parametrize(
    ("rectangle", "words"),
    [((1, 2, 3), "expected a Box or four numbers"), ((99, 0, 5, 5), "lies outside the picture")],
)
def test_a_wrong_rectangle_is_shown(no_faces, picture, rectangle, words):
    with pytest.raises(InputError, match=words):
        FER(recognizer=no_faces).detect_emotions(picture, face_rectangles=[rectangle])


@pytest.fixture
def recording(tmp_path):
    """Two seconds in which a drawn face is there, away for the middle half second, and there again."""
    scene, _ = draw_scene(["happiness"], seed=3, width_px=160, height_px=160)
    path = tmp_path / "face.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (160, 160))
    for number in range(20):
        frame = np.full_like(scene, 128) if 8 <= number < 13 else scene
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def test_a_recording_gives_fers_numbered_columns(tiny_model_path, recording):
    detector = FER(recognizer=Recognizer(tiny_model_path, detector="haar"))
    video = Video(str(recording))
    raw = video.analyze(detector, display=False)
    assert len(raw) == 20
    assert list(raw[0]) == ["box0", *(f"{label}0" for label in EMOTIONS)]
    assert [number for number, row in enumerate(raw) if not row] == [8, 9, 10, 11, 12]
    table = video.to_pandas(raw)
    assert list(table.columns) == ["box", *EMOTIONS]
    assert len(table) == 20
    assert table["happy"].isna().sum() == 5
    assert table["happy"][0] == raw[0]["happy0"]
    everyone = Video(recording, first_face_only=False).to_pandas(raw)
    assert list(everyone.columns) == list(raw[0])
    assert video.analyze(detector, frequency=5) == raw[::5]


def test_calls_that_fers_users_make_are_taken(tiny_model_path, recording, tmp_path):
    detector = FER(recognizer=Recognizer(tiny_model_path, detector="haar"))
    video = Video(str(recording), str(tmp_path / "output"), True)
    raw = video.analyze(
        detector, False, "csv", None, save_frames=False, save_video=False, lang="ko"
    )
    assert len(raw) == 20
    assert video.analyze(detector, frequency=2, max_results=3) == raw[:6:2]
    assert not (tmp_path / "output").exists()
    table = video.analyze(detector, output="pandas", annotate_frames=False, zip_images=False)
    assert list(table.columns) == ["box", *EMOTIONS]
    assert video.to_pandas(table) is table
    assert video.get_first_face(table) is table
    assert list(video.get_emotions(table).columns) == EMOTIONS


def test_rows_are_written_as_csv(tmp_path):
    first = {"box0": [1, 2, 3, 4], "angry0": 0.25}
    both = {**first, "box1": [5, 6, 7, 8], "angry1": 0.5}
    assert Video("a.mp4").to_csv([both, {}, first], tmp_path / "rows.csv") == [both, {}, first]
    assert (tmp_path / "rows.csv").read_text().splitlines() == [
        "box0,angry0,box1,angry1",
        '"[1, 2, 3, 4]",0.25,"[5, 6, 7, 8]",0.5',
        ",,,",
        '"[1, 2, 3, 4]",0.25,,',
    ]


def test_the_second_argument_is_the_folder_as_with_fer():
    with pytest.raises(
        InputError, match=r"outdir is False; .*Name the other one: first_face_only=F"
    ):
        Video("a.mp4", False)


def test_a_face_that_is_there_for_a_frame_is_scored_too(tiny_model_path, recording):
    once = recording.with_name("once.mp4")
    capture = cv2.VideoCapture(str(recording))
    _, scene = capture.read()
    capture.release()
    writer = cv2.VideoWriter(str(once), cv2.VideoWriter.fourcc(*"mp4v"), 10, (160, 160))
    for number in range(10):
        writer.write(scene if number == 4 else np.full_like(scene, 128))
    writer.release()
    detector = FER(recognizer=Recognizer(tiny_model_path, detector="haar"))
    assert [bool(row) for row in Video(once).analyze(detector)] == [n == 4 for n in range(10)]


def test_the_tenth_face_is_not_taken_for_the_first():
    row = {f"{key}{number}": number for number in (0, 10) for key in ("box", *EMOTIONS)}
    table = Video("a.mp4").to_pandas([row])
    assert list(table.columns) == ["box", *EMOTIONS]
    assert table["box"][0] == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"display": True}, "shows no window here; leave display out"),
        ({"frequency": 0}, r"frequency is 0; expected 1 or more\."),
        ({"max_results": 0}, r"max_results is 0; expected 1 or more\."),
        ({"output": "json"}, r"output is 'json'; expected csv or pandas\."),
        ({"save_video": True}, r"writes no files; leave save_video out, or run: mien watch --save"),
        ({"save_frames": True}, r"writes no files; leave save_frames out"),
        ({"include_audio": True}, r"writes no files; leave include_audio out"),
        ({"save_fps": 2}, r"counts frames; give frequency"),
        ({"detection_box": {"x_min": 0}}, r"searches frames whole; leave detection_box out"),
    ],
)
def test_what_a_video_cannot_do_is_said(two_faces, options, words):
    with pytest.raises(InputError, match=words):
        Video("a.mp4").analyze(FER(recognizer=two_faces), **options)


def test_without_pandas_the_install_command_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(
        MissingExtraError, match=r"Video\.to_pandas needs an extra: .*mien\[pandas\]"
    ):
        Video("a.mp4").to_pandas([])


def test_a_missing_recording_is_named(two_faces):
    with pytest.raises(VideoError, match=r"gone\.mp4"):
        Video("gone.mp4").analyze(FER(recognizer=two_faces))
