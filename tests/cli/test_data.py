"""`mien data info`: what it prints, what it writes, how it ends."""

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from mien.cli import main
from mien.cli.data import app
from mien.data.synthetic import draw_faces
from mien.images import write
from mien.labels import FER2013


def info(*arguments):
    return CliRunner().invoke(app, ["info", *map(str, arguments)], env={"COLUMNS": "120"})


@pytest.fixture
def folders(tmp_path):
    """Twenty drawn faces in train/ and test/ folders."""
    faces = draw_faces(20, seed=1)
    for place in range(20):
        folder = (
            tmp_path
            / "set [1]"
            / ("test" if place >= 14 else "train")
            / FER2013.labels[faces.labels[place]]
        )
        write(folder / f"{place}.png", faces.images[place])
    return tmp_path / "set [1]"


def test_the_table_holds_layout_splits_and_classes(folders):
    result = info(folders)
    assert result.exit_code == 0
    words = [line.replace("│", " ").split() for line in result.output.splitlines()]
    assert ["layout", "folders"] in words
    assert ["class", "train", "test"] in [[w for w in line if w != "┃"] for line in words]
    assert ["angry", "2", "1"] in words
    assert ["neutral", "2", "0"] in words
    assert ["all", "14", "6"] in words
    assert str(folders) in result.output


def test_json_holds_everything(folders, tmp_path):
    target = tmp_path / "out" / "data.json"
    result = info(folders, "--json", target, "--size", 32, "--no-cache")
    assert result.exit_code == 0
    found = json.loads(target.read_text())
    assert found["layout"] == "folders"
    assert found["images"] == 20
    assert found["size_px"] == 32
    assert found["labels"] == list(FER2013.labels)
    assert found["has_votes"] is False
    assert found["splits"]["train"] == {
        "images": 14,
        "classes": dict.fromkeys(FER2013.labels, 2),
        "unlabelled": 0,
        "strict_majority": None,
    }
    assert len(found["content_hash"]) == 64
    assert found["seconds"] >= 0
    assert [file.name for file in target.parent.iterdir()] == ["data.json"]


def test_a_dash_prints_json_alone():
    result = info("synthetic:20", "--json", "-")
    found = json.loads(result.output)
    assert found["layout"] == "synthetic"
    assert found["splits"]["train"]["strict_majority"] == found["splits"]["train"]["images"]


def test_votes_are_shown_as_strict_majority_counts():
    result = info("synthetic:20")
    assert "FER+ votes    yes" in result.output
    assert "FER+ strict majority" in result.output


def test_a_json_file_that_cannot_be_written_is_said(folders, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert "is a folder. Name a file." in str(info(folders, "--json", tmp_path).exception)
    message = str(info(folders, "--json", tmp_path / "file" / "data.json").exception)
    assert "file/data.json cannot be written: " in message


@pytest.mark.usefixtures("capsys")
def test_a_path_that_is_no_text_is_written_as_json_can_hold_it(folders, tmp_path, monkeypatch):
    path = folders.rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xb1"))
    words = ["mien", "data", "info", str(path), "--json", str(tmp_path / "data.json")]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert json.loads((tmp_path / "data.json").read_text(encoding="utf-8"))["path"] == str(path)


def run_mien(*arguments):
    code = "from mien.cli import main; main()"
    command = [sys.executable, "-c", code, "data", "info", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env=dict(os.environ), check=False
    )


@pytest.mark.slow
def test_a_missing_path_is_one_line_and_exit_code_2(tmp_path):
    done = run_mien(tmp_path / "nowhere")
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"mien: {tmp_path / 'nowhere'} does not exist. Expected fer2013.csv")


@pytest.mark.slow
def test_a_bad_row_is_one_line_and_exit_code_2(tmp_path):
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n9,1 2 3,Training\n")
    done = run_mien(tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "fer2013.csv, line 2 (row 1): emotion is '9'; expected 0 to 6" in line
