"""How a study goes, on the terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from mien.studies.design import Design
    from mien.studies.ledger import Ledger, Run
    from mien.training.loop import Progress
    from mien.training.stop import SignalStop

__all__ = ["StudyTable"]


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

    def batch(self, run: Run, progress: Progress) -> None:
        """Draw once a second; stop where that was asked for."""
        self._present = run, progress
        if self._is_drawn and time.monotonic() - self._drawn_at > 1:
            self._draw()
        self._stop.check()

    def end(self, run: Run, result: Mapping[str, Any]) -> None:
        """Say how a run ended."""
        self._present = None
        scores = result["scores"]
        figures = (
            ""
            if scores is None
            else f"  {self._design.score} {scores[self._design.score]:.3f}  accuracy {scores['accuracy']:.2%}"
        )
        state = (
            ""
            if result["state"] == "finished"
            else f"  {result['state'].upper()} {result['detail']}"
        )
        self._say(
            f"{run.point.label}, seed {run.seed}: {result['epochs']} epochs, {result['seconds']:.0f} s{figures}{state}"
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


def _table(design: Design, ledger: Ledger, present: tuple[Run, Progress] | None) -> Table:
    from rich.table import Table

    table = Table("value", "runs", design.score, "now", title=design.question, title_justify="left")
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
        mean = f"{sum(scores) / len(scores):.3f}" if scores else "–"
        table.add_row(
            label,
            f"{len(ended)}/{len(of_it)}",
            f"{mean} [bold red]{' '.join(sorted(states)).upper()}[/]" if states else mean,
            ", ".join(now),
        )
    return table
