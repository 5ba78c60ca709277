"""Where mien keeps things: its cache, the models inside the package, runs. The variables that move them."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = ["RUNS", "cache_dir", "weights_dir", "yunet_path"]

RUNS = "runs"
"""The folder, in the one where a command is given, that runs and studies are put into unless another is named."""


def cache_dir() -> Path:
    """Return the folder for what can be made again; ``MIEN_CACHE`` moves it. It may not exist yet."""
    moved = os.environ.get("MIEN_CACHE")
    return Path(moved) if moved else Path(platformdirs.user_cache_dir("mien", appauthor=False))


def weights_dir() -> Path:
    """Return the folder of the models that ship inside the package."""
    return Path(__file__).parent / "weights"


def yunet_path() -> Path:
    """Return where the file of the face detector YuNet is looked for; ``MIEN_YUNET`` names it. It may not be there."""
    named = os.environ.get("MIEN_YUNET")
    return Path(named) if named else cache_dir() / "face_detection_yunet_2023mar.onnx"
