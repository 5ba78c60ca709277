import csv
import json

import pytest

from mien.errors import ConfigError, DataError, MissingExtraError
from mien.recognition import table
from mien.recognition.table import check_table_path, open_table, read_table
from mien.types import Box, VideoRow

LABELS = ("happy", "sad")


def face(frame, track=1, yaw_deg=None):
    return VideoRow(
        frame=frame,
        time_s=frame / 25,
        track=track,
        box=Box(1, 2, 30, 40),
        score=0.75,
        yaw_deg=yaw_deg,
        expression="happy",
        confidence=0.625,
        probabilities={"happy": 0.5, "sad": 0.5},
        smoothed={"happy": 0.625, "sad": 0.375},
    )


ROWS = [face(0), face(0, 2, -12.5), VideoRow(frame=1, time_s=0.04), face(2)]


def write(path, rows=ROWS):
    with open_table(path, LABELS) as add:
        for row in rows:
            add(row)
    return path


@pytest.mark.parametrize("suffix", table.TABLE_SUFFIXES)
def test_what_is_written_can_be_read_back(tmp_path, suffix):
    assert list(read_table(write(tmp_path / f"t{suffix}"))) == ROWS
    assert len(list(tmp_path.iterdir())) == 1


def test_a_csv_has_a_column_for_everything(tmp_path):
    with write(tmp_path / "t.csv").open(newline="") as stream:
        first, _, empty, _ = csv.DictReader(stream)
    assert first == {
        "frame": "0",
        "time_s": "0.0",
        "track": "1",
        "x": "1",
        "y": "2",
        "w": "30",
        "h": "40",
        "score": "0.75",
        "yaw_deg": "",
        "expression": "happy",
        "confidence": "0.625",
        "p_happy": "0.5",
        "p_sad": "0.5",
        "s_happy": "0.625",
        "s_sad": "0.375",
    }
    assert {name for name, value in empty.items() if value} == {"frame", "time_s"}


def test_json_lines_hold_the_records_of_the_rows(tmp_path):
    lines = write(tmp_path / "t.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [row.as_dict() for row in ROWS]


def test_parquet_is_typed_and_written_in_groups(tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(table, "_ROW_GROUP", 3)
    file = parquet.ParquetFile(write(tmp_path / "t.parquet"))
    assert file.num_row_groups == 2
    types = {field.name: str(field.type) for field in file.schema_arrow}
    assert (types["track"], types["time_s"], types["expression"]) == ("int64", "double", "string")


@pytest.mark.parametrize("suffix", table.TABLE_SUFFIXES)
def test_rows_before_a_break_are_kept(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"

    def broken():
        with open_table(path, LABELS) as add:
            add(ROWS[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert list(read_table(path)) == ROWS[:1]


def test_a_failure_before_the_first_row_leaves_the_old_table(tmp_path):
    path = write(tmp_path / "t.csv")

    def broken():
        with open_table(path, LABELS):
            raise OSError("no camera")

    with pytest.raises(ConfigError, match=r"t\.csv cannot be written: no camera"):
        broken()
    assert len(list(read_table(path))) == 4
    assert len(list(tmp_path.iterdir())) == 1


def test_folders_on_the_way_are_made(tmp_path):
    assert list(read_table(write(tmp_path / "new" / "t.jsonl"))) == ROWS


def test_a_recording_without_frames_gives_an_empty_table(tmp_path):
    assert list(read_table(write(tmp_path / "t.csv", []))) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("t.xlsx", r"ends in '\.xlsx'; expected \.csv, \.jsonl or \.parquet"),
        ("folder.csv", "is a folder. Name a file"),
        ("file/t.csv", "cannot be written: .*file is no folder"),
    ],
)
def test_places_that_cannot_be_written_are_refused_at_once(tmp_path, name, message):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match=message):
        check_table_path(tmp_path / name)


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"A parquet table needs .* 'mien\[tables\]'"):
        check_table_path(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "a,b\n1,2\n", r"t\.csv, row 1 is not one that mien watch writes \(no 'frame'\)"),
        ("t.csv", "frame,time_s,track\nx,0,\n", r"row 1 is not .*invalid literal"),
        ("t.jsonl", "{}\n", "row 1 is not one"),
        ("t.jsonl", "no json\n", "row 1 is not one"),
        ("t.parquet", "no parquet", "row 1 is not one"),
        ("t.csv", b"\xff\xfe\x00", "row 1 is not one"),
    ],
)
def test_another_table_is_refused_with_its_row(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message):
        list(read_table(tmp_path / name))


def test_the_damaged_row_is_the_one_named(tmp_path):
    path = write(tmp_path / "t.jsonl")
    path.write_text(path.read_text() + "{}\n")
    with pytest.raises(DataError, match="row 5 is not one"):
        list(read_table(path))


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"t\.csv cannot be read: No such file"):
        list(read_table(tmp_path / "t.csv"))
