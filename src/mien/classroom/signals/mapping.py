"""The one versioned file that says how probabilities become states: read strictly, every number with its source."""

from __future__ import annotations

import dataclasses
import math
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mien.classroom.signals.observation import EXPRESSIONS
from mien.errors import ConfigError, suggestion
from mien.tables import read_toml

__all__ = [
    "AggregateSettings",
    "AnswerSettings",
    "BaselineSettings",
    "FeatureSettings",
    "GateSettings",
    "MomentSettings",
    "SignalMapping",
    "StateSettings",
    "WindowSettings",
    "load_mapping",
]

ENGINEERING_DEFAULT = "†"
"""A source that begins with it is no source."""

_SHIPPED = Path(__file__).with_name("mapping.toml")
_ID = re.compile(r"[a-z0-9][a-z0-9.-]{2,63}")


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ConfigError(message)


@dataclass(frozen=True, kw_only=True)
class GateSettings:
    """Which frames count."""

    min_face_px: int
    min_sharpness: float
    max_entropy: float
    """Share of the highest possible entropy, 0 to 1."""

    def __post_init__(self) -> None:
        _check(
            self.min_face_px >= 1, f"gate.min_face_px is {self.min_face_px}; expected 1 or more."
        )
        _check(
            self.min_sharpness >= 0,
            f"gate.min_sharpness is {self.min_sharpness}; expected 0 or more.",
        )
        _check(
            0 < self.max_entropy <= 1,
            f"gate.max_entropy is {self.max_entropy}; expected above 0, up to 1.",
        )


@dataclass(frozen=True, kw_only=True)
class WindowSettings:
    """How frames are pooled."""

    length_s: float
    hop_s: float
    min_frames: int
    away_share: float

    def __post_init__(self) -> None:
        _check(
            0 < self.hop_s <= self.length_s,
            f"window.hop_s is {self.hop_s}; expected above 0, up to window.length_s.",
        )
        _check(self.min_frames >= 1, f"window.min_frames is {self.min_frames}; expected 1 or more.")
        _check(
            0.5 < self.away_share <= 1,
            f"window.away_share is {self.away_share}; expected above 0.5, up to 1.",
        )

    @property
    def slowest_s(self) -> float:
        """From one frame to the next: at most so long, or no window has enough of them."""
        return self.length_s / self.min_frames


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """Which expressions are added up. The order of the fields breaks ties."""

    strained: tuple[str, ...]
    positive: tuple[str, ...]
    surprised: tuple[str, ...]

    def __post_init__(self) -> None:
        names = [*self.strained, *self.positive, *self.surprised]
        for name in names:
            _check(
                name in EXPRESSIONS,
                f"features name '{name}'; expected some of {', '.join(EXPRESSIONS)}.{suggestion(name, EXPRESSIONS)}",
            )
        _check(
            len(set(names)) == len(names),
            "features name an expression twice; expected each once at most.",
        )
        _check(
            bool(self.strained and self.positive and self.surprised),
            "A list of features is empty; expected at least one expression in each.",
        )


@dataclass(frozen=True, kw_only=True)
class BaselineSettings:
    """How a student's own usual is learned."""

    learn_s: float
    drift_s: float
    min_scale: float
    min_yaw_scale_deg: float

    def __post_init__(self) -> None:
        for entry in dataclasses.fields(self):
            value = getattr(self, entry.name)
            _check(value > 0, f"baseline.{entry.name} is {value}; expected more than 0.")


@dataclass(frozen=True, kw_only=True)
class StateSettings:
    """When a state begins and ends."""

    half_life_s: float
    max_z: float
    enter_z: float
    leave_z: float
    dwell_s: float
    turned_deg: float
    forget_s: float

    def __post_init__(self) -> None:
        _check(
            self.half_life_s > 0, f"states.half_life_s is {self.half_life_s}; expected more than 0."
        )
        _check(
            0 < self.leave_z < self.enter_z < self.max_z,
            f"states.leave_z, enter_z and max_z are {self.leave_z}, {self.enter_z} and {self.max_z}; "
            "expected more than 0, each more than the one before.",
        )
        _check(self.dwell_s >= 0, f"states.dwell_s is {self.dwell_s}; expected 0 or more.")
        _check(
            0 < self.turned_deg < 90,
            f"states.turned_deg is {self.turned_deg}; expected above 0 and below 90.",
        )
        _check(self.forget_s > 0, f"states.forget_s is {self.forget_s}; expected more than 0.")


@dataclass(frozen=True, kw_only=True)
class AggregateSettings:
    """What a teacher may see of the class."""

    min_students: int
    round_percent: int
    delay_s: float
    admit_every_s: float

    def __post_init__(self) -> None:
        # The promise to students; a file of one's own can make it stronger, never weaker.
        _check(
            self.min_students >= 5,
            f"aggregate.min_students is {self.min_students}; expected 5 or more.",
        )
        _check(
            self.round_percent >= 10 and 100 % self.round_percent == 0,
            f"aggregate.round_percent is {self.round_percent}; expected 10, 20, 25, 50 or 100.",
        )
        _check(self.delay_s >= 0, f"aggregate.delay_s is {self.delay_s}; expected 0 or more.")
        _check(
            self.admit_every_s > 0,
            f"aggregate.admit_every_s is {self.admit_every_s}; expected more than 0.",
        )


@dataclass(frozen=True, kw_only=True)
class MomentSettings:
    """When a rise is worth a mark."""

    rise_percent: int
    history_s: float
    min_history_s: float
    hold_s: float

    def __post_init__(self) -> None:
        _check(
            0 < self.rise_percent <= 100,
            f"moments.rise_percent is {self.rise_percent}; expected above 0, up to 100.",
        )
        _check(
            0 < self.min_history_s <= self.history_s,
            f"moments.min_history_s is {self.min_history_s}; expected above 0, up to moments.history_s.",
        )
        _check(self.hold_s >= 0, f"moments.hold_s is {self.hold_s}; expected 0 or more.")


@dataclass(frozen=True, kw_only=True)
class AnswerSettings:
    """How taps are counted."""

    period_s: float
    near_s: float

    def __post_init__(self) -> None:
        _check(self.period_s > 0, f"answers.period_s is {self.period_s}; expected more than 0.")
        _check(self.near_s > 0, f"answers.near_s is {self.near_s}; expected more than 0.")


@dataclass(frozen=True, kw_only=True)
class SignalMapping:
    """Everything between a frame's probabilities and what a teacher sees."""

    id: str
    """Stamped on every report: what was shown can be traced to the numbers behind it."""
    gate: GateSettings
    window: WindowSettings
    features: FeatureSettings
    valence: Mapping[str, float]
    """Of every expression, -1 to 1."""
    arousal: Mapping[str, float]
    baseline: BaselineSettings
    states: StateSettings
    aggregate: AggregateSettings
    moments: MomentSettings
    answers: AnswerSettings
    sources: Mapping[str, str] = field(repr=False)
    """``"table.setting"`` or ``"table"`` -> where the number comes from; † says that it is a choice of ours."""

    def __post_init__(self) -> None:
        _check(
            _ID.fullmatch(self.id) is not None,
            f"id is '{self.id}'; expected 3 to 64 small letters, digits, dots and hyphens.",
        )
        for name in ("valence", "arousal"):
            weights = getattr(self, name)
            _check(
                set(weights) == set(EXPRESSIONS) and all(-1 <= w <= 1 for w in weights.values()),
                f"{name} must hold a number in -1 to 1 for each of {', '.join(EXPRESSIONS)}.",
            )
        _check_sources(self.sources)


def load_mapping(path: Path | None = None) -> SignalMapping:
    """Read a mapping file.

    Args:
        path: A TOML file with every setting; None takes the one that ships.

    Raises:
        ConfigError: If the file is missing or no TOML, a setting is missing, unknown or out of range, or has no source.
    """
    path = path or _SHIPPED
    tables = read_toml(path, "mapping")
    try:
        mapping: SignalMapping = _build(SignalMapping, tables, "")
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return mapping


def _build(kind: type[Any], table: Any, prefix: str) -> Any:
    if not isinstance(table, dict):
        raise ConfigError(f"{prefix.rstrip('.')} is {table!r}; expected a table.")
    hints = typing.get_type_hints(kind)
    for key in table:
        if key not in hints:
            raise ConfigError(
                f"'{prefix}{key}' is no setting.{suggestion(key, hints)} Known: {', '.join(hints)}."
            )
    missing = [f"{prefix}{key}" for key in hints if key not in table]
    if missing:
        raise ConfigError(
            f"{', '.join(missing)} is missing; expected every setting, so that the file says it all."
        )
    return kind(
        **{key: _convert(hints[key], value, f"{prefix}{key}") for key, value in table.items()}
    )


def _convert(hint: Any, value: Any, key: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast("type[Any]", hint), value, f"{key}.")
    if typing.get_origin(hint) is tuple:
        _check(
            isinstance(value, list) and all(isinstance(item, str) for item in value),
            f"{key} is {value!r}; expected a list of names.",
        )
        return tuple(value)
    if typing.get_origin(hint) is Mapping:
        _check(isinstance(value, dict), f"{key} is {value!r}; expected a table.")
        kind = typing.get_args(hint)[1]
        return {name: _convert(kind, item, f"{key}.{name}") for name, item in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    names = {int: "a whole number", float: "a number", str: "text"}
    is_right = isinstance(value, hint) and not isinstance(value, bool)
    is_right = is_right and not (isinstance(value, float) and not math.isfinite(value))
    _check(is_right, f"{key} is {value!r}; expected {names[hint]}.")
    return value


def _check_sources(sources: Mapping[str, str]) -> None:
    """Every setting has a source, and no source stands for nothing."""
    wanted = {"valence", "arousal"}
    for table, kind in typing.get_type_hints(SignalMapping).items():
        if dataclasses.is_dataclass(kind):
            wanted |= {f"{table}.{entry.name}" for entry in dataclasses.fields(kind)}
    missing, unknown = sorted(wanted - set(sources)), sorted(set(sources) - wanted)
    _check(
        not missing,
        f"sources lack {', '.join(missing)}; give each its source, or {ENGINEERING_DEFAULT} for a choice of your own.",
    )
    _check(not unknown, f"sources name {', '.join(unknown)}, which are no settings.")
    _check(all(text.strip() for text in sources.values()), "A source is empty; expected words.")
