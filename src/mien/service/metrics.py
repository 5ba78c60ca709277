"""Counters for Prometheus; with several workers each writes its own file, and whoever is asked adds them up."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

__all__ = ["FOLDER_VARIABLE", "Metrics"]

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder of the workers' files. prometheus_client reads it once, when it is first imported."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10)
_FACES = (1, 2, 4, 8, 16, 32, 64, 128)
_LIVE_FILE = re.compile(r"gauge_live\w*_(\d+)\.db")


class Metrics:
    """What is counted."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter(
            "mien_requests", "Requests answered.", labels, registry=self._registry
        )
        self.refusals = Counter(
            "mien_refusals",
            "Refused before they were requests: no HTTP, too slow, too many.",
            ("error",),
            registry=self._registry,
        )
        self.seconds = Histogram(
            "mien_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.at_work = Gauge(
            "mien_requests_at_work",
            "Requests being answered.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self.pictures = Counter("mien_pictures", "Pictures answered.", registry=self._registry)
        self.faces = Counter("mien_faces", "Faces answered.", ("source",), registry=self._registry)
        self.batches = Histogram(
            "mien_batch_faces", "Faces classified at once.", buckets=_FACES, registry=self._registry
        )
        self.fallbacks = Counter(
            "mien_fallback_requests",
            "Pictures that the cloud was asked about.",
            registry=self._registry,
        )

    def count_refusal(self, code: str) -> None:
        """Count what was refused before it was a request, by the code of its error."""
        self.refusals.labels(code).inc()

    def text(self) -> bytes:
        """Return all of it, of all workers, as Prometheus reads it."""
        folder = os.environ.get(FOLDER_VARIABLE)
        if not folder:
            return generate_latest(self._registry)
        _forget_dead_workers(Path(folder))
        together = CollectorRegistry()
        MultiProcessCollector(together, folder)  # type: ignore[no-untyped-call]
        return generate_latest(together)


def _forget_dead_workers(folder: Path) -> None:
    """A worker that was killed cannot take back that it was at work; what it has counted stays."""
    for file in folder.glob("gauge_live*.db"):
        match = _LIVE_FILE.fullmatch(file.name)
        if match and not _lives(int(match[1])):
            with suppress(FileNotFoundError):  # another worker, asked at the same time, was faster
                mark_process_dead(int(match[1]), str(folder))  # type: ignore[no-untyped-call]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
