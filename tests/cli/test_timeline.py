import sys

import pytest

from mien import cli, images
from mien.recognition.table import open_table
from mien.types import Box, VideoRow


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["mien", "timeline", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return ended.value.code or 0, shown.out, shown.err

    return call


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "rows.csv"
    probs = {"happy": 0.9, "sad": 0.1}
    with open_table(path, tuple(probs)) as write:
        for number in range(10):
            write(
                VideoRow(
                    frame=number,
                    time_s=number / 10,
                    track=1,
                    box=Box(1, 2, 3, 4),
                    score=1.0,
                    expression="happy",
                    confidence=0.9,
                    probabilities=probs,
                    smoothed=probs,
                )
            )
    return path


def test_picture_and_page_lie_beside_the_table(run, table):
    code, out, err = run(table)
    assert (code, err) == (0, "")
    assert out.split() == [str(table.with_suffix(".png")), str(table.with_suffix(".html"))]
    assert images.read(table.with_suffix(".png")).shape[1] == 2000
    assert "<tr><td>1<td>happy<td>1.0" in table.with_suffix(".html").read_text()


def test_one_of_them_can_be_asked_for_in_korean(run, table, tmp_path):
    assert run(table, "-o", tmp_path / "seen.html", "--lang", "ko")[0] == 0
    assert "행복" in (tmp_path / "seen.html").read_text(encoding="utf-8")
    assert not table.with_suffix(".png").exists()


@pytest.mark.parametrize("folder", [".", "/", ""])
def test_a_folder_is_no_table(run, folder):
    code, out, err = run(folder)
    place = folder or "."
    assert (code, out) == (2, "")
    assert err == f"mien: The table {place} is a folder. Name a file of mien watch --table.\n"


def test_whatever_a_message_quotes_it_is_one_line(run, tmp_path):
    rows = tmp_path / "rows\x1b[2J.csv"
    rows.write_text('frame,"time\ns"\n')
    code, out, err = run(rows)
    assert (code, out) == (2, "")
    assert (
        err == f"mien: {tmp_path}/rows\ufffd[2J.csv, row 1 is not one that mien watch writes "
        "(no 'time_s'). Give a table of mien watch --table.\n"
    )


def test_a_damaged_parquet_is_one_line(run, tmp_path):
    rows = tmp_path / "rows.parquet"
    rows.write_bytes(b"PAR1" + b"\xff" * 64 + (64).to_bytes(4, "little") + b"PAR1")
    code, _, err = run(rows)
    assert code == 2
    assert err.count("\n") == 1
    assert "rows.parquet cannot be read: Couldn't deserialize thrift" in err
    assert err.endswith(".\n")


def test_a_table_whose_name_is_no_text_is_drawn(run, table, tmp_path):
    named = table.rename(tmp_path / "b\udcffd.csv")
    code, out, err = run(named)
    assert (code, err) == (0, "")
    assert "b\\udcffd.png" in out
    assert "b?d.csv" in (tmp_path / "b\udcffd.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.csv"], "none.csv cannot be read: No such file or directory."),
        (["{table}", "-o", "x.pdf"], "x.pdf ends in '.pdf'; expected .png or .html."),
        (["notes.txt"], "The table notes.txt ends in '.txt'"),
    ],
)
def test_mistakes_are_told_in_one_line(run, table, arguments, message):
    code, out, err = run(*(word.format(table=table) for word in arguments))
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
