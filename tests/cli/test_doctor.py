import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest

from mien import cli
from mien.cli import doctor as doctor_module


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs `mien doctor`: exit code, stdout."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["mien", "doctor", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, capsys.readouterr().out

    return call


@pytest.fixture
def shipped(tiny_model_path, tmp_path, monkeypatch):
    """A folder of models that ship, with the tiny one."""
    folder = tmp_path / "weights"
    folder.mkdir()
    shutil.copy(tiny_model_path, folder / "tiny.onnx")
    monkeypatch.setattr("mien.modelfile.weights_dir", lambda: folder)
    monkeypatch.setattr("mien.paths.weights_dir", lambda: folder)
    return folder


def test_models_are_listed_with_their_hash(run, shipped):
    code, out = run("--json")
    report = json.loads(out)
    assert code == 0
    assert report["can_recognise"]
    data = (shipped / "tiny.onnx").read_bytes()
    assert report["models"] == [
        {
            "name": "tiny",
            "path": str(shipped / "tiny.onnx"),
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "heads": {"fer2013": 7, "ferplus": 8},
            "problem": None,
        }
    ]
    _, text = run()
    assert hashlib.sha256(data).hexdigest() in text
    assert text.splitlines()[-1] == "mien can recognise pictures."


def test_a_damaged_model_is_said_and_ends_with_1(run, shipped):
    (shipped / "tiny.onnx").write_bytes(b"damaged")
    code, out = run()
    assert code == 1
    assert "tiny.onnx is no model file that ONNX Runtime can open" in out
    assert out.splitlines()[-1] == "mien cannot recognise pictures."


@pytest.mark.usefixtures("shipped")
def test_a_detector_s_file_that_is_named_and_not_there_is_said_and_ends_with_1(
    run, monkeypatch, tmp_path
):
    # Every `mien predict` without --detector would end so, though Haar is ready.
    monkeypatch.setenv("MIEN_YUNET", str(tmp_path / "gone.onnx"))
    code, out = run()
    assert code == 1
    assert "gone.onnx" in out
    assert out.splitlines()[-1] == "mien cannot recognise pictures."


def test_an_installation_without_models_ends_with_1(run, shipped):
    (shipped / "tiny.onnx").unlink()
    code, out = run()
    assert code == 1
    assert "none ships with this installation" in out


@pytest.mark.usefixtures("shipped")
def test_detectors_say_what_they_lack(run, monkeypatch):
    monkeypatch.delenv("MIEN_YUNET", raising=False)  # and every test has an empty cache
    found = {one["name"]: one for one in json.loads(run("--json")[1])["detectors"]}
    assert found["haar"]["problem"] is None
    assert found["auto"]["is"] == "haar"
    assert "mien fetch yunet" in found["yunet"]["problem"]


@pytest.mark.usefixtures("shipped")
def test_the_cache_is_measured(run, monkeypatch, tmp_path):
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    assert json.loads(run("--json")[1])["cache"]["exists"] is False
    assert "not there yet" in run()[1]
    (tmp_path / "cache" / "below").mkdir(parents=True)
    (tmp_path / "cache" / "below" / "a").write_bytes(bytes(2_500_000))
    assert "1 files, 2.5 MB" in run()[1]


@pytest.mark.usefixtures("shipped")
def test_codecs_are_tried_and_nothing_is_left(run, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(tmp_path.iterdir())
    video = json.loads(run("--json")[1])["video"]
    assert video["codecs"]["mp4v"] is True
    assert "CV_MJPEG" in video["backends"]
    assert set(tmp_path.iterdir()) == before


@pytest.mark.usefixtures("shipped")
def test_without_a_place_for_temporary_files_all_else_is_said(run, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    code, words = run()
    assert code == 0
    assert "video codecs" in words
    assert "No folder for temporary files can be made: " in words
    assert json.loads(run("--json")[1])["video"]["codecs"] == {}


def test_a_codec_that_is_not_there_is_no_error(tmp_path):
    assert doctor_module._comes_back(tmp_path / "a.nosuchending", "mp4v") is False


class FakeCamera:
    """Counts how often cameras are opened."""

    opened: ClassVar[list[str | int]] = []

    def __init__(self, device):
        self.opened.append(device)

    def read(self):
        return True, np.zeros((48, 64, 3), np.uint8)

    def release(self):
        pass


def test_cameras_are_opened_only_when_asked(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(FakeCamera, "opened", [])
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    devices = [Path("/dev/video10"), Path("/dev/video2")]
    monkeypatch.setattr(Path, "glob", lambda *_: iter(devices))
    assert [one["device"] for one in doctor_module._cameras(False)] == [
        "/dev/video2",
        "/dev/video10",
    ]
    assert FakeCamera.opened == []
    found = doctor_module._cameras(True)
    assert FakeCamera.opened == ["/dev/video2", "/dev/video10"]
    assert doctor_module._camera_lines(found)[0] == ("camera", "/dev/video2, gives 64 × 48 px")
    assert doctor_module._camera_lines([]) == [("cameras", "none seen")]


def test_the_first_camera_is_tried_where_no_file_names_one(monkeypatch):
    monkeypatch.setattr(FakeCamera, "opened", [])
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))
    monkeypatch.setattr(sys, "platform", "darwin")  # which has a /dev without cameras
    assert doctor_module._cameras(False) == []
    assert doctor_module._cameras(True) == [{"device": "0", "frame_px": [64, 48]}]
    assert FakeCamera.opened == [0]
