"""What a run can be told: one frozen record a table of the TOML file, each setting with what it changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mien.errors import ConfigError

__all__ = [
    "AugmentOptions",
    "DataOptions",
    "DistillOptions",
    "HeadOptions",
    "ModelOptions",
    "OptimizerOptions",
    "Recipe",
    "ScheduleOptions",
    "TrainOptions",
]


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ConfigError(message)


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Which faces are trained on."""

    source: str = ""
    """Where the data is when no ``--data`` is given; ``"synthetic:2000"`` draws 2,000 faces."""
    size: int = 48
    """Side that faces are stored at, px."""
    valid_fraction: float = 0.0
    """Part of the training split that is held out for validation, class by class; the data's own validation
    split is then not used at all. 0 uses that."""
    drop_not_face: int = 0
    """Training images with at least so many NF votes are left out; 0 keeps all."""
    drop_blank: bool = False
    """Leave out training images whose pixels are all the same."""
    limit: int = 0
    """Use only so many training images, the first of the seeded order; 0 uses all."""
    valid_limit: int = 0
    """Validate epochs on only so many images, the first of the seeded order; 0 uses all. What `mien evaluate` and a study
    score on is not shortened."""
    merge_flip: bool = False
    """Add a mirrored copy of each training image, once and for all, as `mien data augment` does; `augment.flip` mirrors
    anew in each epoch instead."""
    merge_rotate_deg: float = 0.0
    """Add a copy turned by up to so much either way, in the same manner; 0 adds none."""

    def __post_init__(self) -> None:
        _check(8 <= self.size <= 512, f"data.size is {self.size} px; expected 8 to 512.")
        _check(
            0 <= self.valid_fraction < 1,
            f"data.valid_fraction is {self.valid_fraction}; expected 0 up to 1.",
        )
        _check(
            0 <= self.drop_not_face <= 10,
            f"data.drop_not_face is {self.drop_not_face}; expected 0 to 10 votes.",
        )
        _check(self.limit >= 0, f"data.limit is {self.limit}; expected 0 or more.")
        _check(
            self.valid_limit >= 0, f"data.valid_limit is {self.valid_limit}; expected 0 or more."
        )
        _check(
            0 <= self.merge_rotate_deg <= 90,
            f"data.merge_rotate_deg is {self.merge_rotate_deg}; expected 0 to 90.",
        )


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which network is trained."""

    name: str = "mien_net"
    """An architecture that ``mien models`` lists."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of its builder."""
    channels: int = 1
    """1 for grey, 3 for RGB (grey repeated)."""

    def __post_init__(self) -> None:
        _check(self.channels in (1, 3), f"model.channels is {self.channels}; expected 1 or 3.")


@dataclass(frozen=True, kw_only=True)
class HeadOptions:
    """One set of answers that the network learns, and how its targets are made."""

    labels: Literal["fer2013", "ferplus", "ferplus-votes", "own"] = "fer2013"
    """``fer2013``: its seven; ``ferplus``: eight, from the votes; ``ferplus-votes``: all ten vote columns;
    ``own``: the data set's own label names."""
    weight: float = 1.0
    """Factor of this head's loss."""
    label_smoothing: float = 0.0
    """Probability taken from the target and spread over all classes."""
    mode: Literal["majority", "argmax", "shares", "probability", "crossentropy", "multi_target"] = (
        "majority"
    )
    """What becomes of FER+ votes: a mode of its authors, ``argmax`` as many projects take it, or ``shares``,
    all votes for an expression as its probability."""
    min_votes: int = 0
    """Rows with fewer FER+ votes for an expression do not count for this head."""

    def __post_init__(self) -> None:
        _check(self.weight > 0, f"heads.weight is {self.weight}; expected more than 0.")
        _check(
            0 <= self.label_smoothing < 1,
            f"heads.label_smoothing is {self.label_smoothing}; expected 0 up to 1.",
        )
        _check(0 <= self.min_votes <= 10, f"heads.min_votes is {self.min_votes}; expected 0 to 10.")
        _check(
            self.labels != "ferplus-votes" or self.mode == "argmax",
            'heads: ferplus-votes goes with mode = "argmax" only.',
        )
        _check(
            self.mode == "majority" or self.labels.startswith("ferplus"),
            f"heads.mode says what becomes of FER+ votes, from which the head '{self.labels}' does not learn. Leave it out there.",
        )
        _check(
            not self.min_votes or self.labels.startswith("ferplus"),
            f"heads.min_votes counts FER+ votes, from which the head '{self.labels}' does not learn. Leave it out there.",
        )
        _check(
            not self.label_smoothing or not self.takes_any_of,
            'heads.label_smoothing spreads one right answer, and mode = "multi_target" knows several. Leave one out.',
        )

    @property
    def takes_any_of(self) -> bool:
        """Whether any one of several right answers will do (FER+'s ``multi_target``)."""
        return self.labels == "ferplus" and self.mode == "multi_target"


@dataclass(frozen=True, kw_only=True)
class OptimizerOptions:
    """How weights are moved."""

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    """SGD with momentum, Adam (weight decay added to the gradient), AdamW (decoupled)."""
    lr: float = 0.1
    """Peak learning rate, for the mean loss of a batch."""
    momentum: float = 0.9
    """Of SGD."""
    nesterov: bool = False
    """Of SGD."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Of Adam and AdamW."""
    weight_decay: float = 0.0
    """Acts on weights of two or more dimensions only, never on biases and BN."""

    def __post_init__(self) -> None:
        _check(self.lr > 0, f"optimizer.lr is {self.lr}; expected more than 0.")
        _check(
            0 <= self.momentum < 1, f"optimizer.momentum is {self.momentum}; expected 0 up to 1."
        )
        _check(
            self.weight_decay >= 0,
            f"optimizer.weight_decay is {self.weight_decay}; expected 0 or more.",
        )
        _check(
            all(0 <= beta < 1 for beta in self.betas),
            f"optimizer.betas are {self.betas}; expected 0 up to 1.",
        )
        _check(
            not self.nesterov or self.momentum > 0,
            "optimizer.nesterov needs a momentum above 0.",
        )


@dataclass(frozen=True, kw_only=True)
class ScheduleOptions:
    """How the learning rate goes."""

    name: Literal["constant", "linear", "cosine", "one_cycle", "plateau"] = "constant"
    """``linear`` and ``cosine`` fall to zero after the warm-up; ``one_cycle`` rises and falls in cosines
    (Smith 2018); ``plateau`` divides when validation accuracy stands still."""
    warmup_epochs: float = 0.0
    """The rate rises linearly from zero over so many epochs (``linear``, ``cosine``, ``constant``)."""
    pct_start: float = 0.3
    """Part of all steps in which ``one_cycle`` rises."""
    cycle_momentum: bool = True
    """``one_cycle`` lowers momentum while the rate rises, 0.95 to 0.85."""
    factor: float = 0.1
    """``plateau`` multiplies the rate by it."""
    patience: int = 3
    """Epochs without gain that ``plateau`` waits."""
    min_lr: float = 0.0
    """``plateau`` does not go below."""

    def __post_init__(self) -> None:
        _check(
            self.warmup_epochs >= 0,
            f"schedule.warmup_epochs is {self.warmup_epochs}; expected 0 or more.",
        )
        _check(
            not self.warmup_epochs or self.name in ("linear", "cosine", "constant"),
            f"schedule.warmup_epochs goes with linear, cosine or constant; schedule.name is {self.name}, which has no warm-up.",
        )
        _check(0 < self.pct_start < 1, f"schedule.pct_start is {self.pct_start}; expected 0 to 1.")
        _check(0 < self.factor < 1, f"schedule.factor is {self.factor}; expected 0 to 1.")
        _check(self.patience >= 0, f"schedule.patience is {self.patience}; expected 0 or more.")


@dataclass(frozen=True, kw_only=True)
class AugmentOptions:
    """What is done to training faces, each time anew. All off by default; a face is never turned upside down."""

    flip: bool = False
    """Mirror half of them."""
    rotate_deg: float = 0.0
    """Turn by up to so much either way."""
    scale: float = 0.0
    """Scale by e^±scale."""
    shift: float = 0.0
    """Move by up to this part of the side, each way."""
    brightness: float = 0.0
    """Multiply by 1 ± brightness."""
    contrast: float = 0.0
    """Stretch around the face's mean by 1 ± contrast."""
    erase: float = 0.0
    """Probability that a square is blotted out (Zhong et al. 2017)."""
    erase_px: tuple[int, int] = (6, 18)
    """Smallest and largest side of that square."""
    jpeg: float = 0.0
    """Probability that a face goes through JPEG."""
    jpeg_quality: tuple[int, int] = (20, 80)
    """Lowest and highest quality of that, as libjpeg counts it."""
    shrink: float = 0.0
    """Probability that a face is made small and large again."""
    shrink_px: tuple[int, int] = (16, 36)
    """Smallest and largest side in between."""
    mixup: float = 0.0
    """Alpha of the Beta that two faces are mixed with (Zhang et al. 2018); 0 is off."""

    def __post_init__(self) -> None:
        strengths = ("rotate_deg", "scale", "mixup")
        parts = ("shift", "brightness", "contrast", "erase", "jpeg", "shrink")
        for name in strengths + parts:
            value = getattr(self, name)
            _check(value >= 0, f"augment.{name} is {value}; expected 0 or more.")
        for name in parts:
            value = getattr(self, name)
            _check(value <= 1, f"augment.{name} is {value}; expected 0 to 1.")
        for name in ("erase_px", "jpeg_quality", "shrink_px"):
            low, high = getattr(self, name)
            _check(0 < low <= high, f"augment.{name} is {[low, high]}; expected smallest, largest.")
        _check(
            self.jpeg_quality[1] <= 100,
            f"augment.jpeg_quality is {list(self.jpeg_quality)}; expected 1 to 100.",
        )


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How long, how exactly, what is kept."""

    epochs: int = 30
    batch_size: int = 128
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """``auto`` takes bf16 where the processor computes in it and a self-test agrees with fp32."""
    sizes: tuple[int, ...] = ()
    """Input sides for equal parts of the run, the last being the model's: small first is faster, and worth it if more epochs
    are trained in the time (docs/studies.md, mien-sizes)."""
    clip_norm: float = 0.0
    """Largest norm of all gradients together; 0 is off."""
    clip_value: float = 0.0
    """Largest absolute value of a gradient; 0 is off."""
    ema: float = 0.0
    """Decay of the running average of the weights that is evaluated and kept; 0 is off."""
    keep: Literal["last", "best_loss", "best_accuracy"] = "last"
    """Which epoch's weights are the result. ``last`` is the honest one; the others choose on validation."""
    stop_patience: int = 0
    """Stop after so many epochs without gain in validation loss; 0 never stops early."""
    stop_min_delta: float = 0.0
    """What counts as a gain."""
    checkpoint_minutes: float = 5.0
    """A checkpoint is written after each epoch, or after several where writing would take more than a tenth of the time;
    within an epoch when so many minutes have passed since the last."""

    def __post_init__(self) -> None:
        _check(self.epochs >= 1, f"train.epochs is {self.epochs}; expected 1 or more.")
        _check(self.batch_size >= 2, f"train.batch_size is {self.batch_size}; expected 2 or more.")
        _check(0 <= self.ema < 1, f"train.ema is {self.ema}; expected 0 up to 1.")
        _check(
            all(8 <= size <= 512 for size in self.sizes),
            f"train.sizes are {self.sizes}; expected 8 to 512 px each.",
        )
        for name in (
            "clip_norm",
            "clip_value",
            "stop_patience",
            "stop_min_delta",
            "checkpoint_minutes",
        ):
            _check(
                getattr(self, name) >= 0,
                f"train.{name} is {getattr(self, name)}; expected 0 or more.",
            )


@dataclass(frozen=True, kw_only=True)
class DistillOptions:
    """Learning from what another network answers, too (Hinton et al. 2015)."""

    teacher: str = ""
    """A run folder, a .safetensors file, such as `mien ensemble` writes, or a model that ships, with the same heads; or its
    answers, which `mien ask` wrote for this recipe; empty is off."""
    sees: Literal["same", "original"] = "same"
    """``same``: the teacher answers each face as changed as the student sees it (Beyer et al. 2022), a forward pass more a
    step. ``original``: it answers each face and its mirror once, before training; ONNX model files can do that too."""
    temperature: float = 3.0
    """Teacher's and student's logits are divided by it before they are compared."""
    weight: float = 0.7
    """Part of the loss that is the distance to the teacher; the targets keep the rest."""

    def __post_init__(self) -> None:
        _check(
            self.temperature > 0,
            f"distill.temperature is {self.temperature}; expected more than 0.",
        )
        _check(0 < self.weight <= 1, f"distill.weight is {self.weight}; expected above 0, up to 1.")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a run, apart from the data's content and the machine."""

    name: str
    """What the run and its model are called."""
    seed: int = 0
    init: str = ""
    """Weights to start from: a model that ships, a run folder or a .safetensors file. Without a ``[model]`` table the
    network is the one of these weights; heads with other labels are drawn afresh. ``imagenet``: the weights that torchvision,
    where it is installed, has from ImageNet for the ``[model]``, a VGG or a ResNet; it downloads them (``./imagenet`` is a path)."""
    data: DataOptions = DataOptions()
    model: ModelOptions = ModelOptions()
    heads: tuple[HeadOptions, ...] = (HeadOptions(),)
    optimizer: OptimizerOptions = OptimizerOptions()
    schedule: ScheduleOptions = ScheduleOptions()
    augment: AugmentOptions = AugmentOptions()
    train: TrainOptions = TrainOptions()
    distill: DistillOptions = DistillOptions()

    def __post_init__(self) -> None:
        _check(bool(self.heads), "heads is empty; expected at least one [[heads]] table.")
        names = [head.labels for head in self.heads]
        _check(len(set(names)) == len(names), f"heads repeat their labels: {', '.join(names)}.")
        _check(
            not (self.augment.mixup and self.distill.teacher and self.distill.sees == "original"),
            'augment.mixup mixes faces that the teacher answered one by one. Set distill.sees = "same", or mixup to 0.',
        )
        _check(
            not (self.augment.mixup and any(head.takes_any_of for head in self.heads)),
            'augment.mixup mixes two targets in parts, and mode = "multi_target" takes any one of them as right. Leave one out.',
        )
        sizes = self.train.sizes
        _check(
            not sizes or sizes[-1] == self.data.size,
            f"train.sizes are {list(sizes)}; the last must be data.size, {self.data.size}, which the model will be given.",
        )
        _check(0 <= self.seed < 2**32, f"seed is {self.seed}; expected 0 to 2^32 - 1.")

    def as_dict(self) -> dict[str, Any]:
        """Return plain tables, as they would stand in a TOML file."""
        return dataclasses.asdict(self)
