"""Clean lists: written, read back, and refused where they belong to other data."""

import json

import numpy as np
import pytest

from mien.data.clean import LEAKS, REASONS, CleanLists, read_clean, write_clean
from mien.data.synthetic import draw_faces
from mien.errors import DataError, InputError, UnknownNameError


@pytest.fixture
def lists(drawn):
    return CleanLists(
        content_hash=drawn.content_hash,
        num_rows=len(drawn),
        left_out={
            "copy": np.array([3, 8]),
            "near_copy": np.array([8, 9]),
            "altered_copy": np.array([], np.intp),
            "blank": np.array([1]),
        },
    )


def test_what_is_written_is_read_back(drawn, lists, tmp_path):
    write_clean(lists, tmp_path / "new" / "clean.json")
    back = read_clean(tmp_path / "new" / "clean.json", drawn)
    assert {reason: rows.tolist() for reason, rows in back.left_out.items()} == {
        "copy": [3, 8],
        "near_copy": [8, 9],
        "altered_copy": [],
        "blank": [1],
    }
    assert back.num_rows == 40
    assert back.content_hash == drawn.content_hash


def test_a_clean_score_leaves_out_what_training_has_seen(lists):
    assert np.flatnonzero(~lists.kept()).tolist() == [3, 8, 9]
    assert np.flatnonzero(~lists.kept(("blank", "conflict"))).tolist() == [1]
    assert set(LEAKS) < set(REASONS)
    with pytest.raises(UnknownNameError, match=r"No reason is called 'blanks'. Did you mean blank"):
        lists.kept(("blanks",))


def test_lists_of_other_data_are_refused(lists, tmp_path):
    write_clean(lists, tmp_path / "clean.json")
    with pytest.raises(
        DataError, match=r"was made for other data \(40 rows, content .+\) than this \(12 rows"
    ):
        read_clean(tmp_path / "clean.json", draw_faces(12, seed=5))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "mien clean lists 9"}, "holds no clean lists. Expected a file that mien data"),
        ({"rows": None}, "is damaged: its fields cannot be read"),
        ({"left_out": {"copy": [1, "x"]}}, "is damaged: its fields cannot be read"),
        ({"left_out": {"dull": [1]}}, "gives the reason 'dull', which is none of copy, near_copy"),
        ({"left_out": {"copy": [1, 40]}}, "row 40 under copy is not among 40 rows"),
        ({"left_out": {"copy": [-1, 4]}}, "row -1 under copy is not among 40 rows"),
    ],
)
def test_damaged_lists_are_refused(drawn, lists, tmp_path, change, words):
    file = tmp_path / "clean.json"
    write_clean(lists, file)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(DataError, match=words):
        read_clean(file, drawn)


def test_what_is_no_file_of_lists_is_said(drawn, lists, tmp_path):
    with pytest.raises(DataError, match=r"There is no .*none.json. Make it with: mien data audit"):
        read_clean(tmp_path / "none.json", drawn)
    (tmp_path / "text").write_text("1, 2")
    with pytest.raises(DataError, match="text holds no clean lists: it is not JSON"):
        read_clean(tmp_path / "text", drawn)
    (tmp_path / "list").write_text("[1, 2]")
    with pytest.raises(DataError, match=r"list holds no clean lists. Expected"):
        read_clean(tmp_path / "list", drawn)
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_clean(tmp_path, drawn)
    with pytest.raises(InputError, match="is a folder; expected the name of a file"):
        write_clean(lists, tmp_path)
