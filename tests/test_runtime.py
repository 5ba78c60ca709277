import logging
import platform
import subprocess
import sys

import pytest
import torch

from mien import runtime
from mien.errors import ConfigError

CPU = torch.device("cpu")


def test_auto_takes_a_gpu_only_where_there_is_one():
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert runtime.choose_device("auto").type == expected


def test_an_unknown_device_lists_those_that_exist():
    with pytest.raises(
        ConfigError, match=r"There is no device 'abacus'; expected auto, cpu or cuda"
    ):
        runtime.choose_device("abacus")


@pytest.mark.parametrize("name", ["mps", "meta", "gpu", "xpu"])
def test_a_device_that_nothing_here_computes_on_is_refused(name):
    with pytest.raises(
        ConfigError, match=f"There is no device '{name}'; expected auto, cpu or cuda"
    ):
        runtime.choose_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_an_absent_gpu_says_what_to_choose():
    with pytest.raises(
        ConfigError, match=r"no CUDA device that torch can use; choose --device cpu"
    ):
        runtime.choose_device("cuda")


def test_a_gpu_beyond_those_there_are_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert runtime.choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ConfigError, match=r"There is no device 'cuda:2'; .* cuda:0 to cuda:1"):
        runtime.choose_device("cuda:2")


def test_bf16_agrees_with_fp32_here():
    assert runtime.bf16_agrees(CPU)


def test_wrong_bf16_is_noticed(monkeypatch):
    right = torch.nn.functional.conv2d

    def wrong(x, w, **options):
        y = right(x, w, **options)
        return y * 1.1 if torch.is_autocast_enabled("cpu") else y

    monkeypatch.setattr(torch.nn.functional, "conv2d", wrong)
    assert not runtime.bf16_agrees(CPU)


def test_auto_falls_back_to_fp32_aloud_and_bf16_refuses(monkeypatch, caplog):
    monkeypatch.setattr(runtime, "bf16_agrees", lambda _: False)
    monkeypatch.setattr(runtime, "_has_native_bf16", lambda _: True)
    with caplog.at_level(logging.WARNING):
        assert runtime.choose_precision("auto", CPU) == "fp32"
    assert "bf16 convolutions differ from fp32" in caplog.text
    with pytest.raises(ConfigError, match=r"begin a run with train.precision = \"fp32\""):
        runtime.choose_precision("bf16", CPU)


def test_auto_stays_in_fp32_where_bf16_is_emulated(monkeypatch):
    monkeypatch.setattr(runtime, "_has_native_bf16", lambda _: False)
    assert runtime.choose_precision("auto", CPU) == "fp32"
    assert runtime.choose_precision("fp32", CPU) == "fp32"


def test_the_machine_is_described_without_its_name():
    facts = runtime.machine()
    assert facts["cores"] >= 1
    assert {"numpy", "onnxruntime"} <= facts["versions"].keys()
    assert set(facts) == {"cpu", "cores", "system", "python", "versions"}


def test_a_gpu_is_named_where_it_computes(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card {device.index}")
    assert runtime.machine(torch.device("cuda", 1))["gpu"] == "card 1"
    assert "gpu" not in runtime.machine(torch.device("cpu"))


def test_a_machine_in_a_few_words():
    facts = {"cpu": "a processor", "cores": 2}
    assert runtime.machine_text(facts) == "a processor, 2 cores"
    assert runtime.machine_text(facts | {"gpu": "a card"}) == "a card beside a processor, 2 cores"
    assert runtime.machine_text({"cpu": "a processor", "cores": 1}) == "a processor, 1 core"


def test_the_commit_tells_whether_something_was_changed(tmp_path):
    def git(*words):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )

    assert runtime.commit(tmp_path) == "unknown"
    git("init")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-m", "first")
    clean = runtime.commit(tmp_path)
    assert len(clean) == 12
    (tmp_path / "file").write_text("two")
    assert runtime.commit(tmp_path) == clean + "+"


def test_an_installed_mien_does_not_take_the_commit_of_what_it_lies_in(tmp_path):
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    for words in (["init"], [*who, "commit", "--allow-empty", "-m", "theirs"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)
    package = tmp_path / ".venv" / "mien"
    package.mkdir(parents=True)
    (package / "runtime.py").write_text("")
    assert runtime.commit(package) == "unknown"


_FAULTS = """
import resource, sys
import numpy as np
from mien.runtime import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def fill():
    np.empty(64 << 20, np.uint8).fill(1)
fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told so")
def test_freed_memory_is_there_for_the_next_step():
    """Pages that the system hands out anew; numpy may ask for huge ones, of which 64 MB have 32."""
    faults = {}
    for how in ("keep", "give back"):
        command = [sys.executable, "-c", _FAULTS, how]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        faults[how] = int(done.stdout)
    assert faults["keep"] < 10 < faults["give back"]
