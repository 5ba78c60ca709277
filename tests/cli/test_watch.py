import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer

from mien import cli
from mien.cli import watch as watch_command
from mien.recognition.film import open_film
from mien.recognition.gaze import FULL_LOOK_S
from mien.recognition.probation import PROBATION_S
from mien.recognition.table import read_table
from mien.recognition.video import SEARCH_PX

DARK, BRIGHT = 20, 235


@pytest.fixture
def run(tiny_model_path, monkeypatch, capfd):
    """Return a function that runs `mien watch`, each frame a face: exit code, stdout, stderr."""

    def call(*arguments, detector="none"):
        options = ["--model", str(tiny_model_path), "--detector", detector]
        monkeypatch.setattr(sys, "argv", ["mien", "watch", *map(str, arguments), *options])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capfd.readouterr()
        return ended.value.code or 0, shown.out, shown.err

    return call


@pytest.fixture
def clip(tmp_path):
    """One second bright, then one second dark, at uneven times."""
    path = tmp_path / "clip.mp4"
    with open_film(path) as film:
        for number in range(20):
            tone = BRIGHT if number < 10 else DARK
            film(np.full((48, 64, 3), tone, np.uint8), 0.1 * number + 0.01 * (number % 2))
    return path


@pytest.fixture
def cut_clip(tmp_path):
    path = tmp_path / "cut.avi"
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, 25, (64, 48))
    for _ in range(50):
        writer.write(np.full((48, 64, 3), BRIGHT, np.uint8))
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    return path


def frames_of(path):
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    frames = []
    while capture.grab():
        frames.append((capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, capture.retrieve()[1]))
    capture.release()
    return frames


def test_the_summary_says_who_showed_what_for_how_long(run, clip):
    code, out, err = run(clip)
    assert (code, err) == (0, "")
    first, head, _, row = out.splitlines()
    assert first == "20 frames, 0 without a face"
    assert head.split() == ["track", "seconds", "expressions", "(seconds)"]
    assert row.split() == ["1", "2.0", "happy", "1.2,", "sad", "0.8"]


@pytest.mark.parametrize("label", ["smile [open]", "smile[/]"])
def test_the_summary_shows_labels_with_brackets_as_they_are(run, clip, monkeypatch, label):
    monkeypatch.setattr("mien.labels.display_name", lambda *_: label)  # as of a model of one's own
    code, out, err = run(clip)
    assert (code, err) == (0, "")
    assert f"{label} 1.2, {label} 0.8" in out


def test_the_summary_says_who_looked_for_faces_if_that_was_not_said(run, clip):
    code, out, _ = run(clip, "--fps", 0.1, detector="auto")
    assert code == 0
    assert out.splitlines() == ["1 frame, 1 without a face", "", "Faces were looked for by haar."]


def test_the_summary_speaks_korean(run, clip):
    assert "행복 1.2, 슬픔 0.8" in run(clip, "--lang", "ko")[1]


def in_a_process(tiny_model_path, clip, encoding, stdout):
    command = [sys.executable, "-m", "mien", "watch", clip, "--lang", "ko", "--detector", "none"]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run(
        [*map(str, command), "--model", str(tiny_model_path)],
        env=environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=100,
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_without_hangul_shows_numbers_of_letters(tiny_model_path, clip, encoding):
    done = in_a_process(tiny_model_path, clip, encoding, subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\ud589\\ubcf5 1.2" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_standard_output_that_takes_nothing_is_said_in_one_line(tiny_model_path, clip):
    with Path("/dev/full").open("w") as full:
        done = in_a_process(tiny_model_path, clip, "utf-8", full)
    assert done.returncode == 2
    words = b"mien: The standard output cannot be written: No space left on device.\n"
    assert done.stderr == words


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_table_has_a_row_for_every_frame(run, clip, tmp_path, suffix):
    assert run(clip, "--table", tmp_path / f"rows{suffix}")[0] == 0
    rows = list(read_table(tmp_path / f"rows{suffix}"))
    assert [row.frame for row in rows] == list(range(20))
    expected = [0.1 * n + 0.01 * (n % 2) for n in range(20)]
    np.testing.assert_allclose([row.time_s for row in rows], expected, atol=0.001)
    assert [row.expression for row in rows] == ["happiness"] * 12 + ["sadness"] * 8


def test_labels_choose_the_columns(run, clip, tmp_path):
    run(clip, "--table", tmp_path / "rows.csv", "--labels", "fer2013")
    with (tmp_path / "rows.csv").open() as stream:
        names = next(csv.reader(stream))
    assert [n for n in names if n.startswith("p_")] == [
        "p_" + label
        for label in ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    ]


def test_the_saved_recording_has_every_frame_at_its_time_with_its_face_framed(run, clip, tmp_path):
    assert run(clip, "--save", tmp_path / "out.mp4")[0] == 0
    before, after = frames_of(clip), frames_of(tmp_path / "out.mp4")
    np.testing.assert_allclose([t for t, _ in after], [t for t, _ in before], atol=0.001)
    assert len(after) == 20
    edge = after[0][1][30, :6].astype(int)  # grey but for the yellow frame, as BGR
    assert (edge[:, 2] - edge[:, 0]).max() > 60
    assert abs(edge[:, 2] - edge[:, 1]).max() < 60


def test_a_part_at_a_lower_rate(run, clip, tmp_path):
    run(clip, "--table", tmp_path / "t.csv", "--fps", 5, "--start", 0.5, "--end", 1.5)
    rows = list(read_table(tmp_path / "t.csv"))
    assert [row.frame for row in rows] == [5, 7, 9, 11, 13]


def test_a_damaged_recording_keeps_its_rows_and_says_where_it_stopped(run, cut_clip, tmp_path):
    code, out, err = run(cut_clip, "--table", tmp_path / "t.csv", "--save", tmp_path / "t.mp4")
    rows = list(read_table(tmp_path / "t.csv"))
    assert code == 1
    assert 20 < len(rows) < 35
    assert f"cut.avi stopped at {rows[-1].time_s:.2f} s, after {len(rows)} frames of 50" in err
    # FFmpeg may have been opened, and talk, before.
    assert err.splitlines()[-1].startswith("mien: ")
    assert out.startswith(f"{len(rows)} frames, 0 without a face")
    assert len(frames_of(tmp_path / "t.mp4")) == len(rows)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupted_recording_keeps_its_rows(run, clip, tmp_path, monkeypatch, name):
    number = getattr(signal, name)
    into = watch_command._into
    before = signal.getsignal(number)
    # In the background a shell ignores SIGINT. If one of the others is not heeded, the test fails, and no more.
    signal.signal(number, signal.default_int_handler if name == "SIGINT" else lambda *_: None)

    def interrupting(timeline):
        consume = into(timeline)

        def consume_some(frame):
            if frame.index == 12:
                signal.raise_signal(number)
            consume(frame)

        return consume_some

    monkeypatch.setattr(watch_command, "_into", interrupting)
    code, out, err = run(clip, "--table", tmp_path / "t.csv")
    signal.signal(number, before)
    assert code == 1
    assert err == "mien: Interrupted at 1.11 s; the rows up to there are kept.\n"
    assert out.startswith("12 frames")
    assert len(list(read_table(tmp_path / "t.csv"))) == 12


@pytest.fixture
def wide_clip(tmp_path):
    """Frames wider than MPEG-4 allows."""
    path = tmp_path / "wide.avi"
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, 25, (9000, 32))
    for _ in range(5):
        writer.write(np.full((32, 9000, 3), BRIGHT, np.uint8))
    writer.release()
    return path


def test_a_film_that_cannot_be_written_is_said_and_the_table_goes_on(run, wide_clip, tmp_path):
    film, table = tmp_path / "t.mp4", tmp_path / "t.csv"
    code, out, err = run(wide_clip, "--save", film, "--table", table)
    assert code == 1
    assert out.startswith("5 frames")
    assert "t.mp4 cannot be written: " in err
    assert "[ERROR" not in err  # OpenCV's own words
    assert len(list(read_table(table))) == 5
    code, out, err = run(wide_clip, "--save", film)
    assert (code, out) == (2, "")
    assert "t.mp4 cannot be written: " in err
    assert not film.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.mp4"], "none.mp4 does not exist."),
        (["{clip}", "--table", "x.txt"], "ends in '.txt'; expected .csv, .jsonl or .parquet."),
        (["{clip}", "--save", "x.avi"], "ends in '.avi'; expected .mp4."),
        (["{clip}", "--save", "{clip}"], "clip.mp4 is the recording itself. Name another file."),
        (["a" * 300, "--save", "{clip}"], "File name too long"),
        (["{clip}", "--fps", "0"], "fps is 0.0; expected a positive number of frames a second."),
        (["{clip}", "--start", "9"], "The part from 9 s was asked for;"),
    ],
)
def test_mistakes_are_told_in_one_line(run, clip, arguments, message):
    code, out, err = run(*(word.format(clip=clip) for word in arguments))
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_without_a_screen_display_says_so(run, clip):
    code, out, err = run(clip, "--display")
    if "GUI:                           NONE" not in cv2.getBuildInformation():
        pytest.skip("this OpenCV has windows")
    assert (code, out) == (2, "")
    assert "--display needs a screen and an OpenCV with windows; here is the headless one" in err
    assert "Use --save, or:" in err


def test_its_help_shows_the_library_s_own_default():
    command = typer.main.get_command(cli.app).commands["watch"]
    defaults = {parameter.name: parameter.default for parameter in command.params}
    assert defaults["search_px"] == SEARCH_PX
    assert defaults["full_look"] == FULL_LOOK_S
    assert defaults["probation"] == PROBATION_S
