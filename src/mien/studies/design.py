"""What a study asks: a base recipe, the factors that change, their values, the seeds; and what is frozen beside them."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Literal

from mien.errors import ConfigError, suggestion
from mien.recipe import Recipe, recipe_from_dict

__all__ = [
    "DESIGNS",
    "NOT_COMPARED",
    "SCORES",
    "Design",
    "Factor",
    "Level",
    "Point",
    "Published",
    "frozen_changes",
    "frozen_hash",
    "recipe_tables",
    "with_defaults",
    "with_settings",
]

SCORES = {"macro_f1": "macro-F1", "balanced_accuracy": "mean recall", "accuracy": "accuracy"}
"""What a study may rank by, and how it is called."""

DESIGNS = ("one_at_a_time", "grid", "random", "tpe")
"""``one_at_a_time``: the base with one factor changed; ``grid``: all combinations; the others sample."""

NOT_COMPARED = "–"
"""The reference of a drawn point: there is no other that differs from it in one factor alone."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """One value of a factor: what it is called, and the settings that it makes."""

    label: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Factor:
    """What is changed while all else stays."""

    name: str
    levels: tuple[Level, ...] = ()
    setting: str = ""
    """The one setting that a sampler draws; empty where the levels are given."""
    low: int | float | None = None
    """Smallest value of a sampled number; None where the levels are given."""
    high: int | float | None = None
    log: bool = False
    """Whether a sampled number is drawn evenly over its orders of magnitude."""

    @property
    def num_values(self) -> float:
        """How many values a sampler can draw; infinity where it draws from a range of real numbers."""
        if self.levels:
            return len(self.levels)
        if isinstance(self.low, int) and isinstance(self.high, int):
            return self.high - self.low + 1
        return math.inf


@dataclass(frozen=True, kw_only=True)
class Published:
    """What others reported for a value, beside which ours is set."""

    said: str
    """Their claim in a few words, with the split where they name it."""
    label: str = ""
    """The value that it is about, as the table calls it; empty for the study as a whole."""
    accuracy: float | None = None
    """Their figure, 0 to 1; None where they give none in numbers."""
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One combination of values; it is run once a seed."""

    label: str
    """``"relu · 3"`` in a grid, ``"dropout=0.5"`` one at a time, ``"base"``."""
    values: Mapping[str, str]
    """Factor -> label of its level."""
    settings: Mapping[str, Any]
    """Setting of the recipe -> value."""
    reference: str = ""
    """Label of the point that it is compared with; empty for such a point itself, `NOT_COMPARED` for one without."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """A study as its file describes it."""

    name: str
    question: str
    base: Recipe
    design: Literal["one_at_a_time", "grid", "random", "tpe"]
    factors: tuple[Factor, ...]
    seeds: tuple[int, ...]
    score: str = "macro_f1"
    num_points: int = 0
    """How many combinations a sampler draws; 0 where all values are given."""
    pruning: Literal["none", "median"] = "none"
    """``median`` ends a run that is below the median of the others at the same epoch."""
    note: str = ""
    """What a reader must know, such as a shortening."""
    changes: tuple[str, ...] = ()
    """Settings of the base that were changed on the command line."""
    published: tuple[Published, ...] = ()
    source: str = field(default="", compare=False)
    """The file, for messages and the recorded command."""

    @property
    def is_sampled(self) -> bool:
        """Whether a sampler chooses the points."""
        return self.design in ("random", "tpe")

    @property
    def num_to_draw(self) -> int:
        """How many points a sampler comes to: no more than there are combinations; 0 where all values are given."""
        combinations = math.prod(factor.num_values for factor in self.factors)
        return int(min(self.num_points, combinations)) if self.is_sampled else 0

    def points(self) -> tuple[Point, ...]:
        """Return the given points, each compared with one that differs in the first factor only; none if sampled."""
        if self.is_sampled:
            return ()
        if self.design == "grid":
            return tuple(
                self._combined(levels)
                for levels in itertools.product(*(factor.levels for factor in self.factors))
            )
        own = [self.own_level(factor) for factor in self.factors]
        names = [factor.name for factor in self.factors]
        base = dict(zip(names, (level.label for level in own), strict=True))
        label = ", ".join(base.values()) if len(own) == 1 else "base"
        points = [Point(label=label, values=base, settings={})]
        for factor, same in zip(self.factors, own, strict=True):
            for level in factor.levels:
                if level is same:
                    continue
                name = level.label if len(own) == 1 else f"{factor.name}={level.label}"
                values = {**base, factor.name: level.label}
                points.append(
                    Point(label=name, values=values, settings=level.settings, reference=label)
                )
        return tuple(points)

    def extremes(self) -> tuple[Point, ...]:
        """Return, one change at a time, each level and both ends of each range that a sampler draws from."""
        if not self.is_sampled:
            return ()
        changes = [
            (factor, level.settings)
            for factor in self.factors
            for level in factor.levels
            or [
                Level(label="", settings={factor.setting: end}) for end in (factor.low, factor.high)
            ]
        ]
        return tuple(
            Point(
                label=f"{factor.name}={', '.join(map(str, settings.values()))}",
                values={},
                settings=settings,
            )
            for factor, settings in changes
        )

    def _combined(self, levels: Sequence[Level]) -> Point:
        own = self.own_level(self.factors[0])
        reference = "" if levels[0] is own else _joined([own, *levels[1:]])
        return Point(
            label=_joined(levels),
            values={f.name: level.label for f, level in zip(self.factors, levels, strict=True)},
            settings={key: value for level in levels for key, value in level.settings.items()},
            reference=reference,
        )

    def own_level(self, factor: Factor) -> Level:
        """Return the level of a factor that the base recipe has already.

        Raises:
            ConfigError: If it has none of them, so that nothing could be compared with it.
        """
        tables = self.base.as_dict()
        for level in factor.levels:
            # As recipes: a table that a level gives in part is the base's with the defaults filled in.
            if self.recipe(level.settings, self.base.seed, self.base.name) == self.base:
                return level
        keys = dict.fromkeys(key for level in factor.levels for key in level.settings)
        has = ", ".join(f"{key} = {_get(tables, key)!r}" for key in keys)
        absent = [key for key in keys if _get(tables, key) is None]
        hint = suggestion(absent[0], [key for key, _ in _leaves(tables)]) if absent else ""
        raise ConfigError(
            f"{self.source}: no value of '{factor.name}' is that of the base recipe ({has}).{hint} "
            "Add it, so that the others can be compared with it."
        )

    def recipe(self, settings: Mapping[str, Any], seed: int, name: str) -> Recipe:
        """Return the base recipe with settings changed.

        Raises:
            ConfigError: If a setting is unknown, or its value impossible.
        """
        return with_settings(self.base, settings, seed, name, self.source)

    def frozen(self, data_hash: str) -> dict[str, Any]:
        """Return everything that must stay the same while runs are added: values and seeds may grow."""
        tables = json.loads(json.dumps(self.base.as_dict()))
        base = {k: v for k, v in tables.items() if k not in ("name", "seed")}
        frozen: dict[str, Any] = {
            **base,
            "design": self.design,
            "score": self.score,
            "pruning": self.pruning,
            "data set": data_hash,
        }
        if self.is_sampled:
            ranges = [(f.name, f.setting, f.low, f.high, f.log) for f in self.factors]
            labels = [[level.label for level in f.levels] for f in self.factors]
            frozen["factors"] = json.loads(json.dumps([ranges, labels]))
        return frozen


def with_settings(
    base: Recipe, settings: Mapping[str, Any], seed: int, name: str, source: str
) -> Recipe:
    """Return a recipe with settings changed; ``source`` is for messages.

    Raises:
        ConfigError: If a setting is unknown, or its value impossible.
    """
    tables = json.loads(json.dumps(base.as_dict()))
    for key, value in settings.items():
        try:
            _set(tables, key, value)
        except (AttributeError, IndexError, TypeError, ValueError):
            hint = suggestion(key, [known for known, _ in _leaves(tables)])
            raise ConfigError(f"{source}: a recipe has no place for {key}.{hint}") from None
    return recipe_from_dict({**tables, "seed": seed, "name": name}, source)


def recipe_tables(frozen: Mapping[str, Any]) -> dict[str, Any]:
    """Return those tables of `Design.frozen` that are the base recipe's."""
    known = {entry.name for entry in dataclasses.fields(Recipe)}
    return {key: value for key, value in frozen.items() if key in known}


def with_defaults(frozen: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a study froze with the settings that recipes have got since, at their defaults.

    A study that was begun with an older mien can then be gone on with: what it did not set, it does not change.
    """
    recipe = recipe_from_dict({**recipe_tables(frozen), "name": "frozen"}, "the study's storage")
    filled = json.loads(json.dumps(recipe.as_dict()))
    return {**frozen, **{key: filled[key] for key in filled if key not in ("name", "seed")}}


def frozen_changes(begun: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return in words what differs between two of `Design.frozen`: ``"optimizer.lr (0.003, now 0.1)"``."""
    old, new = dict(_leaves(begun)), dict(_leaves(now))
    changed = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    in_a_word = {"data set": "data set", "factors": "range or set of values to draw from"}
    return [
        in_a_word.get(key) or f"{key} ({old.get(key)!r}, now {new.get(key)!r})" for key in changed
    ]


def frozen_hash(frozen: Mapping[str, Any]) -> str:
    """Return a short SHA-256 of what is frozen, for people to compare."""
    return hashlib.sha256(json.dumps(frozen, sort_keys=True).encode()).hexdigest()[:12]


def _leaves(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _joined(levels: Sequence[Level]) -> str:
    return " · ".join(level.label for level in levels)


def _get(tables: Any, key: str) -> Any:
    for part in key.split("."):
        if isinstance(tables, (list, tuple)):
            tables = tables[int(part)] if part.isdigit() and int(part) < len(tables) else None
        elif isinstance(tables, Mapping):
            tables = tables.get(part)
        else:
            return None
    return list(tables) if isinstance(tables, tuple) else tables


def _set(tables: Any, key: str, value: Any) -> None:
    *path, last = key.split(".")
    for part in path:
        tables = tables[int(part)] if isinstance(tables, list) else tables.setdefault(part, {})
    tables[int(last) if isinstance(tables, list) else last] = deepcopy(value)
