"""Answers are kept in a file, come back as they were, and are refused where they do not belong together."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from mien.data.dataset import Dataset
from mien.errors import DataError, InputError
from mien.evaluation.evaluate import evaluate
from mien.evaluation.predictions import (
    Predictions,
    check_same_pictures,
    find_protocol,
    keep_predictions,
    read_predictions,
    write_predictions,
    write_predictions_csv,
)
from mien.modelfile import Head, ModelInfo
from mien.preprocess import InputSpec


def answers(**changes):
    """Two of three right; the wrong one is the surest."""
    fields = {
        "protocol": "fer2013-publictest",
        "model": "mien-s",
        "model_sha256": "a1",
        "split": "valid",
        "views": "flip",
        "data_hash": "d1",
        "pictures_hash": "p1",
        "image_size": 48,
        "labels": ("sad", "happy"),
        "temperature": 2.0,
        "rows": np.array([7, 8, 11]),
        "targets": np.array([0, 1, 1]),
        "logits": np.array([[2, 0], [0, 4], [8, 0]], np.float32),
    }
    return Predictions(**{**fields, **changes})


def test_what_is_written_is_read(tmp_path):
    first, second = (
        answers(),
        answers(protocol="labels-valid", model_sha256=None, labels=("è", "é")),
    )
    write_predictions([first, second], tmp_path / "new" / "p.npz")
    for kept, given in zip(
        read_predictions(tmp_path / "new" / "p.npz"), (first, second), strict=True
    ):
        for name in ("protocol", "model_sha256", "pictures_hash", "labels", "temperature"):
            assert getattr(kept, name) == getattr(given, name)
        for name in ("rows", "targets", "logits"):
            np.testing.assert_array_equal(getattr(kept, name), getattr(given, name))
    assert kept.predicted.tolist() == [0, 1, 0]
    assert kept.probs[0, 0] == pytest.approx(1 / (1 + np.exp(-1)))
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["p.npz"]


def test_a_folder_is_searched_for_the_file(tmp_path):
    write_predictions([answers()], tmp_path / "predictions.npz")
    assert read_predictions(tmp_path)[0].model == "mien-s"


def test_a_table_for_people_has_one_line_a_picture(tmp_path):
    write_predictions_csv(
        [answers(), answers(protocol="x", labels=("sad", "joy"))], tmp_path / "p.csv"
    )
    lines = list(csv.DictReader((tmp_path / "p.csv").read_text("utf-8").splitlines()))
    assert len(lines) == 6
    wrong = lines[2]
    assert (wrong["row"], wrong["true"], wrong["predicted"]) == ("11", "happy", "sad")
    assert float(wrong["confidence"]) == pytest.approx(1 / (1 + np.exp(-4)), abs=1e-6)
    assert (wrong["p_joy"], lines[3]["p_happy"]) == ("", "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "There are no predictions in .*Make them with: mien evaluate MODEL"),
        (b"no zip", r"holds no predictions of mien \(File is not a zip file\)\. Make them again"),
        (b"PK\x03\x04 cut off", "holds no predictions of mien"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "p.npz").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_predictions(tmp_path / "p.npz")


@pytest.mark.parametrize(
    ("place", "byte"),
    [(6, 0x20), (6, 0x01), (8, 0x63), (-1, 0xFF)],
    ids=["a patch", "a cipher", "a compression that is not known", "no data"],
)
def test_a_damaged_archive_is_refused(tmp_path, place, byte):
    write_predictions([answers()], tmp_path / "p.npz")
    content = bytearray((tmp_path / "p.npz").read_bytes())
    if place < 0:  # where the first member's data begins
        place = (
            30 + int.from_bytes(content[26:28], "little") + int.from_bytes(content[28:30], "little")
        )
    else:  # in the central directory, two bytes on
        content[content.index(b"PK\1\2") + place + 2] = byte
    content[place] = byte
    (tmp_path / "p.npz").write_bytes(content)
    with pytest.raises(DataError, match="holds no predictions of mien"):
        read_predictions(tmp_path / "p.npz")


def test_an_archive_of_something_else_is_refused(tmp_path):
    np.savez(tmp_path / "p.npz", images=np.zeros(3))
    with pytest.raises(DataError, match=r"holds no predictions of mien .*record"):
        read_predictions(tmp_path / "p.npz")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": np.array([0, 1])}, "do not fit together"),
        ({"targets": np.array([0, 1, 2])}, "true classes lie outside 0…1"),
        ({"logits": np.full((3, 2), np.nan, np.float32)}, "no finite numbers"),
        ({"rows": np.array([[0], [1], [2]])}, "do not fit together"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, changes, message):
    write_predictions([answers(**changes)], tmp_path / "p.npz")
    with pytest.raises(DataError, match=message):
        read_predictions(tmp_path / "p.npz")


def test_same_pictures_pass_even_from_a_part_of_the_data_or_at_another_size():
    check_same_pictures(answers(), answers(model="b", data_hash="d2", rows=np.array([0, 1, 2])))
    check_same_pictures(answers(), answers(model="b", image_size=64, pictures_hash="p2"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocol": "labels-valid"}, "their protocols are fer2013-publictest and labels-valid"),
        ({"labels": ("sad", "joy")}, "their labels are sad, happy and sad, joy"),
        ({"targets": np.array([0, 1])}, "they are 3 and 2 pictures"),
        ({"targets": np.array([1, 1, 1])}, "the true labels differ"),
        ({"pictures_hash": "p2"}, "the pixels differ"),
        ({"image_size": 64, "rows": np.array([7, 8, 9])}, "the rows differ"),
    ],
)
def test_other_pictures_are_refused_with_the_reason(changes, message):
    with pytest.raises(InputError, match=f"not scored on the same pictures: {message}. Evaluate"):
        check_same_pictures(answers(), answers(model="other", **changes))


def test_a_protocol_is_found_by_how_it_begins():
    found = [answers(), answers(protocol="ferplus-majority-valid"), answers(protocol="ferplus-x")]
    assert find_protocol(found, None) is found[0]
    assert find_protocol(found, "ferplus-m") is found[1]
    with pytest.raises(InputError, match="'ferplus' is ambiguous; expected one of fer2013-public"):
        find_protocol(found, "ferplus")
    with pytest.raises(InputError, match="'raf' is not among the predictions; expected one of"):
        find_protocol(found, "raf")


def test_what_is_kept_of_a_result_knows_its_pictures():
    rng = np.random.default_rng(0)
    data = Dataset(
        images=rng.integers(0, 256, (40, 8, 8), np.uint8),
        labels=np.arange(40) % 2,
        label_names=("sad", "happy"),
        split=np.repeat(np.array([0, 1], np.uint8), 20),
    )
    info = ModelInfo(
        name="m",
        heads=(Head(name="h", labels=("sad", "happy"), temperature=1.5),),
        input=InputSpec(size=8),
        architecture="none",
    )

    def predict(faces):
        return {"h": np.stack([faces.mean((1, 2)), 128 - 0 * faces.mean((1, 2))], 1).astype("f4")}

    (result,) = evaluate(predict, info, data, "valid")
    kept = keep_predictions(result, data, {"name": "m", "sha256": "f"})
    assert (kept.protocol, kept.temperature, kept.image_size) == ("labels-valid", 1.5, 8)
    assert kept.rows.tolist() == list(range(20, 40))
    other = replace(data, images=255 - data.images)
    (turned,) = evaluate(predict, info, other, "valid")
    with pytest.raises(InputError, match="the pixels differ"):
        check_same_pictures(kept, keep_predictions(turned, other, {"name": "n"}))
