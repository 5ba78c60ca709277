"""Counts for those who operate the server, in Prometheus's format: never about a person."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Metrics"]

_LATENCY_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """The counters of one server, in a registry of its own."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.registry = CollectorRegistry()
        self.received = Counter(
            "mien_messages_received",
            "Frames and signals that students sent",
            ["kind"],
            registry=self.registry,
        )
        self.answered = Counter(
            "mien_messages_answered",
            "What became of them: seen, or dropped with a reason",
            ["outcome"],
            registry=self.registry,
        )
        self.refused = Counter(
            "mien_connections_refused",
            "Sockets that were closed for what they sent",
            ["reason"],
            registry=self.registry,
        )
        self.latency = Histogram(
            "mien_frame_seconds",
            "From the arrival of a frame to its answer",
            buckets=_LATENCY_S,
            registry=self.registry,
        )
        self.sockets = Gauge("mien_sockets", "Open sockets", ["role"], registry=self.registry)
        self.lessons = Gauge("mien_lessons", "Running lessons", registry=self.registry)
        self.students = Gauge(
            "mien_students", "Students of running lessons", registry=self.registry
        )
        self.pace = Gauge(
            "mien_pace_seconds", "Between two frames of a student", registry=self.registry
        )
        self.load = Gauge("mien_load", "Share of the machine in use", registry=self.registry)
        self.workers_replaced = Counter(
            "mien_workers_replaced",
            "Recognisers that a picture stopped",
            registry=self.registry,
        )
        self.batches = Counter(
            "mien_store_batches", "Batches for the store", ["outcome"], registry=self.registry
        )
        self.lost_rows = Counter(
            "mien_store_lost_rows",
            "Rows given up while the store was away",
            registry=self.registry,
        )

    def text(self) -> bytes:
        """Return all of it as Prometheus reads it."""
        return generate_latest(self.registry)
