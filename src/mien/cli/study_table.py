"""How a study goes, on the terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from mien.studies.design import Design
    from mien.studies.ledger import Ledger, Run
    from mien.studies.summary import Summary
    from mien.training.loop import Progress
    from mien.training.stop import SignalStop

__all__ = ["StudyTable", "result_table"]


class StudyTable:
    """A table that follows the study on a terminal; a line a run anywhere else."""

    def __init__(
        self, design: Design, ledger: Ledger, stop: SignalStop, is_silent: bool = False
    ) -> None:
        """Name the study, and who says when to stop; a silent one only listens for that."""
        from rich.console import Console
        from rich.live import Live

        self._design, self._ledger, self._stop = design, ledger, stop
        self._console = Console(stderr=True, quiet=is_silent)
        self._is_drawn = self._console.is_terminal and not is_silent
        self._present: tuple[Run, Progress] | None = None
        self._drawn_at = 0.0
        self._live = Live(console=self._console, auto_refresh=False)

    def __enter__(self) -> StudyTable:
        if self._is_drawn:
            self._live.start()
            self._draw()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_drawn:
            self._draw()
            self._live.stop()

    def begin(self, run: Run) -> None:
        """Say that a run starts or goes on."""
        goes_on = f", goes on after epoch {run.epochs}" if run.epochs else ""
        self._say(f"{run.point.label}, seed {run.seed}: begins{goes_on}")

    def teacher(self, run: Run, num_answered: int, num_faces: int) -> None:
        """Say that it is asked; stop where that was asked for."""
        if not num_answered:
            self._say(
                f"{run.point.label}, seed {run.seed}: the teacher answers {num_faces:,} faces first"
            )
        self._stop.check()

    def batch(self, run: Run, progress: Progress) -> None:
        """Draw once a second; stop where that was asked for."""
        self._present = run, progress
        if self._is_drawn and time.monotonic() - self._drawn_at > 1:
            self._draw()
        self._stop.check()

    def end(self, run: Run, result: Mapping[str, Any]) -> None:
        """Say how a run ended."""
        from mien.studies.design import SCORES

        self._present = None
        scores = result["scores"]
        shown = () if scores is None else dict.fromkeys((self._design.score, "accuracy"))
        figures = "".join(f"  {SCORES[name]} {100 * scores[name]:.2f} %" for name in shown)
        state = (
            ""
            if result["state"] == "finished"
            else f"  {result['state'].upper()} {result['detail']}"
        )
        epochs = f"{result['epochs']} epoch{'' if result['epochs'] == 1 else 's'}"
        self._say(
            f"{run.point.label}, seed {run.seed}: {epochs}, {result['seconds']:.0f} s{figures}{state}"
        )
        if self._is_drawn:
            self._draw()

    def idle(self) -> None:
        """Stop where that was asked for."""
        if self._is_drawn:
            self._draw()
        self._stop.check()

    def _say(self, text: str) -> None:
        if not self._is_drawn:
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _draw(self) -> None:
        self._drawn_at = time.monotonic()
        self._live.update(_table(self._design, self._ledger, self._present), refresh=True)


def result_table(summary: Summary) -> Table:
    """Return what came out, a line a value, the best first; the page has more."""
    from rich.markup import escape

    from mien.cli.result_tables import plain_table
    from mien.studies.conclusion import p_text, points_apart, spread_text
    from mien.studies.design import SCORES

    scores = dict.fromkeys((summary.score, "accuracy"))
    heads = [f"{SCORES[score]} %" for score in scores]
    table = plain_table("value", *heads, "Δ points (95 %)", "p", "")
    # On a narrow terminal words go on in the next line; figures stay whole.
    for column in (table.columns[0], table.columns[-3], table.columns[-1]):
        column.no_wrap, column.overflow = False, "fold"
    for point in summary.in_order:
        table.add_row(
            escape(point.label),
            *(spread_text(point, score) for score in scores),
            points_apart(point.difference),
            p_text(point.p_adjusted).removeprefix("= "),
            point.verdict,
        )
    return table


def _table(design: Design, ledger: Ledger, present: tuple[Run, Progress] | None) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from mien.studies.design import SCORES

    title = escape(design.question)
    table = Table(
        "value", "runs", f"{SCORES[design.score]} %", "now", title=title, title_justify="left"
    )
    runs = ledger.runs()
    for label in dict.fromkeys(run.point.label for run in runs):
        of_it = [run for run in runs if run.point.label == label]
        ended = [run for run in of_it if run.result is not None and run.state == "ended"]
        scores = [
            r.result["scores"][design.score] for r in ended if r.result and r.result["scores"]
        ]
        states = {r.result["state"] for r in ended if r.result} - {"finished"}
        now = [
            f"seed {run.seed}: epoch {run.epochs + 1}" for run in of_it if run.state == "running"
        ]
        if present is not None and present[0].point.label == label:
            seen = max(1.0, present[1].num_seen)
            now.append(f"loss {present[1].loss_sum / seen:.3f}")
        mean = f"{100 * sum(scores) / len(scores):.1f}" if scores else "–"
        table.add_row(
            escape(label),
            f"{len(ended)}/{len(of_it)}",
            f"{mean} [bold red]{' '.join(sorted(states)).upper()}[/]" if states else mean,
            ", ".join(now),
        )
    return table
