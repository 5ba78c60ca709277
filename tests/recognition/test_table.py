import csv
import json
import os
import resource
import subprocess
import sys
import threading

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


WRITE_MANY = """
import sys
from pathlib import Path
from mien.errors import ConfigError
from mien.recognition.table import open_table
from mien.types import VideoRow
try:
    with open_table(Path(sys.argv[1]), ("happy", "sad")) as write:
        for number in range(int(sys.argv[2])):
            write(VideoRow(frame=number, time_s=number / 25))
except ConfigError as error:
    print(error)
"""


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize(("allowed", "count"), [(30_000, 3000), (1000, 50)])
def test_rows_that_reached_a_disk_that_is_full_now_are_kept(tmp_path, suffix, allowed, count):
    # A limit to the length of a file fails as a full disk does. 50 rows fail only when the file is closed.
    path = tmp_path / f"t{suffix}"
    done = subprocess.run(
        [sys.executable, "-c", WRITE_MANY, path, str(count)],
        capture_output=True,
        text=True,
        timeout=100,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (allowed, allowed)),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"The table {path} cannot be written: File too large." in done.stdout
    assert [row.frame for row in read_table(path)] == list(range(len(list(read_table(path)))))
    assert 0.8 * allowed < path.stat().st_size <= allowed
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("suffix", table.TABLE_SUFFIXES)
@pytest.mark.parametrize("stem", ["n" * 240, "b\udcffd"], ids=["long", "no UTF-8"])
def test_any_name_that_the_disk_takes_will_do(tmp_path, stem, suffix):
    assert list(read_table(write(tmp_path / f"{stem}{suffix}"))) == ROWS


def test_a_pipe_is_written_into(tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write(pipe)
    reader.join(60)
    assert read == [write(tmp_path / "t.csv").read_text()]
    assert pipe.is_fifo()


def test_a_carriage_return_in_a_name_begins_no_row(tmp_path):
    path = tmp_path / "t.csv"
    labels = ("hap\rpy", "s\nad")
    with open_table(path, labels) as add:
        probs = dict(zip(labels, (0.5, 0.5), strict=True))
        row = VideoRow(**{**vars_of(face(0)), "probabilities": probs, "smoothed": probs})
        add(row)
    assert list(read_table(path)) == [row]
    assert not path.read_bytes().endswith(b"\r\n")


def vars_of(row):
    return {name: getattr(row, name) for name in row.__slots__}


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


def test_ctrl_c_while_parquet_is_written_doubles_no_rows(tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(table, "_ROW_GROUP", 3)

    class Interrupted(parquet.ParquetWriter):
        def write_table(self, rows):
            super().write_table(rows)
            monkeypatch.undo()
            raise KeyboardInterrupt  # as Python does when it is back from pyarrow's code

    monkeypatch.setattr(parquet, "ParquetWriter", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "t.parquet")
    assert list(read_table(tmp_path / "t.parquet")) == ROWS[:3]


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"A parquet table needs .* 'mien\[tables\]'"):
        check_table_path(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "a,b\n1,2\n", r"t\.csv, row 1 is not one that mien watch writes \(no 'frame'\)"),
        ("t.csv", "a,b\n", "no 'frame'"),
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


def rewritten(path, change):
    path.write_text(change(path.read_text()))
    return path


@pytest.mark.parametrize(
    ("suffix", "change"),
    [
        (".csv", lambda text: "\ufeff" + text.replace("\n", "\r\n")),
        (".csv", lambda text: text.replace("0,0.0,1,1,2,30,40", "0.0,0.0,1.0,1.0,2.0,30.0,40.0")),
        (".jsonl", lambda text: "\ufeff" + text + "\n \n"),
    ],
    ids=["Excel", "pandas", "blank line"],
)
def test_what_a_spreadsheet_or_pandas_has_written_again_is_read(tmp_path, suffix, change):
    path = rewritten(write(tmp_path / f"t{suffix}"), change)
    assert list(read_table(path)) == ROWS


def test_parquet_from_pandas_has_nan_for_nothing(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    read = parquet.read_table(write(tmp_path / "t.parquet"))
    for place, name in enumerate(read.column_names):
        if name != "expression":
            values = [float("nan") if v is None else float(v) for v in read[name].to_pylist()]
            read = read.set_column(place, name, arrow.array(values))
    parquet.write_table(read, tmp_path / "again.parquet")
    assert list(read_table(tmp_path / "again.parquet")) == ROWS


@pytest.mark.parametrize(
    ("suffix", "change", "message"),
    [
        (".csv", lambda text: "\n".join([*text.split("\n")[:1], *text.split("\n")[:0:-1]]),
         r"row 2 is not .*frame 1 at 0\.04 s comes after frame 2 at 0\.08 s"),
        (".csv", lambda text: text.replace("1,0.04", "1,nan"), "row 3 is not .*nan is no number"),
        (".csv", lambda text: text.replace("1,0.04", "1.5,0.04"), "1.5 is no whole number"),
        (".csv", lambda text: text.replace("0.08", "inf"), "row 4 is not .*inf is no number"),
        (".csv", lambda _: "", r"t\.csv, row 1 is not .*the file is empty"),
        (".jsonl", lambda _: "", r"t\.jsonl, row 1 is not .*the file is empty"),
        (".jsonl", lambda text: text.replace('"frame": 1', '"frame": Infinity'), "row 3 is not"),
        (".jsonl", lambda text: text + "[" * 100_000, "row 5 is not .*recursion"),
    ],
)  # fmt: skip
def test_rows_out_of_order_and_what_is_no_number_are_refused(tmp_path, suffix, change, message):
    path = rewritten(write(tmp_path / f"t{suffix}"), change)
    with pytest.raises(DataError, match=message) as told:
        list(read_table(path))
    assert "\n" not in str(told.value)


def test_the_damaged_row_is_the_one_named(tmp_path):
    path = write(tmp_path / "t.jsonl")
    path.write_text(path.read_text() + "{}\n")
    with pytest.raises(DataError, match="row 5 is not one"):
        list(read_table(path))


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"t\.csv cannot be read: No such file"):
        list(read_table(tmp_path / "t.csv"))
