import json
from pathlib import Path

import pytest

from mien.demo.board import board_markdown
from mien.demo.texts import TEXTS
from mien.evaluation.leaderboard import results_table

RESULTS = Path(__file__).parents[2] / "results"


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_rows_are_those_of_the_leaderboard():
    about, table = board_markdown(RESULTS, "en").split("\n\n")
    assert f"read from `{RESULTS}`" in about
    assert table == results_table(RESULTS)


def test_every_column_has_a_name_in_korean():
    english, korean = (board_markdown(RESULTS, lang).split("\n\n")[1] for lang in ("en", "ko"))
    assert cells(korean.splitlines()[0]) == [
        TEXTS[f"column.{cell}"][1] for cell in cells(english.splitlines()[0])
    ]
    assert english.splitlines()[1:] == korean.splitlines()[1:]


@pytest.mark.parametrize(
    ("lang", "words"),
    [("en", "There is no folder with results at hand"), ("ko", "결과 폴더가 없습니다")],
)
def test_a_missing_folder_is_told(tmp_path, lang, words):
    told = board_markdown(tmp_path / "none", lang)
    assert words in told
    assert f"`{tmp_path / 'none'}`" in told
    assert "mien demo --results" in told


def test_an_empty_folder_is_told(tmp_path):
    assert board_markdown(tmp_path, "en").startswith("No result has been recorded in")
    assert "아직 결과가 없습니다" in board_markdown(tmp_path, "ko")


def test_a_damaged_file_is_told(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps({"not": "rows"}))
    told = board_markdown(tmp_path, "en")
    assert told.startswith("The results cannot be shown:")
    assert "x.json holds no list of result rows" in told
