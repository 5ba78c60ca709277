"""mien recognises facial expressions: `Recognizer("mien-s").predict("photo.jpg")`.

Importing it is cheap: names are loaded when first used, and recognising never loads PyTorch.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mien.modelfile import list_models, load_model
    from mien.recognition import Recognizer
    from mien.types import Box, Face

__all__ = ["Box", "Face", "Recognizer", "__version__", "list_models", "load_model"]

__version__ = "0.1.0"

_HOMES = {
    "Box": "mien.types",
    "Face": "mien.types",
    "Recognizer": "mien.recognition",
    "list_models": "mien.modelfile",
    "load_model": "mien.modelfile",
}

# OpenCV reads this once, when it is first imported, and would otherwise decode a gigapixel bomb.
# `mien.images` refuses large pictures itself, before decoding; this covers cv2's own readers.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(50_000_000))

# From 1.29 on, ONNX Runtime's wheels for Linux and macOS write a device id into the user's cache on import and report
# the machine and the model's name to their maker. It reads this once, when it is first imported.
# https://github.com/microsoft/onnxruntime/pull/27379
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'mien' has no attribute '{name}'") from None
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return __all__
