"""Which runs a study has, who works on them, how they ended: an Optuna study with one trial a run.

The order of things makes a run happen once: its lease first, then a fresh look at its state, then the work, then the
result, then the lease back. A process may die between any two of them.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.errors import ConfigError
from mien.studies.design import Design, Point, frozen_changes, frozen_hash, with_defaults
from mien.studies.memory import MemoryKills, memory_kills
from mien.studies.sampling import distributions, draw_point, next_point
from mien.studies.storage import open_storage, storage_errors

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

    from mien.studies.leases import Leases

__all__ = ["Ledger", "Run", "open_ledger"]

logger = logging.getLogger(__name__)

_PLAN = "plan"
"""The lease under which runs are entered."""

_ATTEMPTS = 50
"""Draws in search of a new point before the next one that is left is taken."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training of a study."""

    number: int
    """Of its trial."""
    point: Point
    seed: int
    state: str
    """``"waiting"``, ``"running"`` or ``"ended"``."""
    epochs: int
    """That were reported."""
    result: Mapping[str, Any] | None
    """What `runner.execute` returned; None until it ended."""
    memory_deaths: int = 0
    """Processes that did this run and were gone after the system had killed one for memory."""

    @property
    def name(self) -> str:
        """What its folder is called."""
        return f"{self.number:04d}-seed{self.seed}"


class Ledger:
    """The runs of a study, shared by all processes that work on it."""

    def __init__(
        self,
        study: optuna.Study,
        storage: BaseStorage,
        leases: Leases,
        design: Design,
    ) -> None:
        """Take an open study; see `open_ledger`."""
        self._study, self._storage, self._leases = study, storage, leases
        self._design = design
        self._by_recipe: dict[str, Point] = {}

    def runs(self) -> list[Run]:
        """Return the runs that the design asks for, in the order in which they were entered."""
        all_runs = [_as_run(trial) for trial in self._study.get_trials(deepcopy=False)]
        all_runs = [run for run in all_runs if run.seed in self._design.seeds]
        if self._design.is_sampled:
            return all_runs
        points = {point.label: point for point in self._design.points()}
        named = {(run.point.label, run.seed) for run in all_runs}
        runs = []
        for run in all_runs:
            if now := points.get(run.point.label):
                # Entered before a factor was added, it does not know its own value of that.
                point = replace(run.point, values=now.values, reference=now.reference)
                runs.append(replace(run, point=point))
            elif (now := self._called_now(run.point)) and (now.label, run.seed) not in named:
                named.add((now.label, run.seed))
                runs.append(replace(run, point=now))
        return runs

    def _called_now(self, point: Point) -> Point | None:
        """Return the point that makes the same recipe: a second factor turns the label ``tanh`` into ``activation=tanh``."""
        if not self._by_recipe:
            # Of two points that are the same, the first: it is what the others are compared with.
            points = reversed(self._design.points())
            self._by_recipe = {self._recipe(one): one for one in points}
        return self._by_recipe.get(self._recipe(point))

    def _recipe(self, point: Point) -> str:
        try:
            recipe = self._design.recipe(point.settings, 0, "")
        except ConfigError:  # of a value that the study, or mien, no longer has
            return ""
        return json.dumps(recipe.as_dict(), sort_keys=True)

    def claim(self, wanted: Callable[[Run], bool]) -> Run | None:
        """Take a run that is to be done: one that waits, or one whose process is gone.

        Args:
            wanted: Which runs to consider.

        Returns:
            The run, now this process's own; None if there is nothing to take at the moment.
        """
        from optuna.trial import TrialState

        with self._leases.wait(_PLAN):
            self._enter_missing(wanted)
        for run in self.runs():
            if run.state == "ended" or not wanted(run) or not self._leases.acquire(run.name):
                continue
            fresh = replace(_as_run(self._trial(run)), point=run.point)
            if fresh.state == "waiting":
                self._storage.set_trial_state_values(self._id(run), state=TrialState.RUNNING)
            if fresh.state != "ended" and fresh.result is None:
                return self._begun(fresh)
            if fresh.state != "ended" and fresh.result is not None:
                self._tell(fresh, fresh.result)  # its process died between the two
            self._leases.release(run.name)
        return None

    def report(self, run: Run, score: float, epoch: int) -> bool:
        """Note the score after an epoch, and return whether the run is to be pruned."""
        if epoch in self._trial(run).intermediate_values:
            return False  # a run that goes on trains some epochs again, and was judged after them
        self._storage.set_trial_intermediate_value(self._id(run), epoch, score)
        return self._study.pruner.prune(self._study, self._trial(run))

    def finish(self, run: Run, result: Mapping[str, Any]) -> None:
        """Enter a result and give the run back."""
        self._storage.set_trial_user_attr(self._id(run), "result", dict(result))
        self._tell(run, result)
        self._leases.release(run.name)

    def give_back(self, run: Run) -> None:
        """Give a run back without a result; another process, or this one later, goes on with it."""
        troubles: tuple[type[Exception], ...] = (OSError, *storage_errors())
        try:
            self._note_deaths(run, None)
        except troubles as error:
            # Whatever ended the run is what the user must hear of, such as a full disk, and not that this failed too.
            logger.warning("The run %s was given back without a note: %s", run.name, error)
        self._leases.release(run.name)

    def close(self) -> None:
        """Give back all that is held."""
        self._leases.close()

    def _begun(self, run: Run) -> Run:
        """Note what would tell, should this process be gone, whether memory was the reason; and the same of those before it."""
        now, before = memory_kills(), self._trial(run).user_attrs.get("begun") or {}
        if "count" in before and now is not None:
            at_begin = MemoryKills(boot=before["boot"], count=before["count"])
            run = replace(run, memory_deaths=run.memory_deaths + now.since(at_begin))
        self._note_deaths(run, now)
        return run

    def _note_deaths(self, run: Run, now: MemoryKills | None) -> None:
        begun = {"deaths": run.memory_deaths} | (dataclasses.asdict(now) if now else {})
        self._storage.set_trial_user_attr(self._id(run), "begun", begun)

    def _trial(self, run: Run) -> FrozenTrial:
        return self._study.get_trials(deepcopy=False)[run.number]

    def _id(self, run: Run) -> int:
        return self._trial(run)._trial_id  # Optuna's storages speak of ids only

    def _tell(self, run: Run, result: Mapping[str, Any]) -> None:
        from optuna.trial import TrialState

        scores = result["scores"]
        if result["state"] == "pruned":
            self._study.tell(run.number, state=TrialState.PRUNED, skip_if_finished=True)
        elif scores is None:
            self._study.tell(run.number, state=TrialState.FAIL, skip_if_finished=True)
        else:
            self._study.tell(run.number, scores[self._design.score], skip_if_finished=True)

    def _enter_missing(self, wanted: Callable[[Run], bool]) -> None:
        """Enter the runs that the design asks for and nobody entered yet; only under the lease ``plan``.

        A sampler's next point is drawn when no run waits that is wanted, so that it has learnt from all that ended.
        """
        runs = self.runs()
        points = {point.label: point for point in self._design.points()}
        points |= {run.point.label: run.point for run in runs}
        known = {(run.point.label, run.seed) for run in runs}
        # What a sampler learns from, also of a seed that is added.
        params = [trial.params for trial in self._study.get_trials(deepcopy=False)]
        drawn = {run.point.label: params[run.number] for run in runs if params[run.number]}
        # The first seed of every point comes first: a study that is cut short has then seen all values.
        for seed in self._design.seeds:
            for label, point in points.items():
                if (label, seed) not in known:
                    self._enter(point, seed, drawn.get(label))
        while self._design.is_sampled:
            runs = self.runs()
            num_drawn = len({run.point.label for run in runs})
            has_work = any(run.state == "waiting" and wanted(run) for run in runs)
            if has_work or num_drawn >= self._design.num_to_draw or not self._sample(num_drawn):
                return

    def _sample(self, num_drawn: int) -> bool:
        """Draw one more point and enter it for every seed; whether one was found."""
        trials = self._study.get_trials(deepcopy=False)
        known = {run.point.label for run in self.runs()}
        draws = range(num_drawn * _ATTEMPTS, (num_drawn + 1) * _ATTEMPTS)
        # Where few combinations are left, most draws are old ones; so are all of ``tpe`` once it has made up its mind.
        drawn = (draw_point(self._design, trials, draw) for draw in draws)
        found = next((one for one in drawn if one[0].label not in known), None)
        found = found or next_point(self._design, known, num_drawn)
        if found is None:
            return False
        for seed in self._design.seeds:
            self._enter(found[0], seed, found[1])
        return True

    def _enter(self, point: Point, seed: int, values: Mapping[str, Any] | None = None) -> None:
        from optuna.trial import TrialState, create_trial

        self._study.add_trial(
            create_trial(
                state=TrialState.WAITING,
                params=dict(values or {}),
                distributions=distributions(self._design) if values else {},
                user_attrs={"point": dataclasses.asdict(point), "seed": seed},
            )
        )


def open_ledger(design: Design, data_hash: str, folder: Path, storage: str = "") -> Ledger:
    """Open a study, or begin it.

    Args:
        design: What is asked.
        data_hash: Of the data set; see `Dataset.content_hash`.
        folder: The study's folder.
        storage: ``"postgresql://…"`` for several machines; empty for a journal in the folder.

    Raises:
        ConfigError: If the study was begun with something else frozen or with other settings under the same label, the
            folder holds another study, or the storage cannot be used.
        MissingExtraError: If Optuna or PostgreSQL's driver is not installed.
    """
    opened, leases = open_storage(design.name, folder, storage)
    import optuna

    if not storage:
        _refuse_company(optuna.get_all_study_names(opened), design, folder)
    pruners = optuna.pruners
    with leases.wait(_PLAN):
        study = optuna.create_study(
            study_name=design.name,
            storage=opened,
            direction="maximize",
            load_if_exists=True,
            pruner=pruners.MedianPruner() if design.pruning == "median" else pruners.NopPruner(),
        )
        frozen = design.frozen(data_hash)
        begun = study.user_attrs.get("frozen")
        if begun is None:
            study.set_user_attr("frozen", frozen)
    begun = frozen if begun is None else with_defaults(begun)
    # In a database a study goes by its name, whatever its folder.
    elsewhere = "give the study another name" if storage else "choose another --out"
    where = "The storage" if storage else str(folder)
    if begun != frozen:
        leases.close()
        raise ConfigError(
            f"{where} holds the study '{design.name}', begun with another "
            f"{'; '.join(frozen_changes(begun, frozen))}. Frozen as {frozen_hash(begun)}; this one is {frozen_hash(frozen)}. "
            f"Put back what was changed, or {elsewhere}."
        )
    ledger = Ledger(study, opened, leases, design)
    try:
        _refuse_changed_values(ledger, design, where, elsewhere)
    except ConfigError:
        leases.close()
        raise
    return ledger


def _refuse_company(names: Sequence[str], design: Design, folder: Path) -> None:
    """Two studies in one folder would take each other's runs for their own: these are called by number and seed."""
    for name in names:
        if name != design.name:
            raise ConfigError(
                f"{folder} holds the study '{name}', and this one is called '{design.name}'. Choose another --out, or give "
                f'the file its old name back; name = "{name}" in it does so too.'
            )


def _refuse_changed_values(ledger: Ledger, design: Design, where: str, elsewhere: str) -> None:
    """Runs are found by the label of their value: a label that now makes other settings would pass off old results as its own."""
    given = {point.label: point.settings for point in design.points()}
    for run in ledger.runs():
        drawn = _drawn_settings(design, run.point) if design.is_sampled else {}
        asked = json.loads(json.dumps(given.get(run.point.label, drawn)))
        if run.point.settings != asked:
            raise ConfigError(
                f"{where}: runs of the value '{run.point.label}' were made with {dict(run.point.settings)}, and it now "
                f"stands for {asked}. Give the new settings a label of their own, or {elsewhere}."
            )


def _drawn_settings(design: Design, point: Point) -> dict[str, Any]:
    """What a drawn point's values stand for now: numbers from ranges for themselves, levels for the settings under their labels."""
    settings: dict[str, Any] = {}
    for factor in design.factors:
        if factor.levels:
            label = point.values[factor.name]
            settings |= next(one.settings for one in factor.levels if one.label == label)
        else:
            settings[factor.setting] = point.settings.get(factor.setting)
    return settings


def _as_run(trial: FrozenTrial) -> Run:
    from optuna.trial import TrialState

    running = "running" if trial.state == TrialState.RUNNING else "ended"
    return Run(
        number=trial.number,
        point=Point(**trial.user_attrs["point"]),
        seed=trial.user_attrs["seed"],
        state="waiting" if trial.state == TrialState.WAITING else running,
        epochs=max(trial.intermediate_values, default=0),
        result=trial.user_attrs.get("result"),
        memory_deaths=(trial.user_attrs.get("begun") or {}).get("deaths", 0),
    )
