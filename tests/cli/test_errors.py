"""`mien errors` from the outside: the list, the sheets, and what it refuses."""

from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from mien.cli import app
from mien.labels import FERPLUS


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Grey faces from black to white, all called sad; the brighter half is voted happiness.

    `tiny_model_path` calls bright ones happy, so those are mistakes whose labels are in doubt.
    """
    import cv2

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    greys = np.linspace(0, 255, 24).astype(np.uint8)
    rng = np.random.default_rng(0)
    noise = rng.integers(-2, 3, (24, 48, 48))
    images = np.clip(greys[:, None, None] + noise, 0, 255).astype(np.uint8)
    votes = {name: np.zeros(24, np.uint8) for name in (*FERPLUS.labels, "unknown", "NF")}
    votes["happiness"][12:], votes["sadness"][:12] = 9, 9
    table = {
        "png": [cv2.imencode(".png", image)[1].tobytes() for image in images],
        "emotion": np.full(24, 4),
        "usage": np.tile(["Training", "PublicTest"], 12),
        **votes,
    }
    pq.write_table(pa.table(table), tmp_path / "faces.parquet")
    return "faces.parquet"


def invoke(*arguments):
    return CliRunner().invoke(app, ["errors", *map(str, arguments)])


def test_a_model_is_scored_and_its_doubtful_mistakes_are_named(data, tiny_model_path):
    done = invoke(tiny_model_path, "--data", data, "-o", "m.png", "--protocol", "labels")
    assert done.exit_code == 0, done.output
    shown = " ".join(done.output.split())
    assert "tiny on labels-valid: mistakes: " in shown
    assert "sad → happy" in shown
    assert "votes: FER+'s voters chose the model's answer over the label" in shown
    assert "votes: happiness 9" in shown
    with PIL.Image.open("m.png") as sheet:
        assert sheet.width > 600


def test_saved_predictions_give_the_same_list_as_html(data, tiny_model_path, tmp_path):
    evaluate = ["evaluate", str(tiny_model_path), "--data", data, "--predictions", "p.npz"]
    assert CliRunner().invoke(app, evaluate).exit_code == 0
    saved = invoke("p.npz", "--data", data, "--output", "m.html", "--count", 2, "--doubtful")
    assert saved.exit_code == 0, saved.output
    page = (tmp_path / "m.html").read_text(encoding="utf-8")
    assert page.count("<figure") == 2
    assert page.count("class=doubt") == 2
    assert "The 2 most confident whose label is in doubt are shown." in page
    live = invoke(tiny_model_path, "--data", data, "--doubtful")
    assert saved.stdout.splitlines()[:8] == live.stdout.splitlines()[:8]
    assert live.stderr.count("note:") == saved.stderr.count("note:")


def test_a_screen_that_takes_no_more_costs_no_sheet(data, tiny_model_path, monkeypatch):
    def full(*_, **__):
        raise BrokenPipeError

    monkeypatch.setattr("mien.cli.errors._show", full)
    done = invoke(tiny_model_path, "--data", data, "-o", "m.html", "--protocol", "labels")
    assert done.exit_code != 0
    assert Path("m.html").exists()


def test_sound_ones_are_shown_alone(data, tiny_model_path):
    shown = invoke(tiny_model_path, "--data", data, "--sound", "--protocol", "labels").output
    assert "votes: happiness" not in shown


@pytest.mark.parametrize(
    ("option", "which"),
    [
        ((), ""),
        (("--doubtful",), " whose label is in doubt"),
        (("--sound",), " whose label nothing speaks against"),
    ],
)
def test_a_sheet_says_which_mistakes_were_asked_for(
    data, tiny_model_path, monkeypatch, option, which
):
    import mien.evaluation.plots_mistakes as module

    titles = []
    monkeypatch.setattr(module, "mistakes_sheet", lambda *given: titles.append(given[-1]))
    more = ("--protocol", "labels", "--count", 1, "-o", "m.png")
    done = invoke(tiny_model_path, "--data", data, *more, *option)
    assert done.exit_code == 0, done.output
    assert titles == [f"tiny on labels-valid: mistakes{which}, the 1 most confident"]


def test_as_many_are_listed_as_were_asked_for(data, tiny_model_path):
    arguments = (tiny_model_path, "--data", data, "--protocol", "labels")
    lines = [len(invoke(*arguments, "--count", n).output.splitlines()) for n in ("2", "5")]
    assert lines[1] - lines[0] == 3


def test_without_such_a_mistake_no_sheet_is_written(data, tiny_model_path, tmp_path):
    # All brighter faces are voted happiness, so every mistake there is has a doubt.
    arguments = ("--data", data, "--protocol", "ferplus", "--doubtful", "-o", "none.png")
    done = invoke(tiny_model_path, *arguments)
    assert done.exit_code == 0, done.output
    assert "There is no such mistake, so none.png is not written." in done.output
    assert not (tmp_path / "none.png").exists()


def test_what_a_user_can_mend_is_one_line(data, tiny_model_path):
    cases = [
        (("p.npz", "--data", data), "There are no predictions in p.npz"),
        (
            (tiny_model_path, "--data", data, "-o", "m.gif"),
            "m.gif ends in '.gif'; expected .png or .html",
        ),
        (
            (tiny_model_path, "--data", data, "--protocol", "raf"),
            "'raf' is not among the predictions; expected one of labels-valid, ferplus-majority-valid",
        ),
    ]
    for arguments, message in cases:
        error = invoke(*arguments).exception
        assert message in str(error), error
        assert "\n" not in str(error)


@pytest.mark.slow
@pytest.mark.realdata
def test_on_fer2013_voters_side_with_the_model_in_much_of_its_mistakes(fer2013_path, tmp_path):
    """What the sheet is for: the surest mistakes on FER2013's labels are mostly the labels' own."""
    from mien.modelfile import list_models

    if "mien-s" not in list_models():
        pytest.skip("mien-s does not ship")
    page = tmp_path / "m.html"
    done = invoke("mien-s", "--data", fer2013_path, "--protocol", "fer2013", "-o", page)
    assert done.exit_code == 0, done.output
    assert page.read_text(encoding="utf-8").count("class=doubt") > 24  # of the 48 surest
