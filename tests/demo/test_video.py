import cv2
import numpy as np
import pytest

from mien.demo.video import StopButton, Watched, watch_recording, watched_html
from mien.errors import ConfigError, VideoError
from mien.faces import open_detector
from mien.recognition import Recognizer
from mien.recognition.film import open_film
from mien.recognition.table import read_table
from mien.recognition.timeline import Timeline

BRIGHT, DARK = 235, 20


@pytest.fixture
def recognizer(tiny_model_path):
    return Recognizer(tiny_model_path, detector=open_detector("none"))


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.mp4"
    with open_film(path) as film:
        for number in range(20):
            tone = BRIGHT if number < 10 else DARK
            film(np.full((48, 64, 3), tone, np.uint8), 0.1 * number)
    return path


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_table_film_and_picture_are_what_the_library_makes(recognizer, clip, out):
    *_, done = watch_recording(recognizer, clip, out, "en")
    assert [file.name for file in done.files] == [
        "clip.csv",
        "clip-annotated.mp4",
        "clip-timeline.png",
    ]
    table, film, picture = done.files
    watched = list(recognizer.watch(clip))
    assert [(r.frame, r.expression) for r in read_table(table)] == [
        (r.frame, r.expression) for r in watched
    ]
    assert cv2.VideoCapture(str(film)).get(cv2.CAP_PROP_FRAME_COUNT) == 20
    assert cv2.imread(str(picture)).shape[1] == 2000
    assert done.is_done
    assert done.timeline.seconds() == Timeline(watched).seconds()
    words = watched_html(done, "en")
    assert "20 frames, 0 of them without a face." in words
    assert "happy 1.2 s" in words


def test_a_part_of_the_frames(recognizer, clip, out):
    *_, done = watch_recording(recognizer, clip, out, "en", fps=5)
    assert [r.frame for r in read_table(done.files[0])] == list(range(0, 20, 2))


def test_progress_is_told_on_the_way(recognizer, clip, out, monkeypatch):
    monkeypatch.setattr("mien.demo.video._REPORT_S", 0.0)
    shares, words = [], ""
    for watched in watch_recording(recognizer, clip, out, "ko"):
        shares.append(watched.share)
        words = words or watched_html(watched, "ko")
    assert shares[:3] == pytest.approx([0.0, 0.05, 0.1])
    assert shares[-1] == 1.0
    assert shares == sorted(shares)
    assert "0.0초까지 읽음, 0 %" in words


def test_who_stops_early_leaves_nothing_running(recognizer, clip, out, monkeypatch):
    monkeypatch.setattr("mien.demo.video._REPORT_S", 0.0)
    watching = watch_recording(recognizer, clip, out, "en")
    next(watching)
    watching.close()
    assert not [file for file in out.iterdir() if file.name.startswith(".")]


def test_who_stops_keeps_what_was_read(recognizer, clip, out, monkeypatch):
    monkeypatch.setattr("mien.demo.video._REPORT_S", 0.0)
    stop = StopButton()
    for done in watch_recording(recognizer, clip, out, "en", stop=stop):
        if done.share >= 0.25 and not done.is_done:
            stop.press()
    assert [r.frame for r in read_table(done.files[0])] == list(range(7))
    assert cv2.VideoCapture(str(done.files[1])).get(cv2.CAP_PROP_FRAME_COUNT) == 7
    assert done.files[2].is_file()
    assert done.stopped_s == pytest.approx(0.6)
    assert "Stopped at 0.60 s." in watched_html(done, "en")
    assert "0.60초에서 멈췄습니다." in watched_html(done, "ko")
    assert "mien-progress" not in watched_html(done, "en")


def test_a_recording_that_breaks_off_keeps_what_was_read(recognizer, tmp_path, out):
    path = tmp_path / "cut.avi"
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, 25, (64, 48))
    for _ in range(50):
        writer.write(np.full((48, 64, 3), BRIGHT, np.uint8))
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    *_, done = watch_recording(recognizer, path, out, "en")
    rows = list(read_table(done.files[0]))
    assert 20 < len(rows) < 35
    assert done.broke_off_s == pytest.approx(rows[-1].time_s)
    assert f"breaks off at {rows[-1].time_s:.2f} s" in watched_html(done, "en")
    assert f"{rows[-1].time_s:.2f}초에서 끊깁니다" in watched_html(done, "ko")


def test_what_is_no_recording_is_an_error_before_any_file(recognizer, tmp_path, out):
    (tmp_path / "x.mp4").write_bytes(b"no film at all" * 99)
    with pytest.raises(VideoError, match="is not a recording that can be decoded"):
        next(watch_recording(recognizer, tmp_path / "x.mp4", out, "en"))
    assert list(out.iterdir()) == []


def test_a_film_that_cannot_be_written_is_no_fault_of_the_recording(
    recognizer, clip, out, monkeypatch
):
    with monkeypatch.context() as full:
        full.setattr("mien.recognition.film._set_times", lambda *_: False)
        with pytest.raises(ConfigError, match=r"film has no end\. Is the disk full"):
            list(watch_recording(recognizer, clip, out, "en"))
    with monkeypatch.context() as strange:
        strange.setattr("mien.recognition.film.cv2.VideoWriter.isOpened", lambda _: False)
        with pytest.raises(ConfigError, match=r"cannot be written: .* 64 × 48 px"):
            list(watch_recording(recognizer, clip, out, "en"))


def test_a_recording_without_faces(tiny_model_path, clip, out):
    haar = Recognizer(tiny_model_path, detector=open_detector("haar"))
    *_, done = watch_recording(haar, clip, out, "en")
    words = watched_html(done, "en")
    assert "20 frames, 20 of them without a face." in words
    assert "No face in the recording so far." in words


def test_a_share_that_nobody_knows_is_nothing():
    assert "width:0.0%" in watched_html(Watched(timeline=Timeline(), share=0.0), "en")


def test_without_a_single_frame_there_is_no_film(recognizer, clip, out, monkeypatch):
    monkeypatch.setattr("mien.demo.video.watch_frames", lambda *_, **__: (_ for _ in ()))
    *_, done = watch_recording(recognizer, clip, out, "en")
    assert [file.is_file() for file in done.files] == [True, False, True]
    assert "0 frames, 0 of them without a face." in watched_html(done, "en")
