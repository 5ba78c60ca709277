"""A study's TOML file becomes a `Design`; what is unknown, missing or impossible is refused before the first run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mien.errors import ConfigError, suggestion
from mien.recipe import load_recipe, nameless
from mien.studies.design import DESIGNS, SCORES, Design, Factor, Level, Published
from mien.tables import read_toml

__all__ = ["load_design"]

_ANOTHER_DATA_SET = ("data.source", "data.size", "name", "seed")


def load_design(path: Path, overrides: Sequence[str] = ()) -> Design:
    """Read a study.

    Args:
        path: A TOML file; its ``base`` is a recipe, found from the file's own folder.
        overrides: Changes of the base recipe, ``"train.epochs=3"``.

    Raises:
        ConfigError: If the file is missing or no TOML, or something in it is unknown, missing or impossible.
    """
    tables = read_toml(path, "study")
    _check_keys(tables, _TOP, _NEEDED, path, "")
    if tables["design"] not in DESIGNS:
        raise ConfigError(
            f"{path}: design is {tables['design']!r}; expected one of {', '.join(DESIGNS)}."
        )
    base = load_recipe(path.parent / tables["base"], overrides)
    sampled = tables["design"] in ("random", "tpe")
    design = Design(
        name=tables.get("name", path.stem),
        question=" ".join(tables["question"].split()),
        base=base,
        design=tables["design"],
        factors=tuple(_factor(entry, sampled, path) for entry in tables["factors"]),
        seeds=tuple(tables["seeds"]),
        score=tables.get("score", "macro_f1"),
        num_points=tables.get("num_points", 0),
        pruning=tables.get("pruning", "none"),
        note=" ".join(tables.get("note", "").split()),
        changes=tuple(map(nameless, overrides)),
        published=tuple(_published(entry, path) for entry in tables.get("published", ())),
        source=str(path),
    )
    _check(design)
    return design


_TOP = {
    **dict.fromkeys(("name", "question", "base", "design", "score", "pruning", "note"), str),
    **dict.fromkeys(("factors", "seeds", "published"), list),
    "num_points": int,
}
_FACTOR = {
    "name": str,
    "setting": str,
    "values": list,
    "levels": dict,
    "low": (int, float),
    "high": (int, float),
    "log": bool,
}
_PUBLISHED = {"label": str, "accuracy": (int, float), "said": str, "source": str}
_KINDS = {str: "text", list: "a list", dict: "a table", bool: "true or false"}
_NEEDED = ("question", "base", "design", "factors", "seeds")


def _check_keys(
    table: Mapping[str, Any],
    known: Mapping[str, Any],
    needed: Sequence[str],
    path: Path,
    inside: str,
) -> None:
    if not isinstance(table, Mapping):
        raise ConfigError(
            f"{path}: {inside[:-1]} holds {table!r}; expected [[{inside[:-1]}]] tables."
        )
    for key, value in table.items():
        if key not in known:
            raise ConfigError(
                f"{path}: '{inside}{key}' is nothing that a study has.{suggestion(key, list(known))} "
                f"Known: {', '.join(known)}."
            )
        if not isinstance(value, known[key]):
            raise ConfigError(
                f"{path}: '{inside}{key}' is {value!r}; expected {_KINDS.get(known[key], 'a number')}."
            )
    for key in needed:
        if key not in table:
            raise ConfigError(f"{path}: '{inside}{key}' is missing; a study needs it.")


def _factor(entry: Mapping[str, Any], sampled: bool, path: Path) -> Factor:
    _check_keys(entry, _FACTOR, ["name"], path, "factors.")
    name = entry["name"]
    if "levels" in entry:
        given = entry["levels"]
        for label, settings in given.items():
            if not isinstance(settings, Mapping):
                raise ConfigError(
                    f"{path}: the level '{label}' of '{name}' is {settings!r}; expected a table of settings."
                )
        levels = tuple(Level(label=label, settings=dict(given[label])) for label in given)
    elif "setting" in entry:
        setting = entry["setting"]
        levels = tuple(
            Level(label=_label(value), settings={setting: value})
            for value in entry.get("values", ())
        )
    else:
        raise ConfigError(
            f"{path}: the factor '{name}' changes nothing; give it a setting with values, or levels."
        )
    has_range = "low" in entry and "high" in entry
    if sampled and has_range and not levels:
        _check_range(entry, path)
    if not levels and not (sampled and has_range):
        wanted = "values, or low and high" if sampled else "values"
        raise ConfigError(f"{path}: the factor '{name}' has no values; give it {wanted}.")
    for key in (key for level in levels for key in level.settings):
        if key in _ANOTHER_DATA_SET:
            raise ConfigError(
                f"{path}: the factor '{name}' changes {key}, which a study keeps the same for all runs."
            )
    return Factor(
        name=name,
        levels=levels,
        setting=entry.get("setting", ""),
        low=entry.get("low"),
        high=entry.get("high"),
        log=entry.get("log", False),
    )


def _check_range(entry: Mapping[str, Any], path: Path) -> None:
    name, low, high = entry["name"], entry["low"], entry["high"]
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(
            f"{path}: the factor '{name}' goes from {low} to {high}; expected a low that is below its high."
        )
    if entry.get("log") and low <= 0:
        raise ConfigError(
            f"{path}: the factor '{name}' begins at {low}; drawn over orders of magnitude (log), it begins above 0."
        )


def _published(entry: Mapping[str, Any], path: Path) -> Published:
    _check_keys(entry, _PUBLISHED, ["said"], path, "published.")
    accuracy = entry.get("accuracy", 0.0)
    if not 0 <= accuracy <= 1:
        raise ConfigError(
            f"{path}: 'published.accuracy' is {accuracy}; expected a share from 0 to 1, as 0.71."
        )
    return Published(**entry)


def _check(design: Design) -> None:
    """Refuse what cannot be run, before the first hour is spent on it."""
    problems = {
        f"score is {design.score!r}; expected one of {', '.join(SCORES)}": design.score
        not in SCORES,
        "pruning is " + repr(design.pruning) + "; expected none or median": design.pruning
        not in ("none", "median"),
        "seeds are empty; give at least one, better three": not design.seeds,
        f"seeds are {list(design.seeds)}; expected whole numbers from 0 to 2^32 - 1": not all(
            type(seed) is int and 0 <= seed < 2**32 for seed in design.seeds
        ),
        "a seed stands there twice": len(set(design.seeds)) != len(design.seeds),
        "there is no factor to study": not design.factors,
        "num_points is missing: how many combinations is the sampler to draw?": design.is_sampled
        and design.num_points < 1,
        "num_points is for the designs random and tpe; the others have all values given": (
            design.num_points and not design.is_sampled
        ),
        "name is empty; its folder and its runs are called by it": not design.name.strip(),
    }
    for problem, is_so in problems.items():
        if is_so:
            raise ConfigError(f"{design.source}: {problem}.")
    _check_factors(design)
    labels = [point.label for point in design.points()]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ConfigError(f"{design.source}: the value {twice[0]} stands there twice.")
    for point in (*design.points(), *design.extremes()):
        design.recipe(point.settings, 0, design.name)
    for entry in design.published:
        if entry.label and labels and entry.label not in labels:
            raise ConfigError(
                f"{design.source}: published.label '{entry.label}' is no value of this study."
                f"{suggestion(entry.label, labels)}"
            )


def _check_factors(design: Design) -> None:
    """Two factors must have names of their own, and change settings of their own where their values are combined."""
    names: set[str] = set()
    changed: dict[str, str] = {}
    for factor in design.factors:
        if factor.name in names:
            raise ConfigError(f"{design.source}: two factors are called '{factor.name}'.")
        if factor.name == "seed":
            raise ConfigError(
                f"{design.source}: a factor is called 'seed', as --only calls the seeds; give it another name."
            )
        names.add(factor.name)
        if design.design == "one_at_a_time":
            continue
        keys = [key for level in factor.levels for key in level.settings] or [factor.setting]
        for key in dict.fromkeys(keys):
            others = [name for other, name in changed.items() if _overlap(key, other)]
            if others and others[0] != factor.name:
                raise ConfigError(
                    f"{design.source}: '{others[0]}' and '{factor.name}' both change {key}; where their values are "
                    "combined, one would undo the other. Make one factor of them."
                )
            changed[key] = factor.name


def _overlap(setting: str, other: str) -> bool:
    """Whether one is the other, or a table that holds it."""
    return f"{setting}.".startswith(f"{other}.") or f"{other}.".startswith(f"{setting}.")


def _label(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
