"""`mien compare` from the outside, on saved predictions and on models that are scored first."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mien.cli import app
from mien.errors import InputError
from mien.evaluation.predictions import Predictions, write_predictions

LABELS = ("sad", "happy")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """good.npz and bad.npz: 180 and 120 of 200 right; same.npz is good.npz under another name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    save("good.npz", np.arange(200) < 180)
    save("same.npz", np.arange(200) < 180)
    save("bad.npz", np.arange(200) % 5 < 3)
    return tmp_path


def save(name, is_right, protocol="fer2013-publictest"):
    targets = np.arange(200) % 2
    answers = np.where(is_right, targets, 1 - targets)
    write_predictions(
        [
            Predictions(
                protocol=protocol,
                model=name.partition(".")[0],
                model_sha256=None,
                split="valid",
                views="none",
                data_hash="d",
                pictures_hash="p",
                image_size=48,
                labels=LABELS,
                temperature=1.0,
                rows=np.arange(200),
                targets=targets,
                logits=np.eye(2, dtype=np.float32)[answers],
            )
        ],
        Path(name),
    )


def invoke(*arguments):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


@pytest.mark.usefixtures("folder")
def test_the_better_result_is_named_with_its_interval():
    shown = " ".join(invoke("good.npz", "bad.npz").output.split())
    assert "fer2013-publictest · 200 pictures" in shown
    assert "A = good" in shown
    assert "accuracy 90.0 60.0 +30.0" in shown
    assert "Only A is right on 72, only B on 12" in shown
    assert "McNemar's exact test: p < 0.001" in shown
    assert "A is more accurate than B on these pictures, by " in shown
    assert "B is more accurate than A" in invoke("bad.npz", "good.npz").output


@pytest.mark.usefixtures("folder")
def test_no_difference_is_said_as_such():
    shown = " ".join(invoke("good.npz", "same.npz").output.split())
    assert "No difference in accuracy can be told from 200 pictures" in shown
    assert "p = 1.000" in shown


@pytest.mark.usefixtures("folder")
def test_a_result_that_collapsed_is_called_so():
    save("flat.npz", np.arange(200) % 2 == 1)  # happy, whatever it is shown
    shown = " ".join(invoke("good.npz", "flat.npz").output.split())
    assert "B has collapsed to one class: it calls nearly every picture happy" in shown
    assert "A has collapsed" not in shown


def test_json_is_printed_or_written(folder):
    printed = json.loads(invoke("good.npz", "bad.npz", "--json", "-").output)
    assert printed[0]["mcnemar"] == {
        "only_a": 72,
        "only_b": 12,
        "p_value": pytest.approx(0, abs=1e-9),
    }
    assert printed[0]["better"] == "a"
    invoke("good.npz", "bad.npz", "--json", "c.json")
    assert json.loads((folder / "c.json").read_text()) == printed


@pytest.mark.usefixtures("folder")
def test_a_comparison_is_refused_before_it_is_made_where_it_cannot_or_must_not_be_written():
    before = Path("bad.npz").read_bytes()
    error = invoke("good.npz", "bad.npz", "--json", "bad.npz").exception
    assert "--json bad.npz is a file that is read. Name another one" in str(error)
    assert Path("bad.npz").read_bytes() == before
    # Nothing is scored before, nor a final test counted: the model is not even looked for.
    error = invoke("nothing.onnx", "bad.npz", "--data", "x", "--json", "bad.npz/c.json").exception
    assert "--json bad.npz/c.json cannot be written" in str(error)


def test_folders_with_predictions_are_read(folder):
    for name in ("a", "b"):
        (folder / name).mkdir()
    (folder / "good.npz").rename(folder / "a" / "predictions.npz")
    (folder / "bad.npz").rename(folder / "b" / "predictions.npz")
    assert "A is more accurate" in invoke("a", "b").output


@pytest.mark.usefixtures("folder")
def test_what_a_user_can_mend_is_one_line():
    save("other.npz", np.ones(200, bool), protocol="labels-valid")
    cases = [
        (("good.npz", "other.npz"), "they share no protocol. Evaluate both with the same --data"),
        (
            ("good.npz", "mien-s"),
            "mien-s is no file of predictions, nor a folder with a predictions",
        ),
        (
            ("good.npz", "row.json"),
            "row.json holds scores, and not what was answered to each picture",
        ),
        (("good.npz", "no.npz"), "There are no predictions in no.npz"),
        (
            ("good.npz", "good.npz", "--views", "flip"),
            "good.npz holds answers already; --split and",
        ),
    ]
    for arguments, message in cases:
        error = invoke(*arguments).exception
        assert message in str(error), error
        assert "\n" not in str(error)


def test_models_are_scored_on_data_first(folder, tiny_model_path):
    import cv2

    rng = np.random.default_rng(0)
    for split in ("train", "valid"):
        for label in ("happy", "sad"):
            (folder / "faces" / split / label).mkdir(parents=True)
            for index in range(4):
                grey = np.full((48, 48), rng.integers(0, 256), np.uint8)
                cv2.imwrite(str(folder / "faces" / split / label / f"{index}.png"), grey)
    done = invoke(tiny_model_path, tiny_model_path, "--data", "faces", "--views", "flip")
    assert done.exit_code == 0, done.output
    assert "Same answer on 100.0 % of the pictures" in " ".join(done.output.split())
    assert isinstance(invoke(tiny_model_path, tiny_model_path).exception, InputError)


def test_what_there_is_to_say_of_the_data_is_said_once(folder, tiny_model_path):
    pixels = " ".join(["90"] * 48 * 48)
    rows = [f"{label},{pixels},{usage}" for label in (3, 4) for usage in ("Training", "PublicTest")]
    (folder / "few.csv").write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    done = invoke(tiny_model_path, tiny_model_path, "--data", "few.csv")
    assert done.exit_code == 0, done.output
    assert done.stderr.count("note: This is not FER2013 as published") == 1
