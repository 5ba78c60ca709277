import json
import sys

import pytest

from mien import cli
from mien.cli import bench as bench_module


@pytest.fixture
def run(tiny_model_path, monkeypatch, capsys):
    """Return a function that runs a short `mien bench` on small pictures: exit code, stdout."""
    monkeypatch.setattr(bench_module, "_SIDES_PX", (160, 120))
    monkeypatch.setattr(bench_module, "_NUM_FRAMES", 20)
    monkeypatch.delenv("MIEN_YUNET", raising=False)

    def call(*arguments, model=tiny_model_path):
        words = ["mien", "bench", "--model", str(model), "--repeats", "1", "--pictures", "5"]
        monkeypatch.setattr(sys, "argv", [*words, *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return ended.value.code or 0, shown.out, shown.err

    return call


def test_json_holds_figures_processor_and_versions(run):
    code, out, _ = run("--json")
    report = json.loads(out)
    assert code == 0
    assert report["machine"]["cpu"]
    assert {"mien", "onnxruntime", "opencv-python-headless"} <= set(report["machine"]["versions"])
    assert report["model"]["name"] == "tiny"
    timed = {(one["threads"], one["batch_size"]) for one in report["classifier"]}
    cores = report["machine"]["cores"]
    assert timed == {(threads, batch) for threads in (1, cores) for batch in (1, 8, 32)}
    assert all(one["ms_a_face"] > 0 for one in report["classifier"])
    (haar,) = report["detectors"]
    assert haar["detector"] == "haar"
    assert haar["faces"] > 0
    (folder,) = report["end_to_end"]
    assert folder["pictures"] == 5
    assert folder["faces"] > 0
    (video,) = report["video"]
    assert (video["detector"], video["frames"]) == ("haar", 20)
    assert video["faces"] > 0
    assert video["frames_a_second"] > 0
    assert "mien fetch yunet" in report["detectors_left_out"]["yunet"]


def test_the_table_is_for_people(run):
    code, out, _ = run()
    assert code == 0
    assert "Model tiny" in out
    for words in (
        "find faces: haar",
        "classify: 1 thread, batch 32",
        "files to answers: haar",
        "a recording to its rows: haar",
    ):
        assert words in out
    assert "yunet left out: " in out


def test_an_unknown_model_ends_with_2(run):
    code, out, err = run(model="mien-xxl")
    assert (code, out) == (2, "")
    assert err.startswith("mien: No model is called 'mien-xxl'.")
