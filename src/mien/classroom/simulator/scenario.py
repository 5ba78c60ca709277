"""The script of a lesson: who is in which state when. Read from TOML, or drawn by lot."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien.classroom.signals import Answer, State
from mien.errors import ConfigError, suggestion
from mien.tables import read_toml

__all__ = ["Scenario", "ScriptedAnswer", "Stretch", "load_scenario", "random_lesson"]

_SHIPPED = Path(__file__).with_name("lesson.toml")
_QUIET_S = 240.0
"""Nothing happens before: students get to be known as they usually are."""
_ROOM_S = 90.0
"""Between two stretches of one student, so that each can begin and end."""
_CLASS_STATES = (State.STRAINED, State.AWAY)
_OWN_STATES = (
    State.STRAINED,
    State.POSITIVE,
    State.SURPRISED,
    State.AWAY,
    State.TURNED,
    State.NO_DATA,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """One state of some students for a while."""

    state: State
    from_s: float
    to_s: float
    students: tuple[int, ...]
    """Numbers from 0."""
    is_moment: bool = False
    """Whether it is meant to be marked as a moment of the class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedAnswer:
    """A tap of some students."""

    answer: Answer
    at_s: float
    students: tuple[int, ...]

    def __post_init__(self) -> None:
        _check(self.at_s >= 0, f"An answer comes at {self.at_s} s; expected 0 or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A lesson, and how clearly its students show what they are scripted to show."""

    name: str
    duration_s: float
    num_students: int
    seed: int = 0
    fps: float = 1.0
    """Frames a second that each student sends."""
    shift: float = 0.35
    """How much probability a state moves from a student's usual mix to its own expressions, 0 to 1."""
    noise: float = 0.5
    """Deviation of each log-probability around its mean."""
    noise_memory_s: float = 3.0
    """After so long the noise has forgotten 63 % of itself."""
    dropped: float = 0.05
    """Share of frames that never arrive."""
    missed: float = 0.03
    """Share of faces that the detector overlooks."""
    stretches: tuple[Stretch, ...] = ()
    """Later ones win where they overlap; whoever is in none is steady."""
    answers: tuple[ScriptedAnswer, ...] = ()

    def __post_init__(self) -> None:
        for name in ("duration_s", "num_students", "fps", "noise_memory_s"):
            value = getattr(self, name)
            _check(value > 0, f"{name} is {value}; expected more than 0.")
        for name in ("shift", "dropped", "missed"):
            value = getattr(self, name)
            _check(0 <= value <= 1, f"{name} is {value}; expected 0 to 1.")
        _check(self.noise >= 0, f"noise is {self.noise}; expected 0 or more.")
        for name in ("duration_s", "fps", "noise"):
            value = getattr(self, name)
            _check(value < math.inf, f"{name} is {value}; expected a number that is not infinite.")
        _check_seed(self.seed)
        for stretch in self.stretches:
            _check(
                0 <= stretch.from_s < stretch.to_s,
                f"A stretch goes from {stretch.from_s:g} to {stretch.to_s:g} s; expected it to end after it begins.",
            )
        named = [part.students for part in self.stretches] + [
            part.students for part in self.answers
        ]
        for students in named:
            _check(
                all(0 <= number < self.num_students for number in students),
                f"Students {list(students)} are named; expected numbers from 0 to {self.num_students - 1}.",
            )

    def state_at(self, student: int, time_s: float) -> State:
        """Return what a student is scripted to show at a time."""
        for stretch in reversed(self.stretches):
            if student in stretch.students and stretch.from_s <= time_s < stretch.to_s:
                return stretch.state
        return State.STEADY


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ConfigError(message)


def _check_seed(seed: object) -> None:
    _check(
        type(seed) is int and seed >= 0, f"seed is {seed!r}; expected a whole number, 0 or more."
    )


def load_scenario(path: Path | None = None, num_students: int | None = None) -> Scenario:
    """Read a script.

    Args:
        path: A TOML file as `lesson.toml` beside this module, which None takes.
        num_students: In the place of the script's number; students that a stretch names and that are then missing are
            left out of it.

    Raises:
        ConfigError: If the file is missing or no TOML, or holds an unknown key or an impossible value.
    """
    path = path or _SHIPPED
    tables = read_toml(path, "scenario")
    try:
        return _scenario({"name": path.stem, **tables}, num_students)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _scenario(tables: Mapping[str, Any], num_students: int | None) -> Scenario:
    known = [entry.name for entry in dataclasses.fields(Scenario)]
    fields = _known_only(tables, known, "")
    scripted = fields.get("num_students")
    _check(
        type(scripted) is int and scripted > 0,
        f"num_students is {scripted!r}; expected a whole number above 0.",
    )
    num = num_students or int(fields["num_students"])
    fields["num_students"] = num
    fields["stretches"] = tuple(
        _stretch(one, num, num_students) for one in _list(fields, "stretches")
    )
    fields["answers"] = tuple(_answer(one, num, num_students) for one in _list(fields, "answers"))
    try:
        return Scenario(**fields)
    except TypeError as error:
        raise ConfigError(f"A value is missing or of the wrong kind: {error}.") from None


def _list(fields: Mapping[str, Any], name: str) -> list[Any]:
    value = fields.get(name, [])
    _check(isinstance(value, list), f"{name} is {value!r}; expected [[{name}]] tables.")
    return list(value)


def _known_only(table: Any, known: list[str], where: str) -> dict[str, Any]:
    _check(isinstance(table, Mapping), f"{where or 'The script'} is {table!r}; expected a table.")
    for key in table:
        _check(
            key in known,
            f"'{where}{key}' is no setting.{suggestion(key, known)} Known: {', '.join(known)}.",
        )
    return dict(table)


def _stretch(table: Any, num: int, cut_to: int | None) -> Stretch:
    fields = _known_only(table, [entry.name for entry in dataclasses.fields(Stretch)], "stretches.")
    fields["state"] = _member(State, fields.get("state"), "stretches.state")
    fields["students"] = _students(fields.get("students", "all"), num, cut_to)
    try:
        return Stretch(**fields)
    except TypeError as error:
        raise ConfigError(f"A stretch lacks something: {error}.") from None


def _answer(table: Any, num: int, cut_to: int | None) -> ScriptedAnswer:
    fields = _known_only(table, ["answer", "at_s", "students"], "answers.")
    fields["answer"] = _member(Answer, fields.get("answer"), "answers.answer")
    fields["students"] = _students(fields.get("students", "all"), num, cut_to)
    try:
        return ScriptedAnswer(**fields)
    except TypeError as error:
        raise ConfigError(f"An answer lacks something: {error}.") from None


def _member(kind: Any, value: Any, where: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        names = [one.value for one in kind]
        raise ConfigError(
            f"{where} is {value!r}; expected one of {', '.join(names)}.{suggestion(str(value), names)}"
        ) from None


def _students(value: Any, num: int, cut_to: int | None) -> tuple[int, ...]:
    """Turn ``"all"``, a share such as 0.5 or a list of numbers into numbers."""
    if value == "all":
        return tuple(range(num))
    if isinstance(value, float) and 0 < value <= 1:
        return tuple(range(round(value * num)))
    is_list = isinstance(value, list) and all(type(number) is int for number in value)
    _check(
        is_list,
        f'students is {value!r}; expected "all", a share such as 0.5, or a list of numbers.',
    )
    return tuple(number for number in value if cut_to is None or number < cut_to)


def random_lesson(seed: int, num_students: int = 24, duration_s: float = 3000.0) -> Scenario:
    """Draw a lesson by lot: stretches of single students, and events of the class.

    The class events are two that should be marked as moments (three fifths of the class strained, half of it away, for two
    to four minutes), and two that should not: a fifth of the class for as long, and all of it for half a minute.

    Args:
        seed: The same seed gives the same lesson.
        num_students: How many students.
        duration_s: Its length; the class events need 3000 s.

    Raises:
        ConfigError: If the seed is below 0.
    """
    _check_seed(seed)
    generator = np.random.default_rng([seed, 1])
    events = tuple(_class_events(generator, num_students, duration_s))
    own = tuple(
        stretch
        for student in range(num_students)
        for stretch in _own_stretches(generator, student, events, duration_s)
    )
    return Scenario(
        name=f"random-{seed}",
        duration_s=duration_s,
        num_students=num_students,
        seed=seed,
        stretches=own + events,
    )


def _class_events(
    generator: np.random.Generator, num_students: int, duration_s: float
) -> list[Stretch]:
    kinds = [  # share of the class, shortest and longest, whether it is a moment
        (State.STRAINED, 0.6, (120.0, 240.0), True),
        (State.AWAY, 0.5, (120.0, 240.0), True),
        (_CLASS_STATES[int(generator.integers(2))], 0.2, (120.0, 240.0), False),
        (_CLASS_STATES[int(generator.integers(2))], 1.0, (30.0, 30.0), False),
    ]
    room_s = (duration_s - 2 * _QUIET_S) / len(kinds)
    events = []
    for place, kind in enumerate(generator.permutation(len(kinds))):
        state, share, (shortest, longest), is_moment = kinds[int(kind)]
        length_s = float(np.round(generator.uniform(shortest, longest)))
        free_s = max(0.0, room_s - length_s - _ROOM_S)
        from_s = 2 * _QUIET_S + place * room_s + float(np.round(generator.uniform(0, free_s)))
        chosen = generator.permutation(num_students)[: round(share * num_students)]
        events.append(
            Stretch(
                state=state,
                from_s=from_s,
                to_s=from_s + length_s,
                students=tuple(sorted(chosen.tolist())),
                is_moment=is_moment,
            )
        )
    return events


def _own_stretches(
    generator: np.random.Generator, student: int, events: tuple[Stretch, ...], duration_s: float
) -> list[Stretch]:
    """Stretches of 30 to 120 s with room between them and around the class's events."""
    stretches: list[Stretch] = []
    now_s = _QUIET_S
    while True:
        from_s = now_s + float(np.round(generator.uniform(_ROOM_S, 4 * _ROOM_S)))
        to_s = from_s + float(np.round(generator.uniform(30, 120)))
        if to_s + _ROOM_S > duration_s:
            return stretches
        now_s = to_s
        state = _OWN_STATES[int(generator.integers(len(_OWN_STATES)))]
        is_free = all(
            student not in event.students
            or to_s + _ROOM_S <= event.from_s
            or event.to_s + _ROOM_S <= from_s
            for event in events
        )
        if is_free:
            stretches.append(Stretch(state=state, from_s=from_s, to_s=to_s, students=(student,)))
