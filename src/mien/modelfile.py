"""One file with all that recognising needs: the network, its labels, input, calibration, scores, provenance.

ONNX files carry the `ModelInfo` in their metadata and run here, on ONNX Runtime. Trainable weights carry
the same record in a safetensors header; they are read and written in `mien.models.weights`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from mien.checksums import sha256_of
from mien.download import hub_file, is_hub_name
from mien.errors import InputError, ModelFileError, UnknownNameError, suggestion
from mien.paths import weights_dir
from mien.preprocess import InputSpec, to_inputs
from mien.session import open_session, run_session
from mien.tables import parse_json, read_json
from mien.utf8 import in_utf8

__all__ = [
    "ENSEMBLE",
    "HUB_CONFIG",
    "METADATA_KEY",
    "PRIORS",
    "Head",
    "Model",
    "ModelInfo",
    "adjusted",
    "check_prior",
    "list_models",
    "load_model",
]

METADATA_KEY = "mien"
"""Under this name the record stands in ONNX metadata and in safetensors headers, as JSON."""

HUB_CONFIG = "config.json"
"""What names the files of a folder that `mien export --to hub` wrote."""

ENSEMBLE = "ensemble"
"""What stands in a record in place of an architecture where several networks answer together."""

PRIORS = ("training", "uniform")
"""What is taken as known before a face is seen: that expressions are as frequent as in training, or all equally so."""

FORMAT = 1
"""Raised when a reader of the old format would misread the new one."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """One set of answers of a network."""

    name: str
    """Which labels, for example ``"fer2013"`` or ``"ferplus"``: also the name of the ONNX output."""
    labels: tuple[str, ...]
    """In the order of the logits."""
    temperature: float = 1.0
    """Logits are divided by it before softmax, so that confidence means accuracy (Guo et al. 2017)."""
    unsure_below: tuple[float, ...] | None = None
    """A confidence a label: answers of that label less confident than it are unsure. None if never measured."""
    prior: tuple[float, ...] | None = None
    """How frequent each label was in training, summing to 1; None if that is not known, as in files of before."""

    def __post_init__(self) -> None:
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise InputError(
                f"Head '{self.name}' has the labels {list(self.labels)}; expected some, all different."
            )
        if not 0 < self.temperature < math.inf:
            raise InputError(
                f"Head '{self.name}' has temperature {self.temperature}; expected a positive number."
            )
        below = self.unsure_below
        if below is not None and (
            len(below) != len(self.labels) or not all(0 <= part <= 1 for part in below)
        ):
            raise InputError(
                f"Head '{self.name}' is unsure below {list(below)}; expected {len(self.labels)} numbers from 0 to 1, or "
                "nothing."
            )
        if self.prior is not None and not _is_prior(self.prior, len(self.labels)):
            raise InputError(
                f"Head '{self.name}' has the prior {list(self.prior)}; expected {len(self.labels)} positive numbers "
                "that sum to 1, or nothing."
            )


def _is_prior(prior: tuple[float, ...], num_labels: int) -> bool:
    return (
        len(prior) == num_labels
        and all(share > 0 for share in prior)
        and math.isclose(sum(prior), 1, abs_tol=1e-4)
    )


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """What one must know to use a network and to trust its numbers."""

    name: str
    heads: tuple[Head, ...]
    input: InputSpec
    architecture: str
    """Name in `mien.models.zoo`, or `ENSEMBLE`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the architecture's builder."""
    licence: str = "Apache-2.0"
    scores: Mapping[str, Any] = field(default_factory=dict)
    """Protocol name -> its figures."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Where it came from: recipe, command, commit, data hash, date, seed, precision; how validation ended."""

    def __post_init__(self) -> None:
        if not self.heads or len({head.name for head in self.heads}) != len(self.heads):
            raise InputError(
                f"Model '{self.name}' has heads {[h.name for h in self.heads]}; expected some, all different."
            )

    @property
    def from_imagenet(self) -> bool:
        """Whether ImageNet's pictures are behind the weights: where they began, or in a teacher, at whatever remove."""
        return bool(self.provenance.get("imagenet"))

    def head(self, name: str) -> Head:
        """Return a head by its name.

        Raises:
            InputError: If the model has no such head.
        """
        for head in self.heads:
            if head.name == name:
                return head
        known = [head.name for head in self.heads]
        raise InputError(
            f"The model {self.name} has no labels '{name}'.{suggestion(name, known)} It has {', '.join(known)}."
        )

    def to_json(self) -> str:
        """Return the record as it stands in a file."""
        return in_utf8(json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False))

    @classmethod
    def from_json(cls, text: str, where: str) -> ModelInfo:
        """Read a record; ``where`` names the file in messages.

        Raises:
            ModelFileError: If it is of a newer format, or lacks or garbles a field.
        """
        try:
            fields = parse_json(text)
            version = fields.pop("format", None)
            if version != FORMAT:
                raise ModelFileError(
                    f"{where} is a model file of format {version}; this mien reads {FORMAT}. Update mien or export again."
                )
            missing = [
                k
                for k in ("name", "heads", "input", "architecture", "licence", "provenance")
                if k not in fields
            ]
            if missing:
                raise ModelFileError(
                    f"{where} lacks {', '.join(missing)} in its record. Export it again: mien export"
                )
            for name, kind in _KINDS.items():
                if not isinstance(fields.get(name, kind()), kind):
                    raise ValueError(
                        f"{name} is {fields[name]!r}, expected {'text' if kind is str else 'a table'}"
                    )
            fields["heads"] = tuple(_head_from(head) for head in fields["heads"])
            fields["input"] = InputSpec.from_dict(fields["input"])
            return cls(**fields)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelFileError(
                f"{where} has a record that cannot be read: {error}. Export it again: mien export"
            ) from None


_KINDS: Mapping[str, type] = {
    **dict.fromkeys(("name", "architecture", "licence"), str),
    **dict.fromkeys(("options", "scores", "provenance"), dict),
}


def _head_from(fields: Mapping[str, Any]) -> Head:
    labels, prior, below = fields["labels"], fields.get("prior"), fields.get("unsure_below")
    if not isinstance(labels, (list, tuple)) or not all(isinstance(one, str) for one in labels):
        raise ValueError(f"labels are {labels!r}, expected a list of names")
    if not isinstance(fields["name"], str):
        raise ValueError(f"a head is called {fields['name']!r}, expected text")
    labels = tuple(labels)
    if isinstance(below, (int, float)):  # one for all labels, as in files of before
        below = [below] * len(labels)
    given = {
        "labels": labels,
        "prior": None if prior is None else tuple(prior),
        "unsure_below": None if below is None else tuple(below),
    }
    return Head(**{**fields, **given})


def check_prior(head: Head, prior: str) -> None:
    """Make sure that a head can answer under a prior.

    Raises:
        UnknownNameError: If it is none of `PRIORS`.
        InputError: If the model does not say how frequent its labels were in training.
    """
    if prior not in PRIORS:
        raise UnknownNameError("prior", prior, PRIORS, "mien predict --help")
    if prior == "uniform" and head.prior is None:
        raise InputError(
            f"The head '{head.name}' of this model does not say how frequent its labels were in training, so they "
            "cannot be balanced. Export the model again with its training data: mien export RUN --calibrate DATA"
        )


def adjusted(
    logits: NDArray[np.floating[Any]], head: Head, prior: str
) -> NDArray[np.floating[Any]]:
    """Return logits as they would be if labels were as frequent as the prior says.

    A network that met one face of disgust among sixty needs strong evidence to say so. Under the uniform prior that
    head start of the frequent labels is taken away: calibrated probabilities are divided by the frequencies in
    training. Rare labels are found more often, and named wrongly more often too; accuracy on data with the
    frequencies of training falls.

    Args:
        logits: (..., C) of the head, before its temperature; averaged over views or not.
        head: Whose logits they are.
        prior: ``"training"`` leaves them as they are; ``"uniform"`` takes all labels as equally frequent.

    Returns:
        (..., C) logits; softmax at the head's temperature makes probabilities of them, as before.

    Raises:
        UnknownNameError: If the prior is none of `PRIORS`.
        InputError: If the model does not say how frequent its labels were in training.

    Source:
        Menon et al. 2021, "Long-tail learning via logit adjustment", https://arxiv.org/abs/2007.07314, the post-hoc
        form, here after calibration: logits / T - log(frequency). Without the temperature it overshoots.
    """
    check_prior(head, prior)
    if prior == "training" or head.prior is None:
        return logits
    start = head.temperature * np.log(np.array(head.prior))  # (C,)
    return np.asarray(logits - start.astype(logits.dtype))


class Model:
    """A network on ONNX Runtime together with its record."""

    def __init__(self, session: ort.InferenceSession, info: ModelInfo, path: Path) -> None:
        """Join a session and its record; `load_model` does it for a file."""
        self._session = session
        self.info = info
        self.path = path

    def logits(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Run the network.

        Args:
            images: uint8 faces that `preprocess.fit` brought to the network's size: (N, size, size[, 3]).

        Returns:
            For each head (N, C) logits.
        """
        names = [head.name for head in self.info.heads]
        if not len(images):
            return {h.name: np.zeros((0, len(h.labels)), np.float32) for h in self.info.heads}
        inputs = to_inputs(images, self.info.input)
        outputs = run_session(self._session, names, {self._session.get_inputs()[0].name: inputs})
        return dict(zip(names, outputs, strict=True))


def list_models() -> list[str]:
    """Return the names of the models that ship inside the package, the smallest first: it is the one that is asked by default."""
    files = sorted(weights_dir().glob("*.onnx"), key=lambda path: (path.stat().st_size, path.stem))
    return [path.stem for path in files]


def load_model(name_or_path: str | Path, threads: int = 1) -> Model:
    """Open a model that ships with mien, or a model file.

    Args:
        name_or_path: ``"mien-s"``; the path of an ``.onnx`` file or of a Hub folder that `mien export` wrote; or
            ``"owner/name"``, such a folder on the Hugging Face Hub, which is fetched once, and said to be.
        threads: How many threads one call may use; 0 lets ONNX Runtime choose.

    Raises:
        UnknownNameError: If there is neither such a model nor such a file.
        ModelFileError: If the file is damaged, or lacks its record.
        MissingExtraError: If it is on the Hub and huggingface_hub is not installed.
        DownloadError: If the Hub does not give it.
        InputError: If ``threads`` is negative.
    """
    if threads < 0:
        raise InputError(f"threads is {threads}; expected 0 or more.")
    path = _find(name_or_path)
    session = open_session(path, threads)
    record = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if record is None:
        raise ModelFileError(
            f"{path} is an ONNX file without labels, input and provenance ('{METADATA_KEY}' metadata), "
            "so its answers would have no meaning. Write one with: mien export RUN --to onnx"
        )
    info = ModelInfo.from_json(record, str(path))
    _check_input(session, info, path)
    _check_outputs(session, info, path)
    return Model(session, info, path)


def _find(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if not str(name_or_path):  # to Path, this folder
        raise UnknownNameError("model", "", list_models(), "mien models")
    if str(name_or_path) in list_models():
        return weights_dir() / f"{name_or_path}.onnx"
    if path.is_dir() and (path / HUB_CONFIG).is_file():
        return _onnx_of(path / HUB_CONFIG, lambda file, _: path / file)
    if path.suffix == ".safetensors" or path.is_dir():
        raise ModelFileError(
            f"{path} holds a network for training; recognising needs ONNX. Write it with: mien export RUN --to onnx"
        )
    if not path.is_file():
        if isinstance(name_or_path, str) and path.suffix != ".onnx" and is_hub_name(name_or_path):
            name = name_or_path
            return _onnx_of(
                hub_file(name, HUB_CONFIG), lambda file, size: hub_file(name, file, size)
            )
        if path.suffix == ".onnx" or len(path.parts) > 1:
            raise ModelFileError(f"There is no model file {path}.")
        raise UnknownNameError("model", str(name_or_path), list_models(), "mien models")
    return path


def _onnx_of(config: Path, get: Callable[[str, int], Path]) -> Path:
    """Return the ONNX file that a Hub folder names, once its bytes are those that the folder promises."""
    try:
        fields = read_json(config)
        file = fields["onnx_file"]
        promised, size = fields["files"][file]["sha256"], fields["files"][file]["bytes"]
        is_inside = not Path(file).is_absolute() and ".." not in Path(file).parts
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(
            f"{config} is not of a folder that mien can read ({type(error).__name__}: {error}). "
            "Expected one of: mien export RUN --to hub DIR"
        ) from None
    if not is_inside:
        raise ModelFileError(f"{config} names a file outside of its folder: {file}. Do not use it.")
    path = get(file, size)
    if not path.is_file():
        raise ModelFileError(f"{config} names {file}, which is not there. Fetch the folder again.")
    if (found := sha256_of(path)) != promised:
        raise ModelFileError(
            f"{path} is not the file that {config.name} promises: its SHA-256 is {found}, expected {promised}. "
            "Fetch the folder again."
        )
    return path


def _check_input(session: ort.InferenceSession, info: ModelInfo, path: Path) -> None:
    spec = info.input
    wanted = ["N", spec.channels, spec.size, spec.size]
    shapes = [one.shape for one in session.get_inputs()]
    fits = (
        len(shapes) == 1
        and len(shapes[0]) == 4
        and all(
            # A name instead of a number leaves the size open; the number of faces must be open.
            not isinstance(got, int) if want == "N" else got == want or not isinstance(got, int)
            for got, want in zip(shapes[0], wanted, strict=True)
        )
    )
    if not fits:
        raise ModelFileError(
            f"{path} promises an input of {wanted}, any N, but the network takes {', '.join(map(str, shapes))}. Export it again: mien export"
        )


def _check_outputs(session: ort.InferenceSession, info: ModelInfo, path: Path) -> None:
    shapes = {output.name: output.shape for output in session.get_outputs()}
    for head in info.heads:
        shape = shapes.get(head.name)
        if not shape or shape[-1] != len(head.labels):
            raise ModelFileError(
                f"{path} promises {len(head.labels)} labels in its head '{head.name}', "
                f"but the network gives {shape}. Export it again: mien export"
            )
