"""`docs/leaderboard.md` is what the rows and the published figures give, and nothing is copied by hand."""

from pathlib import Path

from mien.evaluation.leaderboard import read_rows
from mien.evaluation.leaderboard_document import leaderboard_document
from mien.evaluation.leaderboard_studies import read_studies
from mien.evaluation.published import Published, Seed, read_published

ROOT = Path(__file__).parents[2]

THEIRS = Published(
    name="Net",
    protocol="fer2013-privatetest",
    checked="second hand",
    figure=70.0,
    n=3589,
    runs=5,
    spread=0.4,
    leak="https://leak",
    source="https://net",
    note="a note",
)
SEED = Seed(
    name="Old",
    protocol="fer2013-unknown",
    checked="text",
    figure=70.55,
    number=3,
    ours=("old",),
    how="so",
)


def line(document, start):
    (found,) = [one for one in document.splitlines() if one.startswith(start)]
    return found


def test_a_figure_stands_with_interval_spread_flags_and_source():
    document = leaderboard_document([], [THEIRS], [])
    assert line(document, "| 70.00") == (
        "| 70.00 ± 0.40 (68.5–71.5) | [Net](https://net) ° | ? | 3,589 | ? |  |  | ? | ? | ? | [yes](https://leak) |"
    )
    assert "- Net: mean of 5 runs; a note." in document
    assert "No result has been recorded yet." in document


def test_a_seed_has_its_line_with_or_without_ours():
    document = leaderboard_document([], [], [SEED])
    assert line(document, "| 3. Old") == (
        "| 3. Old | 70.55 on fer2013-unknown | not run at full length yet | so |"
    )
    ours = next(r for r in read_rows(ROOT / "results") if r["model"]["name"] == "mien-s")
    ours = {**ours, "model": {**ours["model"], "name": "old-net"}}
    text = line(leaderboard_document([ours], [], [SEED]), "| 3. Old")
    assert f"{100 * ours['scores']['accuracy']['value']:.2f}" in text
    assert f"on {ours['protocol']}: old-net, onnx, views {ours['views']}" in text


def test_every_row_of_ours_stands_with_its_command():
    rows = read_rows(ROOT / "results")
    document = leaderboard_document(rows, [], [])
    assert document.count("| **") == len(rows)
    for row in rows:
        assert f"`{row['command']}`, commit {row['commit']}" in document


def test_the_document_is_that_of_the_rows():
    published, seeds = read_published()
    studies = read_studies(ROOT / "results" / "studies")
    made = leaderboard_document(read_rows(ROOT / "results"), published, seeds, studies)
    kept = (ROOT / "docs" / "leaderboard.md").read_text(encoding="utf-8")
    assert kept == made, "run: mien leaderboard --write docs/leaderboard.md"
