"""Whole studies in this process, and who listens to them."""

from mien.studies.ledger import open_ledger
from mien.studies.reading import load_design
from mien.studies.runner import work
from mien.studies.summary import summarise
from mien.training.stop import StopRequested


class Silent:
    """Listens, remembers, and stops after so many batches."""

    def __init__(self, stop_after=None):
        self.begun, self.ended, self.batches, self.stop_after = [], [], 0, stop_after

    def teacher(self, run, num_answered, num_faces): ...

    def begin(self, run):
        self.begun.append((run.point.label, run.seed))

    def batch(self, _run, _progress):
        self.batches += 1
        if self.batches == self.stop_after:
            raise StopRequested

    def end(self, run, result):
        self.ended.append((run.point.label, run.seed, result["state"]))

    def idle(self): ...


def run_study(path, faces, folder, watcher=None, options=(), known=None):
    """Do all of a study in this process and sum it up."""
    design = load_design(path, options)
    ledger = open_ledger(design, faces.content_hash, folder)
    try:
        work(ledger, design, faces, folder, watcher or Silent(), device="cpu", known=known)
        return summarise(design, ledger.runs(), faces.content_hash, "f" * 12)
    finally:
        ledger.close()
