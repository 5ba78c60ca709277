"""`mien study`: many runs for one question, shared by any number of processes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.study_table import StudyTable, result_table
from mien.errors import ConfigError, MissingExtraError
from mien.paths import RUNS
from mien.processors import usable_cores

if TYPE_CHECKING:
    from mien.studies.design import Design
    from mien.studies.ledger import Ledger, Run

__all__ = ["study"]

STORAGE_VARIABLE = "MIEN_STUDY_STORAGE"


def study(  # noqa: PLR0913 - one an option
    file: Annotated[Path, typer.Argument(help="A study (TOML); see studies/.")],
    data: Annotated[
        str,
        typer.Option(
            help="The data set's folder or file, or synthetic:2000; default: the base recipe's."
        ),
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="The study's folder; default runs/studies/NAME.")
    ] = None,
    jobs: Annotated[
        int, typer.Option(min=1, help="Processes on this machine that do runs at the same time.")
    ] = 1,
    storage: Annotated[
        str,
        typer.Option(
            help="postgresql://user@host/database for several machines; default: a journal in the folder.",
            envvar=STORAGE_VARIABLE,
        ),
    ] = "",
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Do only some runs: --only activation=relu, --only seed=0. Repeatable: any of those of one name, and all names."
        ),
    ] = None,
    reuse: Annotated[
        list[Path] | None,
        typer.Option(
            help="The folder of another study, with its journal: runs of the same recipe and seed on the same faces are taken "
            "over from it. Repeatable."
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", help="Change the base recipe: -o train.epochs=3."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    is_helper: Annotated[
        bool, typer.Option("--helper", hidden=True, help="Do runs in silence; sum nothing up.")
    ] = False,
) -> None:
    """Answer a question by many runs: do what is missing, go on with what was cut off, sum up."""
    from mien.studies.reading import load_design
    from mien.training.stop import StopRequested

    design = load_design(file, option or [])
    wanted = _chosen(design, only or [])
    folder = out or Path(RUNS) / "studies" / design.name
    again = ["study", str(file), "--data", data or design.base.data.source, "--out", str(folder)]
    for text in only or []:
        again += ["--only", text]
    for place in reuse or []:
        again += ["--reuse", str(place)]
    for text in option or []:
        again += ["-o", text]
    if device != "auto":
        again += ["--device", device]
    try:
        with _Helpers([*again, "--helper"], jobs, storage):
            _study(design, data, folder, storage, wanted, reuse or [], device, is_helper)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("torch", "optuna", "matplotlib", "tomli_w"):
            raise
        raise MissingExtraError("studies", "A study") from None
    except StopRequested:
        if not is_helper:
            shown = shlex.join(["mien", *again, *(["--jobs", str(jobs)] if jobs > 1 else [])])
            is_named = storage and os.environ.get(STORAGE_VARIABLE) != storage
            left_out = " --storage … (left out here, as it may hold a password)" if is_named else ""
            typer.echo(
                f"Stopped; every run's state is saved. Go on with: {shown}{left_out}", err=True
            )
        raise typer.Exit(130) from None


def _study(  # noqa: PLR0913 - what the options say
    design: Design,
    data: str,
    folder: Path,
    storage: str,
    wanted: Callable[[Run], bool],
    reuse: list[Path],
    device: str,
    is_helper: bool,
) -> None:
    from mien.cli.given_data import open_training_data
    from mien.runtime import keep_freed_memory
    from mien.studies.checks import check_networks, check_teachers
    from mien.studies.ledger import open_ledger
    from mien.studies.runner import work
    from mien.studies.storage import storage_errors
    from mien.studies.taking_over import known_results
    from mien.training.stop import SignalStop

    known = {key: result for place in reuse for key, result in known_results(place).items()}
    check_networks(design)
    keep_freed_memory()
    dataset = open_training_data(data, design.base, quiet=is_helper)
    check_teachers(design, dataset)
    ledger = open_ledger(design, dataset.content_hash, folder, storage)
    try:
        with SignalStop() as stop, StudyTable(design, ledger, stop, is_helper) as live:
            work(ledger, design, dataset, folder, live, device=device, wanted=wanted, known=known)
        if not any(map(wanted, ledger.runs())):
            raise ConfigError("--only leaves no run of this study: none has all of that.")
        if not is_helper:
            _sum_up(design, ledger, dataset.content_hash, folder)
        ledger.close()
    except storage_errors() as error:
        # Nothing to give back: the database has closed our connection and with it our leases.
        raise ConfigError(
            f"The study's database is gone ({str(error).splitlines()[0]}). What was trained is kept: "
            "when it is back, start the same command again."
        ) from None
    except BaseException:
        ledger.close()
        raise


def _sum_up(design: Design, ledger: Ledger, data_hash: str, folder: Path) -> None:
    from datetime import UTC, datetime

    from mien.cli.result_tables import report_console
    from mien.studies.conclusion import can_be_concluded, cannot_be_concluded
    from mien.studies.design import frozen_hash
    from mien.studies.page import write_study
    from mien.studies.runner import where_trained
    from mien.studies.summary import summarise

    runs = ledger.runs()
    summary = summarise(design, runs, data_hash, frozen_hash(design.frozen(data_hash)))
    source = Path(design.source)
    name = source.name if source.is_absolute() else str(source)
    changes = [part for change in design.changes for part in ("-o", change)]
    facts = {
        "command": f"mien study {shlex.join([name, *changes])} --data PATH",
        **where_trained(folder, runs),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    page = write_study(summary, design, runs, folder, facts)
    report_console().print(result_table(summary))
    for sentence in can_be_concluded(summary):
        typer.echo(sentence)
    for sentence in cannot_be_concluded(summary):
        typer.echo(f"But: {sentence}")
    typer.echo(f"The study is shown in {page}")


class _Helpers:
    """Further processes that do runs of the same study, while it is entered."""

    def __init__(self, words: list[str], jobs: int, storage: str) -> None:
        self._words, self._num = words, jobs - 1
        self._environment = dict(os.environ)
        if storage:  # not as an argument: it may hold a password, and everyone can see those
            self._environment[STORAGE_VARIABLE] = storage
        if self._num:
            # Processes that each start a thread for every core would only hinder each other.
            cores = usable_cores()
            self._environment.setdefault("OMP_NUM_THREADS", str(max(1, cores // jobs)))
            os.environ.setdefault("OMP_NUM_THREADS", self._environment["OMP_NUM_THREADS"])
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> None:
        command = [sys.executable, "-m", "mien", *self._words]
        for _ in range(self._num):
            # A session of its own: Ctrl-C reaches us alone, and we ask each helper once to end.
            started = subprocess.Popen(  # noqa: S603
                command, env=self._environment, start_new_session=True
            )
            self._started.append(started)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for process in self._started:
            if kind is not None:
                process.terminate()  # it saves the state of its run and ends
            process.wait()


def _chosen(design: Design, only: list[str]) -> Callable[[Run], bool]:
    """What ``--only`` lets through."""
    known = {factor.name: [level.label for level in factor.levels] for factor in design.factors}
    known["seed"] = [str(seed) for seed in design.seeds]
    asked: dict[str, set[str]] = {}
    for text in only:
        name, equals, value = text.partition("=")
        if equals and name in known:
            # 1e9 in the file is called 1000000000.0, and people write what stands in the file.
            value = next((label for label in known[name] if _is_same(label, value)), value)
        if not equals or name not in known or (known[name] and value not in known[name]):
            choices = "; ".join(f"{key}={'|'.join(known[key])}" for key in known)
            raise ConfigError(f"--only {text} names no run of this study; expected {choices}.")
        asked.setdefault(name, set()).add(value)

    def wanted(run: Run) -> bool:
        values = {**run.point.values, "seed": str(run.seed)}
        return all(values[name] in any_of for name, any_of in asked.items())

    return wanted


def _is_same(label: str, text: str) -> bool:
    try:
        return label == text or float(label) == float(text)
    except ValueError:
        return False
