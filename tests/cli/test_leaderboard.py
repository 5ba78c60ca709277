"""`mien leaderboard` from the outside: tables, filters, order, files."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mien.cli import app

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _place(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "results", tmp_path / "rows")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")


def invoke(*arguments):
    return CliRunner().invoke(app, ["leaderboard", *map(str, arguments)])


def test_our_rows_stand_beside_published_ones_of_the_same_protocol():
    shown = invoke("rows").output
    table = shown.split("fer2013-publictest")[1].split("fer2013-privatetest")[0]
    assert "mien-s, onnx" in table
    assert "usef-kh: tuned VGG" in table
    assert "ResEmoteNet" not in table
    assert "leak reported" in shown


def test_without_rows_the_published_ones_are_left():
    shown = invoke()
    assert shown.exit_code == 0
    assert "mien-s" not in shown.output
    assert "ResEmoteNet" in shown.output
    assert "note: results holds no results of ours" in shown.stderr
    assert "note:" not in invoke("rows").stderr


def test_a_row_that_was_shortened_says_so(tmp_path):
    path = tmp_path / "rows" / "mien-s-publictest.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    for row in rows:
        row["model"]["shortened"] = "17 faces, 2 epochs"
    path.write_text(json.dumps(rows), encoding="utf-8")
    shown = " ".join(invoke("rows", "--ours").output.split())
    assert shown.count("shortened to 17 faces, 2 epochs") == len(rows)


def test_a_narrow_terminal_leaves_out_columns_and_cuts_no_word(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = invoke("--protocol", "fer2013-private").output
    assert "macro-F1" not in shown
    assert "79.79   78.5–81.1   2024   leak reported, chosen on" in shown
    assert "…" not in shown


def test_filters_leave_out_and_the_order_changes():
    ours = invoke("rows", "--ours").output
    assert "mien-s, onnx" in ours
    assert "usef-kh" not in ours
    sound = invoke("rows", "--sound", "--published", "--protocol", "fer2013-private").output
    assert "LetheSec" not in sound
    assert "ResEmoteNet" not in sound
    assert "EmoNeXt" in sound
    assert "ferplus" not in sound
    by_year = invoke("--protocol", "fer2013-private", "--sort", "year").output
    assert by_year.index("ResEmoteNet") < by_year.index("EmoNeXt") < by_year.index("Tang")


def test_filters_that_leave_nothing_say_what_there_is():
    assert "No figure is left by these filters. Protocols: fer2013-publictest, " in (
        invoke("--protocol", "raf").output
    )


def test_files_hold_everything_whatever_is_shown(tmp_path):
    done = invoke("rows", "--write", "b.md", "--html", "b.html", "--protocol", "raf")
    assert done.exit_code == 0, done.output
    for name in ("b.md", "b.html"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "mien-s, onnx" in text
        assert "ResEmoteNet" in text


def test_a_folder_that_is_not_there_is_named():
    assert "There is no folder no; expected one with rows" in str(invoke("no").exception)


def test_a_file_is_not_written_without_any_rows_of_ours_by_mistake(tmp_path):
    """In another folder than the project's, the usual name of the rows leads nowhere."""
    (tmp_path / "b.md").write_text("ours")
    assert "There is no folder results" in str(invoke("--write", "b.md").exception)
    assert (tmp_path / "b.md").read_text() == "ours"
