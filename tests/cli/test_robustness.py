"""`mien robustness` from the outside."""

import json

import pytest
from typer.testing import CliRunner

from mien.cli import app
from mien.errors import ConfigError


def invoke(*arguments):
    return CliRunner().invoke(app, ["robustness", *map(str, arguments)])


@pytest.mark.slow
def test_the_table_and_the_rows_say_the_same(tiny_model_path, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    file = tmp_path / "row.json"
    result = invoke(
        tiny_model_path, "--data", "synthetic:200", "--limit", 12, "--seed", 3, "--json", file
    )
    assert result.exit_code == 0, result.output
    rows = json.loads(file.read_text(encoding="utf-8"))
    row = rows[0]
    assert row["data"]["n"] <= 12
    assert row["seed"] == 3
    assert row["command"] == (
        "mien robustness tiny.onnx --data synthetic:200 --views none --seed 3 --limit 12"
    )
    assert len(row["corruptions"]) == 24
    assert f"tiny on {row['protocol']} · {row['data']['n']} faces" in result.output
    strong = row["corruptions"][2]
    line = next(line for line in result.output.splitlines() if line.startswith(" light × 0.3 "))
    assert f"{100 * strong['accuracy']['value']:.1f} (" in line
    assert f"{100 * strong['drop']['value']:.1f} (" in line
    assert "…" not in result.output  # it fits into 80 columns
    assert "costs most:" in result.output


@pytest.mark.slow
def test_a_name_in_brackets_is_shown_as_it_is(tiny_model_path, tmp_path):
    import onnx

    model = onnx.load(tiny_model_path)
    (record,) = (one for one in model.metadata_props if one.key == "mien")
    record.value = json.dumps({**json.loads(record.value), "name": "tiny[v2][/x]"})
    onnx.save(model, tmp_path / "named.onnx")
    result = invoke(tmp_path / "named.onnx", "--data", "synthetic:200", "--limit", 12)
    assert "tiny[v2][/x] on labels-valid" in result.output


@pytest.mark.slow
def test_rows_can_be_the_standard_output(tiny_model_path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = invoke(tiny_model_path, "--data", "synthetic:200", "--limit", 12, "--json", "-")
    assert json.loads(result.stdout)[0]["model"]["name"] == "tiny"
    assert "costs most:" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_screen_that_takes_no_more_costs_no_row(tiny_model_path, tmp_path, monkeypatch):
    def full(*_, **__):
        raise BrokenPipeError

    monkeypatch.setattr("mien.cli.robustness._show", full)
    out = tmp_path / "row.json"
    data = ("--data", "synthetic:200", "--limit", 12)
    assert invoke(tiny_model_path, *data, "--json", out).exit_code != 0
    assert json.loads(out.read_text())


def test_a_folder_for_json_is_refused_before_any_work(tiny_model_path, tmp_path):
    result = invoke(tiny_model_path, "--data", "synthetic:200", "--json", tmp_path)
    assert isinstance(result.exception, ConfigError)
    assert "is a folder. Name a file." in str(result.exception)
    (tmp_path / "file").write_text("in the way")
    out = tmp_path / "file" / "rows.json"
    result = invoke("missing.onnx", "--data", "synthetic:200", "--json", out)
    assert "rows.json cannot be written: " in str(result.exception)
