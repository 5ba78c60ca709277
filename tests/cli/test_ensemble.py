import pytest
from typer.testing import CliRunner

from mien.cli import app
from mien.errors import ConfigError, InputError
from mien.labels import FER2013
from mien.modelfile import Head, ModelInfo
from mien.models.weights import load_network, save_network
from mien.models.zoo import build_network
from mien.preprocess import InputSpec

runner = CliRunner()


@pytest.fixture
def runs(tmp_path):
    files = []
    for seed in range(2):
        options = {"widths": [4, 8], "depths": [1, 1]}
        info = ModelInfo(
            name=f"run-{seed}",
            heads=(Head(name="fer2013", labels=FER2013.labels),),
            input=InputSpec(size=24),
            architecture="mien_net",
            options=options,
            provenance={"seed": seed, "valid_accuracy": 0.6 + seed / 100},
        )
        folder = tmp_path / f"run-{seed}"
        folder.mkdir()
        save_network(
            folder / "weights.safetensors",
            build_network("mien_net", num_classes=7, seed=seed, **options),
            info,
        )
        files.append(str(folder))
    return files


def test_an_ensemble_is_written_and_scored(runs, tmp_path):
    out = tmp_path / "pair.safetensors"
    done = runner.invoke(app, ["ensemble", *runs, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert (
        "2 networks (run-0, seed 0, 60.0% on validation; run-1, seed 1, 61.0% on validation)"
        in (" ".join(done.output.split()))
    )
    _, info = load_network(out)
    assert info.name == "pair"
    scored = runner.invoke(
        app, ["evaluate", str(out), "--data", "synthetic:60", "--json", str(tmp_path / "row.json")]
    )
    assert scored.exit_code == 0, scored.output
    assert "pair" in scored.output


def test_out_must_be_a_safetensors_file(runs, tmp_path):
    with pytest.raises(InputError, match=r"--out is .*pair\.onnx; expected a file name that ends"):
        runner.invoke(
            app,
            ["ensemble", *runs, "--out", str(tmp_path / "pair.onnx")],
            catch_exceptions=False,
        )


def test_a_folder_that_cannot_be_made_is_one_line(runs, tmp_path):
    (tmp_path / "file").write_text("")
    out = str(tmp_path / "file" / "pair.safetensors")
    with pytest.raises(ConfigError, match=r"--out .*pair\.safetensors cannot be written: "):
        runner.invoke(app, ["ensemble", *runs, "--out", out], catch_exceptions=False)


def test_a_member_is_not_written_over(runs, tmp_path):
    member = tmp_path / "run-0" / "weights.safetensors"
    before = member.read_bytes()
    with pytest.raises(InputError, match=r"is what it would be made from, and would be lost"):
        runner.invoke(app, ["ensemble", *runs, "--out", str(member)], catch_exceptions=False)
    assert member.read_bytes() == before


def test_a_member_is_not_taken_twice(runs, tmp_path):
    again = f"{runs[0]}/weights.safetensors"
    with pytest.raises(InputError, match=r"is given twice"):
        runner.invoke(
            app,
            ["ensemble", *runs, again, "--out", str(tmp_path / "pair.safetensors")],
            catch_exceptions=False,
        )
