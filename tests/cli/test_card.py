"""`mien card` from the outside."""

import pytest
from typer.testing import CliRunner

from mien.cli import app
from mien.errors import ConfigError


def invoke(*arguments):
    return CliRunner().invoke(app, ["card", *map(str, arguments)])


def test_a_card_is_written_and_found_up_to_date(tiny_model_path, tmp_path):
    options = (tiny_model_path, "--results", tmp_path, "--out", tmp_path / "CARD.md")
    result = invoke(*options)
    assert result.exit_code == 0, result.output
    card = (tmp_path / "CARD.md").read_text(encoding="utf-8")
    assert card.startswith("# Model card: tiny\n")
    assert invoke(*options, "--check").exit_code == 0
    (tmp_path / "CARD.md").write_text(card + "by hand", encoding="utf-8")
    stale = invoke(*options, "--check")
    assert isinstance(stale.exception, ConfigError)
    assert "CARD.md is not up to date. Make it again: mien card" in str(stale.exception)


def test_a_place_that_cannot_be_written_is_named(tiny_model_path, tmp_path):
    (tmp_path / "file").write_text("in the way")
    result = invoke(tiny_model_path, "--results", tmp_path, "--out", tmp_path / "file" / "CARD.md")
    assert isinstance(result.exception, ConfigError)
    assert "CARD.md cannot be written: " in str(result.exception)


@pytest.mark.parametrize("results", ["missing", "CARD.md"])
def test_results_that_are_no_folder_are_a_usage_error(tiny_model_path, tmp_path, results):
    (tmp_path / "CARD.md").write_text("")
    assert invoke(tiny_model_path, "--results", tmp_path / results).exit_code == 2
