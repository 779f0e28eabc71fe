"""Figures for Prometheus: of one process, or of all workers where the supervisor has named them a folder."""

from __future__ import annotations

import os

from nlpkit.commands import Tally
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # which prometheus_client reads when it is imported
MOST_REASONS = 40  # kinds of reasons that are told apart: a stranger's model may have any
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """What is counted."""

    def __init__(self) -> None:
        disable_created_metrics()
        own = self._registry = CollectorRegistry()
        self.requests = Counter("nlpkit_requests", "Requests answered.", ["route", "status"], registry=own)
        self.seconds = Histogram(
            "nlpkit_request_seconds", "Seconds until a request was answered.", ["route"], buckets=SECONDS, registry=own
        )
        self.rows = Counter("nlpkit_rows", "Texts answered.", ["model", "verb"], registry=own)
        self.reasons = Counter(
            "nlpkit_rows_without_answer", "Texts without an answer, by why.", ["model", "verb", "reason"], registry=own
        )
        self.queue = Gauge(
            "nlpkit_queue", "Requests that wait or are being answered.", registry=own, multiprocess_mode="livesum"
        )
        self.ready = Gauge("nlpkit_ready", "Workers that are ready.", registry=own, multiprocess_mode="livesum")
        self.batches = Histogram(
            "nlpkit_batch_texts", "Texts of requests that were answered together.", buckets=TEXTS, registry=own
        )
        self.reloads = Counter("nlpkit_reloads", "Models that were replaced.", ["model", "outcome"], registry=own)
        self._kinds = set[str]()

    def count_rows(self, model: str, verb: str, tally: Tally) -> None:
        """Count texts that were answered."""
        self.rows.labels(model, verb).inc(tally.rows.rows)
        for reason, rows in tally.rows.reasons.items():
            self.reasons.labels(model, verb, self._kind_of(str(reason))).inc(rows)

    def write(self) -> tuple[bytes, str]:
        """Return all figures as Prometheus reads them, and their media type."""
        if os.environ.get(FOLDER):
            every = CollectorRegistry()
            multiprocess.MultiProcessCollector(every)
            return generate_latest(every), CONTENT_TYPE_LATEST
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def _kind_of(self, reason: str) -> str:
        """Return what a reason begins with: ``unsure (0.61)`` is ``unsure``, lest each number be a series."""
        kind = reason.partition(":")[0].partition(" (")[0][:60]
        if kind not in self._kinds and len(self._kinds) >= MOST_REASONS:
            return "other"
        self._kinds.add(kind)
        return kind
