import shutil
import sys

import pytest
from typer.testing import CliRunner

from mien.cli import app
from mien.errors import ConfigError, InputError, MissingExtraError
from mien.models.weights import find_weights

runner = CliRunner()

RECIPE = """
[model]
name = "mien_net"
options = { widths = [4, 8], depths = [1, 1] }

[data]
size = 24
source = "synthetic:80"

[augment]
flip = true

[train]
epochs = 2
batch_size = 32
precision = "fp32"
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "student.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_student_is_trained_from_a_file_where_its_teacher_is_not(recipe, tmp_path):
    teacher, out = tmp_path / "teacher", tmp_path / "answers.safetensors"
    trained = runner.invoke(app, ["train", str(recipe), "--out", str(teacher)])
    assert trained.exit_code == 0, trained.output
    asked = runner.invoke(app, ["ask", str(recipe), "--teacher", str(teacher), "--out", str(out)])
    assert asked.exit_code == 0, asked.output
    assert f"{out}: 2 x 68 answers, 0.0 MB" in asked.output.replace("\n", "")
    (teacher / "weights.safetensors").unlink()
    taught = ["-o", f"distill.teacher={out}", "--out", str(tmp_path / "student")]
    student = runner.invoke(app, ["train", str(recipe), *taught])
    assert student.exit_code == 0, student.output


def test_it_says_that_a_teacher_is_missing(recipe, tmp_path):
    out = tmp_path / "answers.safetensors"
    with pytest.raises(ConfigError, match="Which teacher"):
        runner.invoke(app, ["ask", str(recipe), "--out", str(out)], catch_exceptions=False)


def test_a_file_of_another_ending_is_not_written(recipe, tmp_path):
    out = tmp_path / "answers.onnx"
    words = ["ask", str(recipe), "--teacher", "mien-s"]
    with pytest.raises(InputError, match=r"expected a file name that ends in \.safetensors"):
        runner.invoke(app, [*words, "--out", str(out)], catch_exceptions=False)


def test_neither_the_teacher_nor_the_weights_to_start_from_are_written_over(recipe, tmp_path):
    begun = tmp_path / "begun"
    begun.mkdir()
    weights = begun / "weights.safetensors"
    shutil.copy(find_weights("mien-s"), weights)
    before = weights.read_bytes()
    for words in (["--teacher", str(begun)], ["--teacher", "mien-s", "-o", f"init={begun}"]):
        with pytest.raises(InputError, match="is what it would be made from"):
            runner.invoke(
                app, ["ask", str(recipe), *words, "--out", str(weights)], catch_exceptions=False
            )
    assert weights.read_bytes() == before


def test_without_torch_it_says_what_to_install(recipe, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    out = tmp_path / "answers.safetensors"
    with pytest.raises(MissingExtraError, match="Asking a teacher"):
        runner.invoke(app, ["ask", str(recipe), "--out", str(out)], catch_exceptions=False)
