"""`mien data audit`, `augment`, `convert` and `preview`: what they print, what they write, how they end."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from mien import images
from mien.cli.data import app
from mien.data import open_dataset
from mien.data.clean import read_clean
from mien.data.convert import write_dataset
from mien.data.synthetic import draw_faces
from mien.labels import FER2013


def data(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "160"})


@pytest.fixture
def source(tmp_path):
    """Thirty drawn faces as CSV with votes; row 28, of validation, is a copy of row 0."""
    faces = draw_faces(30, seed=3)
    faces.images[28] = faces.images[0]
    faces.split[0], faces.split[28] = 0, 1
    write_dataset(faces, tmp_path / "set [1]", "csv")
    return tmp_path / "set [1]"


def test_audit_prints_counts_and_writes_page_counts_and_lists(source, tmp_path):
    page, counts, lists = (tmp_path / "new" / name for name in ("a.html", "a.json", "clean.json"))
    result = data("audit", source, "--html", page, "--json", counts, "--write-clean", lists)
    assert result.exit_code == 0, result.output
    lines = [line.split("│")[1:3] for line in result.output.splitlines() if line.startswith("│")]
    found = {title.strip(" !"): count.strip() for title, count in lines}
    assert found["identical pictures"] == "1"
    assert found["identical across splits"] == "1"
    assert str(source) in result.output
    fields = json.loads(counts.read_text())
    assert fields["findings"]["identical"]["count"] == 1
    assert fields["findings"]["identical"]["notable"] is True
    assert np.shape(fields["label_agreement"]) == (7, 8)
    assert "Audit of set [1]" in page.read_text()
    dataset = open_dataset(source)
    assert read_clean(lists, dataset).left_out["copy"].tolist() == [28]
    assert fields["content_hash"] == dataset.content_hash


def test_a_screen_that_takes_no_more_costs_no_clean_list(source, tmp_path, monkeypatch):
    def full(*_, **__):
        raise BrokenPipeError

    monkeypatch.setattr("mien.cli.data_audit._show", full)
    lists = tmp_path / "clean.json"
    assert data("audit", source, "--write-clean", lists).exit_code != 0
    assert lists.exists()


def test_the_counts_of_an_audit_can_be_the_standard_output(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = data("audit", source, "--json", "-")
    assert json.loads(result.stdout)["findings"]["identical"]["count"] == 1
    assert "identical pictures" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


def test_audit_refuses_what_it_could_not_write(source, tmp_path):
    assert "is a folder. Name a file." in str(data("audit", source, "--html", tmp_path).exception)
    same = data("audit", source, "--html", tmp_path / "a", "--json", tmp_path / "." / "a")
    assert "Two options name the same file" in str(same.exception)


def test_augment_adds_copies_of_training_faces_in_the_layout_that_came_in(source, tmp_path):
    result = data("augment", source, tmp_path / "out", "--flip", "--rotate", 20)
    assert result.exit_code == 0, result.output
    before, after = open_dataset(source), open_dataset(tmp_path / "out")
    train = len(before.rows("train"))
    assert f"30 faces + 2 × {train} copies = {30 + 2 * train} rows" in result.output
    assert after.layout == "csv"
    assert np.bincount(after.split).tolist() == [3 * train, *np.bincount(before.split)[1:]]
    assert after.names[30].endswith("-mirrored")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.usefixtures("_not_under_nohup")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_command_that_is_told_to_end_leaves_nothing_half_written(source, tmp_path, name):
    """It is told when all is written and only the name is missing."""
    program = (
        "import os, pathlib, signal, sys\n"
        "from mien.cli import main\n"
        f"pathlib.Path.chmod = lambda *_: os.kill(os.getpid(), signal.{name})\n"
        "main()\n"
    )
    words = ["data", "augment", str(source), str(tmp_path / "out"), "--flip"]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True)
    assert done.returncode == 128 + signal.Signals[name], done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


def test_augment_of_all_splits_says_why_not(source, tmp_path):
    result = data(
        "augment",
        source,
        tmp_path / "out",
        "--flip",
        "--splits",
        "train,valid,test",
        "--to",
        "parquet",
    )
    assert "30 faces + 1 × 30 copies = 60 rows" in result.output
    assert "a score over them compares with no other. Leave --splits away" in result.output
    assert open_dataset(tmp_path / "out").layout == "parquet"


def test_augment_says_which_faces_have_no_copies(tmp_path):
    from dataclasses import replace

    faces = draw_faces(12, seed=0)
    names = [f"fer{row}.png" for row in range(12)]
    names[1] = "row 2"
    assert faces.split[1] == 0
    write_dataset(replace(faces, names=np.array(names)), tmp_path / "in", "csv")
    result = data("augment", tmp_path / "in", tmp_path / "out", "--flip")
    assert "1 pictures have no copies: FER+ gives them no name" in result.output


def test_augment_of_drawn_faces_becomes_a_csv(tmp_path):
    assert data("augment", "synthetic:10", tmp_path / "out", "--rotate", 10).exit_code == 0
    assert open_dataset(tmp_path / "out").layout == "csv"


def test_convert_says_what_is_lost(source, tmp_path):
    result = data("convert", source, tmp_path / "out", "--to", "folders")
    assert result.exit_code == 0, result.output
    assert "note: The FER+ votes are not in it" in result.output
    assert "30 pictures of 48 × 48 px, grey, layout folders" in result.output
    assert open_dataset(tmp_path / "out").label_names == FER2013.labels


def test_convert_takes_labels_from_votes_where_there_are_no_others(source, tmp_path):
    data("convert", source, tmp_path / "plus", "--to", "ferplus")
    result = data("convert", tmp_path / "plus", tmp_path / "a", "--to", "csv")
    assert "Take labels from the votes with --labels votes" in str(result.exception)
    assert not (tmp_path / "a").exists()
    result = data("convert", tmp_path / "plus", tmp_path / "a", "--to", "csv", "--labels", "votes")
    assert "are left out" in result.output
    assert "The labels are now those of FER+'s voters" in result.output
    assert 20 < len(open_dataset(tmp_path / "a")) < 30
    data("convert", tmp_path / "plus", tmp_path / "b", "--to", "folders", "--labels", "votes")
    assert "contempt" in open_dataset(tmp_path / "b").label_names


def test_nothing_is_overwritten_and_nothing_read_for_it(source):
    for command in (["convert", "--to", "csv"], ["augment", "--flip"]):
        result = data(command[0], "no such data", source, *command[1:])
        assert "is not empty; nothing is overwritten" in str(result.exception)


def test_nothing_is_written_over_the_data_and_earlier_results_may_lie_among_it(source):
    file = source / "fer2013.csv"
    before = file.read_bytes()
    for written in (
        data("info", source, "--json", file),
        data("info", file, "--json", file),
        data("audit", source, "--html", file),
        data("audit", file, "--write-clean", file),
    ):
        assert "is a file that is read. Name another one." in str(written.exception)
    assert file.read_bytes() == before
    for _ in range(2):
        assert data("audit", source, "--html", source / "audit.html").exit_code == 0
        assert data("info", source, "--json", source / "info.json").exit_code == 0


def test_a_preview_is_not_written_over_a_picture_of_the_data(source, tmp_path):
    write_dataset(open_dataset(source), tmp_path / "folders", "folders")
    picture = next((tmp_path / "folders" / "train").glob("*/*.png"))
    before = picture.read_bytes()
    assert "is a file that is read" in str(
        data("preview", tmp_path / "folders", "--out", picture).exception
    )
    assert picture.read_bytes() == before
    for _ in range(2):
        sheet = tmp_path / "folders" / "preview.png"
        assert data("preview", tmp_path / "folders", "--out", sheet).exit_code == 0


@pytest.mark.slow  # torch
def test_preview_draws_samples_and_augmentations(source, tmp_path):
    recipe = tmp_path / "turned.toml"
    recipe.write_text('[[heads]]\nlabels = "fer2013"\n[augment]\nrotate_deg = 20\n')
    plain, more = tmp_path / "a.png", tmp_path / "b.png"
    assert data("preview", source, "--out", plain, "--per-class", 3).exit_code == 0
    given = ["--recipe", recipe, "-o", "augment.flip=true", "--per-class", 3]
    result = data("preview", source, "--out", more, *given)
    assert result.exit_code == 0, result.output
    first, second = images.read(plain), images.read(more)
    assert first.shape[1] == second.shape[1]
    assert np.array_equal(first[:-20], second[: len(first) - 20])
    assert len(second) > len(first) + 6 * 72
    again = tmp_path / "c.png"
    data("preview", source, "--out", again, *given)
    assert again.read_bytes() == more.read_bytes()


def test_preview_says_what_does_not_go(source, tmp_path):
    assert "has no ending of a picture" in str(data("preview", source, "--out", "a.pdf").exception)
    result = data("preview", source, "--out", tmp_path / "a.png", "-o", "augment.flip=true")
    assert "--option changes a recipe; name one with --recipe" in str(result.exception)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["audit", "nowhere"], "nowhere does not exist."),
        (["augment", "synthetic:10", "out"], "There is nothing to add"),
        (
            ["augment", "synthetic:10", "out", "--flip", "--splits", "tset"],
            "There is no split 'tset'",
        ),
        (["convert", "synthetic:10", "out", "--to", "csv", "--size", "32"], "these are 32 × 32"),
        (["preview", "synthetic:10", "--recipe", "no.toml"], "There is no recipe no.toml"),
    ],
)
def test_what_goes_wrong_is_one_line_exit_code_2_and_nothing_written(tmp_path, arguments, words):
    code = "from mien.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "data", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=dict(os.environ),
        check=False,
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("mien: ")
    assert words in line
    assert list(tmp_path.iterdir()) == []
