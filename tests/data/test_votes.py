"""FER+ votes: beside the CSV row by row, beside picture folders by name."""

import numpy as np
import pytest

from mien.data import fer2013, votes
from mien.data.synthetic import draw_faces
from mien.errors import DataError
from mien.images import write
from mien.labels import FERPLUS_VOTES


def cell(row, column, value):
    def change(rows):
        rows[row][column] = value
        return rows

    return change


def without_last(rows):
    return rows[:-1]


def with_two_rows_swapped(rows):
    """Rows 8 and 9 are of different splits in the drawn data."""
    rows[8], rows[9] = rows[9], rows[8]
    return rows


@pytest.fixture
def ferplus_folder(tmp_path, drawn, write_votes):
    """FER2013Train, FER2013Valid and FER2013Test with the named pictures, and the votes."""
    write_votes(tmp_path / "fer2013new.csv")
    for place, (image, split) in enumerate(zip(drawn.images, drawn.split, strict=True)):
        if place != 2:
            write(tmp_path / votes.FOLDERS[split] / f"fer{place:07}.png", image)
    return tmp_path


def test_the_table_is_read_as_written(tmp_path, write_votes, drawn):
    table = votes.read_table(write_votes(tmp_path / "fer2013new.csv"))
    np.testing.assert_array_equal(table.votes, drawn.votes)
    np.testing.assert_array_equal(table.split, drawn.split)
    assert table.names[1:4] == ["fer0000001.png", "", "fer0000003.png"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (cell(0, 2, "happy"), r"is not the FER\+ votes: its columns are usage, image name, happy"),
        (cell(4, 5, "-1"), r"line 5 \(row 4\): a vote count is '-1'; expected a whole number"),
        (cell(4, 5, "many"), r"line 5 \(row 4\): a vote count is 'many'"),
        (cell(4, 5, "1" * 5000), r"a vote count is '1{119}…'; expected a whole number"),
        (cell(4, 5, "300"), r"line 5 \(row 4\): a vote count is '300'"),
        (cell(4, 0, "Test"), r"line 5 \(row 4\): Usage is 'Test'; expected Training, PublicTest"),
        (lambda rows: [*rows[:3], rows[3][:6]], r"line 4 \(row 3\): 6 fields; expected 12"),
        (lambda _rows: [], "its columns are missing"),
    ],
)
def test_a_bad_row_is_named(tmp_path, write_votes, change, words):
    with pytest.raises(DataError, match=words):
        votes.read_table(write_votes(tmp_path / "fer2013new.csv", change))


def test_a_quote_that_is_never_closed_shows_no_whole_file(tmp_path):
    file = tmp_path / "fer2013new.csv"
    file.write_text('Usage,Image name,"neutral' + "\nTraining,fer0000000.png,4,0" * 1000)
    with pytest.raises(
        DataError, match=r"its columns are usage, image name, neutral[^…]{80,100}…; "
    ):
        votes.read_table(file)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    file = tmp_path / "fer2013new.csv"
    file.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(DataError, match=r"fer2013new\.csv cannot be read"):
        votes.read_table(file)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            without_last,
            r"fer2013new\.csv has 39 rows and .*fer2013\.csv has 40; they belong together",
        ),
        (with_two_rows_swapped, r"fer2013new\.csv and fer2013\.csv part at row 8: \w+ and \w+"),
    ],
)
def test_votes_that_do_not_run_with_the_csv_are_refused(
    tmp_path, write_csv, write_votes, change, words
):
    write_csv(tmp_path / "fer2013.csv")
    write_votes(tmp_path / "fer2013new.csv", change)
    with pytest.raises(DataError, match=words):
        fer2013.read(tmp_path, 48)


def test_pictures_find_their_votes_by_name(ferplus_folder, drawn):
    dataset = votes.read(ferplus_folder, 48)
    assert len(dataset) == 39
    for image, count, split, name in zip(
        dataset.images, dataset.votes, dataset.split, dataset.names, strict=True
    ):
        row = int(name[3:10])
        np.testing.assert_array_equal(image, drawn.images[row])
        assert count.tolist() == drawn.votes[row].tolist()
        assert split == drawn.split[row]
    assert (dataset.labels == -1).all()
    assert dataset.notes == ()


def test_pictures_without_votes_and_votes_without_pictures_are_said(ferplus_folder):
    extra = draw_faces(1, seed=9).images[0]
    write(ferplus_folder / "FER2013Train" / "fer9999999.png", extra)
    (ferplus_folder / "FER2013Train" / "fer0000000.png").unlink()
    dataset = votes.read(ferplus_folder, 48)
    assert dataset.notes == (
        "1 pictures have no votes in fer2013new.csv; FER+ targets leave them out.",
        f"FER2013Train lacks 1 of the {(dataset.split == 0).sum()} pictures that have votes.",
    )
    assert dataset.votes[dataset.names == "fer9999999.png"].tolist() == [[0] * len(FERPLUS_VOTES)]


def test_folders_without_the_votes_say_what_is_missing(ferplus_folder):
    (ferplus_folder / "fer2013new.csv").unlink()
    with pytest.raises(
        DataError, match=r"FER\+ pictures but no fer2013new\.csv; put that file beside"
    ):
        votes.read(ferplus_folder, 48)


def test_empty_folders_are_refused(tmp_path, write_votes):
    write_votes(tmp_path / "fer2013new.csv")
    (tmp_path / "FER2013Train").mkdir()
    with pytest.raises(
        DataError, match=r"FER2013Train, FER2013Valid, FER2013Test in .* hold no pictures"
    ):
        votes.read(tmp_path, 48)
