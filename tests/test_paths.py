"""Where mien keeps its files."""

from pathlib import Path

import mien
from mien.paths import cache_dir, weights_dir, yunet_path


def test_cache_moves_where_the_variable_says(monkeypatch, tmp_path):
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "elsewhere"))
    assert cache_dir() == tmp_path / "elsewhere"
    assert not cache_dir().exists()  # asking makes nothing


def test_cache_is_the_system_s_own_without_the_variable(monkeypatch, tmp_path):
    monkeypatch.delenv("MIEN_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert tmp_path in cache_dir().parents
    assert "mien" in cache_dir().parts


def test_an_empty_variable_counts_as_none(monkeypatch, tmp_path):
    monkeypatch.setenv("MIEN_CACHE", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_dir() != Path()
    assert "mien" in cache_dir().parts


def test_weights_lie_inside_the_package():
    assert weights_dir() == Path(mien.__file__).parent / "weights"


def test_yunet_is_looked_for_in_the_cache_unless_it_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path))
    assert yunet_path() == tmp_path / "face_detection_yunet_2023mar.onnx"
    monkeypatch.setenv("MIEN_YUNET", "/models/yunet.onnx")
    assert yunet_path() == Path("/models/yunet.onnx")
    monkeypatch.setenv("MIEN_YUNET", "")
    assert yunet_path() == tmp_path / "face_detection_yunet_2023mar.onnx"
