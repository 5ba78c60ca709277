"""Columns of a CSV become groups: names, thirds of numbers, in the order of the scored pictures."""

import numpy as np
import PIL.Image
import pytest

from mien.data.dataset import Dataset
from mien.errors import DataError
from mien.evaluation.columns import face_sizes, number_groups, read_columns

ROWS = np.array([2, 5, 7])


def dataset(names=None):
    return Dataset(
        images=np.zeros((8, 4, 4), np.uint8),
        labels=np.zeros(8, np.int64),
        label_names=("a",),
        split=np.ones(8, np.uint8),
        names=None if names is None else np.array(names),
    )


def read(tmp_path, text, names=None):
    (tmp_path / "c.csv").write_text(text, encoding="utf-8")
    columns = read_columns(tmp_path / "c.csv", dataset(names), ROWS)
    return {name: groups.tolist() for name, groups in columns.items()}


def test_rows_are_found_by_number_by_name_or_by_place(tmp_path):
    assert read(tmp_path, "row,age\n7,old\n2,young\n3,x\n5,\n") == {
        "age": ["young", "(empty)", "old"]
    }
    names = [f"{i}.png" for i in range(8)]
    by_name = "\ufeffage,name,place\nold,7.png,in\nyoung,2.png,out\nold,5.png,in\n"
    assert read(tmp_path, by_name, names) == {
        "age": ["young", "old", "old"],
        "place": ["out", "in", "in"],
    }
    assert read(tmp_path, "age\nyoung\nold\nold\n") == {"age": ["young", "old", "old"]}


def test_many_numbers_become_thirds_and_few_stay_names():
    assert number_groups(["0", "1", "1"]).tolist() == ["0", "1", "1"]
    groups = number_groups([str(i) for i in range(12)] + [""])
    assert groups.tolist() == (
        ["≤ 3.66667"] * 4 + ["3.66667 – 7.33333"] * 4 + ["> 7.33333"] * 4 + ["(empty)"]
    )
    assert number_groups(["x", *map(str, range(12))])[1] == "0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a first line with the name of each column"),
        ("a,a\n1,2\n", "all different"),
        ("a,b\n1\n", r"c\.csv, line 2: 1 cells under 2 column names"),
        ("\na,b\n\n1\n", r"c\.csv, line 4: 1 cells under 2 column names"),
        (
            "a\n1\n",
            "has 1 lines for 3 scored pictures; expected one each, or a column 'row' or 'name'",
        ),
        ("row,a\n2,x\n2,y\n", "is about row 2 twice"),
        ("row,a\n2,x\n", "says nothing about 2 of 3 scored pictures, the first of them row 5"),
        ("row\n2\n5\n7\n", "has no column to divide by beside row"),
        ("name,a\n2,x\n", r"names pictures, and this data \(memory\) has row numbers only"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, text)


def test_files_that_are_no_csv_are_named(tmp_path):
    (tmp_path / "c.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is no CSV in UTF-8"):
        read_columns(tmp_path / "c.csv", dataset(), ROWS)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_columns(tmp_path / "no.csv", dataset(), ROWS)


def test_faces_are_divided_by_the_size_of_their_files(tmp_path):
    names = [f"{i}.png" for i in range(8)]
    for row, side in zip(ROWS, (20, 96, 20), strict=True):
        PIL.Image.new("L", (side, side + 9)).save(tmp_path / names[row])
    found = face_sizes(tmp_path, dataset(names), ROWS)
    assert found["face size"].tolist() == ["20", "96", "20"]
    assert face_sizes(tmp_path, dataset(names), ROWS[:1]) == {}
    assert face_sizes(tmp_path, dataset(), ROWS) == {}
    assert face_sizes(tmp_path, dataset(["elsewhere.png"] * 8), ROWS) == {}
