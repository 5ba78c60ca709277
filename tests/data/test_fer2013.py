"""The challenge's CSV: the values that come out, and what is said of a row that cannot be used."""

import numpy as np
import pytest

from mien.data import fer2013
from mien.errors import DataError


def changed(line, column, value):
    """Replace one field of one line; line 1 is the header."""

    def change(lines):
        fields = lines[line - 1].split(",")
        fields[column] = value(fields[column]) if callable(value) else value
        lines[line - 1] = ",".join(fields)
        return lines

    return change


def test_images_labels_and_splits_are_those_that_were_written(tmp_path, write_csv, drawn):
    dataset = fer2013.read(write_csv(tmp_path / "fer2013.csv"), 48)
    np.testing.assert_array_equal(dataset.images, drawn.images)
    np.testing.assert_array_equal(dataset.labels, drawn.labels)
    np.testing.assert_array_equal(dataset.split, drawn.split)
    assert dataset.votes is None
    assert dataset.layout == "csv"


def test_every_pixel_value_is_parsed(tmp_path):
    values = np.resize(np.arange(256), 2304)
    file = tmp_path / "fer2013.csv"
    file.write_text(f"emotion,pixels,Usage\n3,{' '.join(map(str, values))},PublicTest\n")
    assert fer2013.read(file, 48).images.ravel().tolist() == values.tolist()


def test_the_spaced_header_of_icml_face_data_is_read(tmp_path, write_csv, drawn):
    def reorder(lines):
        rows = [line.split(",") for line in lines[1:]]
        return ["emotion, Usage, pixels", *(f"{a}, {c}, {b}" for a, b, c in rows)]

    write_csv(tmp_path / "icml_face_data.csv", reorder)
    dataset = fer2013.read(tmp_path, 48)
    np.testing.assert_array_equal(dataset.images, drawn.images)
    np.testing.assert_array_equal(dataset.split, drawn.split)


def test_windows_line_ends_quotes_a_byte_order_mark_and_blank_lines_change_nothing(
    tmp_path, write_csv, drawn
):
    file = write_csv(tmp_path / "fer2013.csv", changed(2, 1, lambda pixels: f'"{pixels}"'))
    text = file.read_text().replace("\n", "\r\n") + "\r\n\r\n"
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    np.testing.assert_array_equal(fer2013.read(file, 48).images, drawn.images)


def test_spaces_inside_the_quotes_of_a_header_and_the_case_of_a_usage_change_nothing(
    tmp_path, write_csv, drawn
):
    def written_anew(lines):
        rows = [line.split(",") for line in lines[1:]]
        return ['"emotion"," Usage"," pixels"', *(f'{a},"{c.upper()}",{b}' for a, b, c in rows)]

    dataset = fer2013.read(write_csv(tmp_path / "fer2013.csv", written_anew), 48)
    np.testing.assert_array_equal(dataset.images, drawn.images)
    np.testing.assert_array_equal(dataset.split, drawn.split)


def test_doubled_spaces_and_leading_zeros_are_read_the_slow_way(tmp_path, write_csv, drawn):
    def odd(pixels):
        first, second, rest = pixels.split(" ", 2)
        return f" {int(first):03}  {int(second):02} {rest} "

    dataset = fer2013.read(write_csv(tmp_path / "fer2013.csv", changed(4, 1, odd)), 48)
    np.testing.assert_array_equal(dataset.images, drawn.images)


def test_another_size_is_resized(tmp_path, write_csv):
    dataset = fer2013.read(write_csv(tmp_path / "fer2013.csv"), 24)
    whole = fer2013.read(tmp_path / "fer2013.csv", 48).images.astype(float)
    expected = whole.reshape(len(whole), 24, 2, 24, 2).mean(axis=(2, 4))
    assert np.abs(dataset.images - expected).max() <= 0.5 + 1e-6


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        (0, "7", r"emotion is '7'; expected 0 to 6 \(0 angry, .*6 neutral\)"),
        (0, "happy", "emotion is 'happy'; expected 0 to 6"),
        (0, "", "emotion is ''; expected 0 to 6"),
        (1, lambda pixels: pixels + " 7", r"2305 pixels; expected 2304 \(48 × 48\)"),
        (1, lambda pixels: pixels.rsplit(" ", 1)[0], "2303 pixels; expected 2304"),
        (1, "", "0 pixels; expected 2304"),
        (
            1,
            lambda p: "256 " + p.split(" ", 1)[1],
            "pixel 1 is '256'; expected a whole number from 0 to 255",
        ),
        (
            1,
            lambda p: p.rsplit(" ", 1)[0] + " 1000",
            "pixel 2304 is '1000'; expected a whole number",
        ),
        (
            1,
            lambda p: "9" * 5000 + " " + p.split(" ", 1)[1],
            "pixel 1 is '9{27}…'; expected a whole",
        ),
        (1, lambda p: "-1 " + p.split(" ", 1)[1], "pixel 1 is '-1'; expected a whole number"),
        (1, lambda p: "x " + p.split(" ", 1)[1], "pixel 1 is 'x'; expected a whole number"),
        (1, lambda p: "1.5 " + p.split(" ", 1)[1], "pixel 1 is '1.5'; expected a whole number"),
        (2, "Testing", "Usage is 'Testing'; expected Training, PublicTest, PrivateTest"),
    ],
)
def test_a_bad_row_is_named_with_what_was_expected(tmp_path, write_csv, column, value, words):
    file = write_csv(tmp_path / "fer2013.csv", changed(5, column, value))
    with pytest.raises(DataError, match=rf"fer2013\.csv, line 5 \(row 4\): {words}"):
        fer2013.read(file, 48)


def test_a_file_that_ends_in_the_middle_of_a_row_is_refused(tmp_path, write_csv):
    file = write_csv(tmp_path / "fer2013.csv")
    file.write_text(file.read_text()[:-4000])
    with pytest.raises(
        DataError, match=r"line 41 \(row 40\): 2 fields; expected .* Is the file cut off\?"
    ):
        fer2013.read(file, 48)


def test_a_short_row_under_more_columns_is_refused(tmp_path, write_csv):
    file = write_csv(tmp_path / "fer2013.csv")
    lines = [f"{number},{line}" for number, line in enumerate(file.read_text().splitlines())]
    lines[0] = "id,emotion,pixels,Usage"
    lines[2] = lines[2].rsplit(",", 1)[0]
    file.write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"line 3 \(row 2\): 3 fields; expected 4, with emotion"):
        fer2013.read(file, 48)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("emotion,pixels", "lacks the column usage; expected the header emotion,pixels,Usage"),
        ("a,b,c", "lacks the columns emotion, pixels, usage; .* it begins with 'a,b,c'"),
    ],
)
def test_missing_columns_are_named(tmp_path, write_csv, header, words):
    with pytest.raises(DataError, match=words):
        fer2013.read(write_csv(tmp_path / "fer2013.csv", header=header), 48)


def test_an_empty_file_and_one_without_rows_are_refused(tmp_path):
    file = tmp_path / "fer2013.csv"
    file.write_bytes(b"")
    with pytest.raises(DataError, match=r"lacks the columns .* but it is empty"):
        fer2013.read(file, 48)
    file.write_text("emotion,pixels,Usage\n")
    with pytest.raises(DataError, match="has a header and no rows"):
        fer2013.read(file, 48)


def test_votes_beside_the_csv_come_with_it(tmp_path, write_csv, write_votes, drawn):
    write_csv(tmp_path / "fer2013.csv")
    write_votes(tmp_path / "fer2013new.csv")
    dataset = fer2013.read(tmp_path, 48)
    np.testing.assert_array_equal(dataset.votes, drawn.votes)
    assert dataset.names[:4].tolist() == [
        "fer0000000.png",
        "fer0000001.png",
        "row 3",
        "fer0000003.png",
    ]
